/** The element that shows one cell, before or after its class is defined. */
export interface CellElement extends HTMLElement {
  /** The author's code block. */
  block?: Element;
  /** The wrapper whose shadow root the cell stands in, where it does. */
  host?: Element;
  /** What a screen reader calls the cell, such as `code 3, Plotting`. */
  name?: string;
  /** How the page around the cell looks. */
  scheme?: string;
  /** Draws what has changed, once its class is there. */
  refresh?(): void;
}

/** Roots that a framework may hydrate, and globals of those that hydrate the whole document. */
const HYDRATED = '#__next,#___gatsby,#__nuxt,#__docusaurus,#root,#app,astro-island[ssr]';

/** Whether a framework has yet to take over this part of the page; a node put in before that breaks its hydration. */
export const awaitsHydration = (block: Element): boolean => {
  const root = block.closest(HYDRATED) ?? ('__next_f' in window && document.body);
  return !!root && !('__vue_app__' in root) && !/__react/.test(Object.keys(block).join());
};

/** The wrapper that belongs to this block alone and can carry a shadow root; undefined where there is none. */
export const hostOf = (block: Element): Element | undefined => {
  const host = block.tagName === 'DIV' ? block : block.parentElement;
  const alone =
    host?.tagName === 'DIV' &&
    (host === block ||
      [...host.childNodes].every(
        (node) => node === block || node.nodeName === 'BUTTON' || (node.nodeType !== 1 && !node.nodeValue?.trim()),
      ));
  return alone && /block|root/.test(getComputedStyle(host).display) ? host : undefined;
};

/** Whether a colour is light, so that what it is written on must be dark; goes by its first number, red or lightness. */
export const isLight = (color: string): boolean => {
  const first = parseFloat(color.replace(/^\D+/, ''));
  return first > (color.startsWith('rgb') ? 127 : first > 1 ? 60 : 0.6);
};
