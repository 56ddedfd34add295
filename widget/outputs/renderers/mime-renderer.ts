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

/** How one family of MIME types is shown. */
export interface MimeRenderer {
  readonly types: readonly string[];
  /** Whether it can show this content at all; default: it can. */
  readonly accepts?: (content: MimeContent) => boolean;
  readonly create: (content: MimeContent) => MimeView;
}
