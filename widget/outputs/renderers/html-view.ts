import { keepScrollable } from '../keep-scrollable.ts';
import { createPart } from '../output-view.ts';
import { mimeText } from '../output.ts';
import { createFallbackView, usefulText } from './fallback-view.ts';
import type { MimeContent, MimeView } from './mime-renderer.ts';

const SCRIPTS = 'This output holds scripts, which do not run here.';
const FAILED = 'This output could not be prepared for display; its text is shown.';

/**
 * HTML, sanitised, in a shadow root of its own. The sanitiser is loaded when the first such output comes. What needs
 * scripts is shown by its text, or by what is left of it, with a line that says so.
 */
export const createHtmlView = (content: MimeContent): MimeView => {
  const element = createPart('div', 'live-scroll live-html', 'html');
  let stop = (): void => {};
  let turn = 0;

  const show = (...children: HTMLElement[]): void => {
    stop();
    element.replaceChildren(...children);
    stop = keepScrollable(element, 'HTML output');
  };
  const showFallback = (note: string, { data }: MimeContent): void => {
    const fallback = createFallbackView(note, data);
    show(fallback.element);
    const stopScrolling = stop;
    stop = () => {
      stopScrolling();
      fallback.dispose();
    };
  };

  const draw = async (next: MimeContent, mine: number): Promise<void> => {
    const { sanitisedHtml } = await import('./sanitised-html.ts');
    if (mine !== turn) return;
    const { host, hasScripts, isEmpty } = sanitisedHtml(mimeText(next.value) ?? '');
    if (!hasScripts) return show(host);
    if (isEmpty || usefulText(next.data) !== undefined) return showFallback(SCRIPTS, next);
    const note = createPart('p', 'live-note', 'note');
    note.textContent = SCRIPTS;
    show(note, host);
  };
  const update = (next: MimeContent): void => {
    const mine = ++turn;
    draw(next, mine).catch(() => {
      if (mine === turn) showFallback(FAILED, next);
    });
  };
  update(content);

  const dispose = (): void => {
    turn += 1;
    stop();
  };
  return { element, update, dispose };
};
