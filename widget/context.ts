import type { LivePage } from './elements/live-page.ts';

/** An ancestor of a kind, through shadow roots. */
const above = (from: Element, selector: string): Element | undefined => {
  for (let at: Element | undefined = from; at;) {
    const found: Element | null = at.closest(selector);
    if (found) return found;
    const root: Node = at.getRootNode();
    at = root instanceof ShadowRoot ? root.host : undefined;
  }
  return undefined;
};

let own: LivePage | undefined;

/** Makes a coordinator the one of every element that the document has none for. */
export const coordinateBy = (page: LivePage): LivePage => (own = page);

/** The coordinator of an element: the `live-page` around it, else the first one of the document, else our own. */
export const pageOf = (element: Element): LivePage | undefined => {
  const page = above(element, 'live-page') ?? element.ownerDocument.querySelector('live-page') ?? own;
  // Ours stands in a shadow root, so that the author's document has no element more than before.
  if (own && page === own && !own.isConnected) {
    const root = element.getRootNode();
    (root instanceof ShadowRoot ? root : element.shadowRoot)?.append(own);
  }
  return page && 'controller' in page ? (page as LivePage) : undefined;
};
