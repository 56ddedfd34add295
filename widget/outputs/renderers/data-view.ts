import { createPart, type CreateView } from '../output-view.ts';
import type { DataOutput } from '../output.ts';
import { createUnknownView } from './fallback-view.ts';
import type { MimeRenderer, MimeView } from './mime-renderer.ts';
import { pickRenderer } from './mime-renderers.ts';

type Current =
  | { readonly renderer: MimeRenderer; readonly view: MimeView }
  | { readonly renderer?: undefined; readonly view: Pick<MimeView, 'element' | 'dispose'> };

/** A MIME bundle by the best renderer that there is; an update within one family keeps what stands on the page. */
export const createDataView: CreateView<DataOutput> = (output) => {
  const element = createPart('div', '');
  let current: Current | undefined;
  const update = (next: DataOutput): void => {
    element.className = `live-output live-${next.type}`;
    element.setAttribute('part', `output ${next.type}`);
    const picked = pickRenderer(next.data, next.metadata);
    if (picked && current?.renderer === picked.renderer) return current.view.update(picked.content);
    current?.view.dispose();
    current = picked
      ? { renderer: picked.renderer, view: picked.renderer.create(picked.content) }
      : { view: createUnknownView(next.data) };
    element.replaceChildren(current.view.element);
  };
  update(output);
  return { element, update, dispose: () => current?.view.dispose() };
};
