import { keepScrollable } from '../keep-scrollable.ts';
import { createPart, type CreateView } from '../output-view.ts';
import type { ErrorOutput } from '../output.ts';
import { terminalText } from '../terminal-text.ts';

/** A longer traceback is folded: its name and value say what happened. */
const OPEN_LINES = 40;

/** What went wrong in one line, and the traceback below it. */
export const createErrorView: CreateView<ErrorOutput> = (output) => {
  const element = createPart('div', 'live-output live-error', 'output error');
  let stop = (): void => {};
  const update = ({ name, value, traceback }: ErrorOutput): void => {
    stop();
    const title = createPart('span', 'live-error-title', 'error-title');
    const text = terminalText({ maxLines: 20 });
    text.write(value === '' ? name : `${name}: ${value}`);
    title.textContent = text.text;
    if (traceback.length === 0) {
      const line = createPart('p', 'live-error-line');
      line.append(title);
      element.replaceChildren(line);
      return;
    }
    const details = createPart('details', 'live-traceback', 'traceback');
    const summary = createPart('summary', 'live-error-line');
    const box = createPart('div', 'live-scroll');
    const pre = createPart('pre', 'live-terminal live-structured');
    const lines = terminalText();
    lines.write(traceback.join('\n'));
    lines.render(pre);
    details.open = lines.text.split('\n').length <= OPEN_LINES;
    box.append(pre);
    summary.append(title);
    details.append(summary, box);
    element.replaceChildren(details);
    stop = keepScrollable(box, 'Traceback');
  };
  update(output);
  return { element, update, dispose: () => stop() };
};
