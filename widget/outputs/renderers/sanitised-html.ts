import DOMPurify from 'dompurify';
import { htmlStyles } from './html-styles.ts';
import { HTML_POLICY, isLinkAddress, isMediaAddress, NAME_PREFIX } from './html-policy.ts';
import { applyInlineStyle, safeStyleSheet } from './safe-css.ts';

/** Sanitised HTML, ready to be put on the page. */
export interface SanitisedHtml {
  /** Its shadow root holds the content. */
  readonly host: HTMLElement;
  /** Whether the source held scripts, which were dropped. */
  readonly hasScripts: boolean;
  /** Whether there is nothing to see. */
  readonly isEmpty: boolean;
}

const VISIBLE = 'img,table,hr,audio,video,picture';

const secureLink = (link: HTMLAnchorElement): void => {
  const address = link.getAttribute('href') ?? '';
  if (!isLinkAddress(address)) return link.removeAttribute('href');
  link.target = '_blank';
  link.rel = 'noopener noreferrer nofollow';
};

const secureMedia = (element: HTMLElement): void => {
  if (!isMediaAddress(element.getAttribute('src') ?? '')) element.removeAttribute('src');
  if (element instanceof HTMLImageElement) {
    // Without a description it is decoration to a screen reader, rather than its address read aloud.
    if (!element.hasAttribute('alt')) element.alt = '';
    element.referrerPolicy = 'no-referrer';
    element.loading = 'lazy';
  } else if (element instanceof HTMLMediaElement) {
    element.controls = true;
  }
};

/** Whether an element goes, or is styles, which go elsewhere. */
const isTakenOut = (element: HTMLElement): boolean =>
  element instanceof HTMLStyleElement || (element instanceof HTMLInputElement && element.type !== 'checkbox');

/** Takes what the markup says and the page's policy would not allow, and says it through the object model. */
const secure = (fragment: DocumentFragment): string => {
  let css = '';
  for (const element of fragment.querySelectorAll<HTMLElement>('*')) {
    if (isTakenOut(element)) {
      if (element instanceof HTMLStyleElement) css += `${element.textContent}\n`;
      element.remove();
      continue;
    }
    const style = element.getAttribute('style');
    if (style !== null) {
      element.removeAttribute('style');
      applyInlineStyle(element, style);
    }
    const labelled = element.getAttribute('for');
    if (labelled !== null) element.setAttribute('for', NAME_PREFIX + labelled);
    if (element instanceof HTMLAnchorElement) secureLink(element);
    else if (element.hasAttribute('href')) element.removeAttribute('href');
    if (element.matches('img,audio,video,source')) secureMedia(element);
    else if (element.hasAttribute('src')) element.removeAttribute('src');
  }
  return css;
};

/** Sanitises in the browser's own parser; the result is never turned into text again. */
export const sanitisedHtml = (html: string): SanitisedHtml => {
  const fragment = DOMPurify.sanitize(html, HTML_POLICY);
  const hasScripts = DOMPurify.removed.some((removed) => 'element' in removed && removed.element.nodeName === 'SCRIPT');
  const css = secure(fragment);
  const isEmpty = !fragment.textContent?.trim() && !fragment.querySelector(VISIBLE);
  const host = document.createElement('div');
  const root = host.attachShadow({ mode: 'open' });
  root.adoptedStyleSheets = css ? [htmlStyles(), safeStyleSheet(css)] : [htmlStyles()];
  root.append(fragment);
  return { host, hasScripts, isEmpty };
};
