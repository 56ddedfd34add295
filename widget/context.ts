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

/** The coordinator of an element: the `live-page` around it, else the first one of the document. */
export const pageOf = (element: Element): LivePage | undefined => {
  const page = above(element, 'live-page') ?? element.ownerDocument.querySelector('live-page');
  return page && 'controller' in page ? (page as LivePage) : undefined;
};
