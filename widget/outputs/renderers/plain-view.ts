import { mimeText } from '../output.ts';
import type { MimeContent, MimeView } from './mime-renderer.ts';
import { createTextView } from './text-view.ts';

const textOf = ({ value }: MimeContent): string => mimeText(value) ?? '';

/** text/plain, and types that are shown by their text. */
export const createPlainView = (content: MimeContent): MimeView => {
  const view = createTextView(textOf(content));
  return { ...view, update: (next) => view.update(textOf(next)) };
};
