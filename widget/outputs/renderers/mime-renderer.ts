import type { MimeBundle } from '../../../sdk/kernel.ts';

/** One representation of a bundle, with the bundle that it stands in. */
export interface MimeContent {
  readonly type: string;
  readonly value: unknown;
  readonly data: MimeBundle;
  readonly metadata: MimeBundle;
}

/** What a renderer put on the page. */
export interface MimeView<Content = MimeContent> {
  readonly element: HTMLElement;
  update(content: Content): void;
  dispose(): void;
}

export type CreateMimeView = (content: MimeContent) => MimeView;

/** How one family of MIME types is shown. */
export interface MimeRenderer {
  readonly types: readonly string[];
  /** Whether it can show this content at all. */
  readonly accepts: (content: MimeContent) => boolean;
  /** What is not needed for text comes in a file of its own, when the first such output does. */
  readonly load: () => CreateMimeView | Promise<CreateMimeView>;
}

const loaded = new WeakMap<MimeRenderer, CreateMimeView>();

/** The renderer's code: at once when it is there, so that only the first output of a family waits. */
export const loadRenderer = (renderer: MimeRenderer): CreateMimeView | Promise<CreateMimeView> => {
  const known = loaded.get(renderer);
  if (known) return known;
  const keep = (create: CreateMimeView): CreateMimeView => {
    loaded.set(renderer, create);
    return create;
  };
  const create = renderer.load();
  return create instanceof Promise ? create.then(keep) : keep(create);
};
