import type { OutputMessage } from '../../sdk/kernel.ts';
import { inputStyles } from './input-styles.ts';
import { createPart } from './output-view.ts';
import { adoptStyles } from './style-sheet.ts';
import { terminalText } from './terminal-text.ts';

/** What a kernel asks with `input()` or `getpass()`. */
export interface InputRequest {
  readonly prompt: string;
  readonly password: boolean;
}

/** The deepest element that has the focus. */
const focused = (): Element | null => {
  let element = document.activeElement;
  while (element?.shadowRoot?.activeElement) element = element.shadowRoot.activeElement;
  return element;
};

/** The focus may move to the question if it is nowhere, or in the same cell; elsewhere the reader is at something else. */
const mayTakeFocus = (form: HTMLElement): boolean => {
  const element = focused();
  return !element || element === document.body || element.getRootNode() === form.getRootNode();
};

const plain = (text: string): string => {
  const lines = terminalText({ maxLines: 200 });
  lines.write(text);
  return lines.text;
};

/** What a terminal would show once the question is answered; a password leaves no trace of its length. */
export const inputEcho = (request: InputRequest, answer: string): OutputMessage => ({
  type: 'stream',
  name: 'stdout',
  text: `${request.prompt}${request.password ? '········' : answer}\n`,
});

/**
 * Asks the reader in place, at the end of `host`, and takes the question away when it is answered. Rejects with the
 * signal's reason when that aborts first.
 */
export const askInput = (
  host: HTMLElement | ShadowRoot,
  request: InputRequest,
  signal?: AbortSignal,
): Promise<string> =>
  new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const form = createPart('form', 'live-input', 'input');
    const label = document.createElement('label');
    const field = createPart('input', '', 'input-field');
    const button = createPart('button', '', 'input-button');
    const listeners = new AbortController();
    const finish = (): void => {
      listeners.abort();
      form.remove();
    };
    field.type = request.password ? 'password' : 'text';
    field.autocomplete = 'off';
    field.spellcheck = false;
    field.setAttribute('autocapitalize', 'off');
    button.textContent = 'Send';
    label.append(plain(request.prompt).trim() || (request.password ? 'Password' : 'The program asks for input'), field);
    form.append(label, button);
    form.addEventListener(
      'submit',
      (event) => {
        event.preventDefault();
        finish();
        resolve(field.value);
      },
      { signal: listeners.signal },
    );
    signal?.addEventListener(
      'abort',
      () => {
        finish();
        reject(signal.reason);
      },
      { signal: listeners.signal },
    );
    host.append(form);
    adoptStyles(form, inputStyles());
    if (mayTakeFocus(form)) field.focus({ preventScroll: false });
  });
