import { keepScrollable } from '../keep-scrollable.ts';
import { createPart } from '../output-view.ts';
import { terminalText } from '../terminal-text.ts';
import type { MimeView } from './mime-renderer.ts';

/** Text as a terminal shows it, its lines unbroken, since tables and arrays are drawn with them. */
export const createTextView = (text: string, label = 'Text output'): MimeView<string> => {
  const element = createPart('div', 'live-scroll');
  const pre = createPart('pre', 'live-terminal live-structured');
  const lines = terminalText();
  const update = (next: string): void => {
    lines.clear();
    lines.write(next);
    lines.render(pre);
  };
  element.append(pre);
  update(text);
  return { element, update, dispose: keepScrollable(element, label) };
};
