import type { MimeBundle } from '../../../sdk/kernel.ts';
import { createPart } from '../output-view.ts';
import { mimeText } from '../output.ts';
import type { MimeView } from './mime-renderer.ts';
import { createTextView } from './text-view.ts';

/** Python's name of an object that has no text of its own says nothing to a reader. */
const NAMELESS = /^\s*<[\w. ]+ object(?: at 0x[0-9a-f]+)?>\s*$/i;

/** The bundle's text, unless it is only the name of an object. */
export const usefulText = (data: MimeBundle): string | undefined => {
  const text = mimeText(data['text/plain']);
  return text === undefined || NAMELESS.test(text) ? undefined : text;
};

/** One sentence about what is not shown as it was meant, and the text that stands for it. */
export const createFallbackView = (note: string, data: MimeBundle): MimeView<never> => {
  const element = createPart('div', 'live-fallback');
  const line = createPart('p', 'live-note', 'note');
  const text = usefulText(data);
  const view = text === undefined ? undefined : createTextView(text);
  line.textContent = note;
  element.append(line, ...(view ? [view.element] : []));
  return { element, update: () => {}, dispose: () => view?.dispose() };
};

/** A type without a renderer, and no text. */
export const createUnknownView = (data: MimeBundle): MimeView<never> => {
  const types = Object.keys(data);
  const what = types.length === 0 ? 'This output is empty.' : `This output cannot be shown here: ${types.join(', ')}.`;
  return createFallbackView(what, data);
};
