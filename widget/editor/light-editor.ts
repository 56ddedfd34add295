import { createPart } from '../outputs/output-view.ts';
import { adoptStyles } from '../outputs/style-sheet.ts';
import { listenToKeys } from './editor-keys.ts';
import { editorStyles } from './editor-styles.ts';
import { createHighlighter } from './highlighter.ts';
import { languageOf } from './languages.ts';
import { schemeOf, tokenColours } from './token-colours.ts';
import { tokenise } from './tokenise.ts';

/** What an editor is made of. */
export interface LightEditorOptions {
  readonly root: ShadowRoot;
  /** Where in the root the editor goes; its type, colour and box are the editor's. */
  readonly host: HTMLElement;
  readonly source: string;
  readonly language: string;
  /** Name for a screen reader, such as "Code of cell 1". */
  readonly label: string;
  /** Default false. */
  readonly readOnly?: boolean;
  /** The author's block, whose token colours and line breaking it takes; default: the first `pre` of the root's host, or just before it. */
  readonly block?: HTMLElement;
  onRun(): void;
  /** Default: `onRun`. */
  onRunAndAdvance?(): void;
  onChange(source: string): void;
  /** Takes sentences for the page's live region. */
  onAnnounce?(text: string): void;
}

/** An editor on the page. */
export interface LightEditor {
  readonly value: string;
  /** Sets the text without calling `onChange`. */
  setValue(text: string): void;
  focus(): void;
  dispose(): void;
}

const HINT = 'Tab indents. To leave the editor, press Escape and then Tab.';

let editors = 0;

const authorsBlock = ({ block, root }: LightEditorOptions): HTMLElement | undefined => {
  if (block) return block;
  const inside = root.host.querySelector<HTMLElement>('pre');
  const before = root.host.previousElementSibling;
  return inside ?? (before instanceof HTMLPreElement ? before : undefined);
};

/** A textarea over its own text coloured: the browser's undo, selection, spelling of keys and accessibility stay as they are. */
export const createLightEditor = (options: LightEditorOptions): LightEditor => {
  const { root, host, label, onChange } = options;
  const language = languageOf(options.language);
  const block = authorsBlock(options);
  const id = `live-editor-hint-${++editors}`;

  const element = createPart('div', 'live-editor', 'editor');
  const underlay = document.createElement('pre');
  const field = createPart('textarea', '', 'editor-input');
  const hint = document.createElement('span');
  const text = document.createTextNode('');
  const highlighter = createHighlighter(text);
  const listeners = new AbortController();

  const paint = (): void => {
    text.data = `${field.value}\n`;
    highlighter.paint(tokenise(field.value, language));
  };

  underlay.ariaHidden = 'true';
  underlay.append(text);
  hint.id = id;
  hint.hidden = true;
  hint.textContent = HINT;
  field.value = options.source;
  field.readOnly = options.readOnly ?? false;
  field.ariaLabel = label;
  if (!field.readOnly) field.setAttribute('aria-describedby', id);
  field.setAttribute('autocapitalize', 'off');
  field.setAttribute('autocorrect', 'off');
  field.autocomplete = 'off';
  field.spellcheck = false;
  field.wrap = 'off';
  field.rows = 1;
  element.append(underlay, field, hint);

  adoptStyles(root, editorStyles());
  host.append(element);
  element.style.colorScheme = schemeOf(getComputedStyle(host).color);
  if (block) {
    const { whiteSpace, overflowWrap, wordBreak } = getComputedStyle(block);
    Object.assign(element.style, { whiteSpace, overflowWrap, wordBreak });
    for (const [kind, colour] of tokenColours(block, language)) {
      element.style.setProperty(`--live-token-${kind}`, colour);
    }
    if (/wrap|break-spaces/.test(whiteSpace) && whiteSpace !== 'nowrap') {
      element.classList.add('live-wraps');
      field.wrap = 'soft';
    }
  }
  paint();

  field.addEventListener(
    'input',
    () => {
      paint();
      onChange(field.value);
    },
    { signal: listeners.signal },
  );
  const actions = {
    onRun: () => options.onRun(),
    onRunAndAdvance: () => (options.onRunAndAdvance ?? options.onRun).call(options),
    onAnnounce: (sentence: string) => options.onAnnounce?.(sentence),
  };
  listenToKeys(field, language, actions, listeners.signal);

  return {
    get value() {
      return field.value;
    },
    setValue: (value) => {
      field.value = value;
      paint();
    },
    focus: () => field.focus(),
    dispose: () => {
      listeners.abort();
      highlighter.dispose();
      element.remove();
    },
  };
};
