import type { MimeContent, MimeView } from './mime-renderer.ts';
import { createTextView } from './text-view.ts';

const MAX_CHARS = 1_000_000;

const pretty = ({ value }: MimeContent): string => {
  const text = JSON.stringify(value, undefined, 2) ?? '';
  if (text.length <= MAX_CHARS) return text;
  return `${text.slice(0, MAX_CHARS)}\n… ${(text.length - MAX_CHARS).toLocaleString('en')} more characters`;
};

/** JSON, two spaces a level. */
export const createJsonView = (content: MimeContent): MimeView => {
  const view = createTextView(pretty(content), 'JSON output');
  return { ...view, update: (next) => view.update(pretty(next)) };
};
