import type { MimeBundle } from '../../../sdk/kernel.ts';
import { mimeText } from '../output.ts';
import { createJsonView } from './json-view.ts';
import type { MimeContent, MimeRenderer } from './mime-renderer.ts';
import { createPlainView } from './plain-view.ts';

const isText = ({ value }: MimeContent): boolean => mimeText(value) !== undefined;

/** A formula's plain text is often the better one; that of `display(Latex(…))` only names its class. */
const hasNoPlainText = ({ data }: MimeContent): boolean =>
  /^(<IPython\.|$)/.test(mimeText(data['text/plain'])?.trim() ?? '');

/** In Jupyter's order: the first that a bundle has and that can show it is used. LaTeX and Markdown are shown as text. */
const MIME_RENDERERS: readonly MimeRenderer[] = [
  { types: ['text/html'], accepts: isText, load: async () => (await import('./html-view.ts')).createHtmlView },
  {
    types: ['image/svg+xml', 'image/png', 'image/jpeg', 'image/gif', 'image/webp'],
    accepts: isText,
    load: async () => (await import('./image-view.ts')).createImageView,
  },
  { types: ['text/markdown'], accepts: isText, load: () => createPlainView },
  {
    types: ['text/latex'],
    accepts: (content) => isText(content) && hasNoPlainText(content),
    load: () => createPlainView,
  },
  { types: ['application/json'], accepts: () => true, load: () => createJsonView },
  { types: ['text/plain'], accepts: isText, load: () => createPlainView },
];

/** The renderer for a bundle and what it shows of it; undefined when there is none. */
export const pickRenderer = (
  data: MimeBundle,
  metadata: MimeBundle,
): { readonly renderer: MimeRenderer; readonly content: MimeContent } | undefined => {
  for (const renderer of MIME_RENDERERS) {
    for (const type of renderer.types) {
      if (!Object.hasOwn(data, type)) continue;
      const content = { type, value: data[type], data, metadata };
      if (renderer.accepts(content)) return { renderer, content };
    }
  }
  return undefined;
};
