import { createPart, type CreateView } from '../output-view.ts';
import type { DataOutput } from '../output.ts';
import { createFallbackView, createUnknownView } from './fallback-view.ts';
import { loadRenderer, type CreateMimeView, type MimeRenderer, type MimeView } from './mime-renderer.ts';
import { pickRenderer } from './mime-renderers.ts';

const NOT_SHOWN = 'This output could not be shown.';
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
    const fail = (note: string): void => show({ view: createFallbackView(note, next.data) });
    const draw = (create: CreateMimeView): void => {
      if (mine !== turn) return;
      // One output that a renderer cannot take must not keep the others from being drawn.
      try {
        if (current?.renderer === renderer) current.view.update(content);
        else show({ renderer, view: create(content) });
      } catch {
        fail(NOT_SHOWN);
      }
    };
    const create = loadRenderer(renderer);
    if (!(create instanceof Promise)) return draw(create);
    create.then(draw, () => mine === turn && fail(NOT_LOADED));
  };
  update(output);
  const dispose = (): void => {
    turn += 1;
    current?.view.dispose();
  };
  return { element, update, dispose };
};
