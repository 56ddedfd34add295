import type { MimeBundle } from '../../../sdk/kernel.ts';
import { mimeText } from '../output.ts';
import { createHtmlView } from './html-view.ts';
import { IMAGE_TYPES } from './image-data.ts';
import { createImageView } from './image-view.ts';
import { createJsonView } from './json-view.ts';
import type { MimeContent, MimeRenderer } from './mime-renderer.ts';
import { createPlainView } from './plain-view.ts';

const isText = ({ value }: MimeContent): boolean => mimeText(value) !== undefined;

/** In Jupyter's order: the first that a bundle has and that can show it is used. LaTeX and Markdown are shown as text. */
export const MIME_RENDERERS: readonly MimeRenderer[] = [
  { types: ['text/html'], accepts: isText, create: createHtmlView },
  { types: ['image/svg+xml', ...IMAGE_TYPES], accepts: isText, create: createImageView },
  { types: ['text/markdown', 'text/latex'], accepts: isText, create: createPlainView },
  { types: ['application/json'], create: createJsonView },
  { types: ['text/plain'], accepts: isText, create: createPlainView },
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
      if (renderer.accepts?.(content) ?? true) return { renderer, content };
    }
  }
  return undefined;
};
