import { keepScrollable } from '../keep-scrollable.ts';
import { createPart } from '../output-view.ts';
import { mimeText } from '../output.ts';
import { createFallbackView, usefulText } from './fallback-view.ts';
import type { MimeContent, MimeView } from './mime-renderer.ts';
import { sanitisedHtml, type SanitisedHtml } from './sanitised-html.ts';

const SCRIPTS = 'This output holds scripts, which do not run here.';
const FAILED = 'This output could not be made safe for the page.';

const sanitised = (html: string): SanitisedHtml | undefined => {
  try {
    return sanitisedHtml(html);
  } catch {
    // Such as where the page's policy does not allow the sanitiser to parse.
    return undefined;
  }
};

/**
 * HTML, sanitised, in a shadow root of its own. What needs scripts is shown by its text, or by what is left of it, with a
 * line that says so. This file and the sanitiser are loaded when the first such output comes.
 */
export const createHtmlView = (content: MimeContent): MimeView => {
  const element = createPart('div', 'live-scroll live-html', 'html');
  let release: (() => void)[] = [];

  const dispose = (): void => {
    for (const each of release) each();
    release = [];
  };
  const show = (...children: HTMLElement[]): void => {
    element.replaceChildren(...children);
    release.push(keepScrollable(element, 'HTML output'));
  };
  const showFallback = (note: string, { data }: MimeContent): void => {
    const fallback = createFallbackView(note, data);
    release.push(fallback.dispose);
    show(fallback.element);
  };
  const update = (next: MimeContent): void => {
    dispose();
    const made = sanitised(mimeText(next.value) ?? '');
    if (!made) return showFallback(FAILED, next);
    if (!made.hasScripts) return show(made.host);
    if (made.isEmpty || usefulText(next.data) !== undefined) return showFallback(SCRIPTS, next);
    const note = createPart('p', 'live-note', 'note');
    note.textContent = SCRIPTS;
    show(note, made.host);
  };
  update(content);
  return { element, update, dispose };
};
