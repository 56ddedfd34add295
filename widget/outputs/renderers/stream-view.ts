import { keepScrollable } from '../keep-scrollable.ts';
import { createPart, type CreateView } from '../output-view.ts';
import type { StreamOutput } from '../output.ts';
import { createTerminalView } from '../terminal-view.ts';

/** Printed text; it follows its end as long as the reader has not scrolled away from it. */
export const createStreamView: CreateView<StreamOutput> = (output) => {
  const element = createPart('div', `live-output live-stream live-${output.name}`, `output stream ${output.name}`);
  const box = createPart('div', 'live-scroll');
  const text = createPart('pre', 'live-terminal');
  const view = createTerminalView(text);
  if (output.name === 'stderr') {
    const label = createPart('span', 'live-label', 'output-label');
    label.textContent = 'stderr';
    element.append(label);
  }
  box.append(text);
  element.append(box);
  const stop = keepScrollable(box, output.name === 'stderr' ? 'Printed to stderr' : 'Printed text');
  const toEnd = (): void => {
    box.scrollTop = box.scrollHeight;
  };
  const update = (next: StreamOutput): void => {
    const atEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 4;
    view.draw(next.terminal);
    if (atEnd) toEnd();
  };
  update(output);
  // It has a height only once the caller has put it on the page.
  queueMicrotask(toEnd);
  return { element, update, dispose: stop };
};
