import { createPart, type CreateView } from '../output-view.ts';
import type { DataOutput } from '../output.ts';
import { createFallbackView, createUnknownView } from './fallback-view.ts';
import { loadRenderer, type CreateMimeView, type MimeRenderer, type MimeView } from './mime-renderer.ts';
import { pickRenderer } from './mime-renderers.ts';

const NOT_LOADED = 'What shows this output could not be loaded; run the cell again once you are online.';

type Current =
  | { readonly renderer: MimeRenderer; readonly view: MimeView }
  | { readonly renderer?: undefined; readonly view: Pick<MimeView, 'element' | 'dispose'> };

/** A MIME bundle by the best renderer that there is; an update within one family keeps what stands on the page. */
export const createDataView: CreateView<DataOutput> = (output) => {
  const element = createPart('div', '');
  let current: Current | undefined;
  let turn = 0;

  const show = (next: Current): void => {
    current?.view.dispose();
    current = next;
    element.replaceChildren(next.view.element);
  };
  const update = (next: DataOutput): void => {
    const mine = ++turn;
    element.className = `live-output live-${next.type}`;
    element.setAttribute('part', `output ${next.type}`);
    const picked = pickRenderer(next.data, next.metadata);
    if (!picked) return show({ view: createUnknownView(next.data) });
    const { renderer, content } = picked;
    if (current?.renderer === renderer) return current.view.update(content);
    const create = loadRenderer(renderer);
    const draw = (view: CreateMimeView): void => {
      if (mine === turn) show({ renderer, view: view(content) });
    };
    if (!(create instanceof Promise)) return draw(create);
    create.then(draw, () => mine === turn && show({ view: createFallbackView(NOT_LOADED, next.data) }));
  };
  update(output);
  const dispose = (): void => {
    turn += 1;
    current?.view.dispose();
  };
  return { element, update, dispose };
};
