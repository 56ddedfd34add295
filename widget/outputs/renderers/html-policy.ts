import type { Config } from 'dompurify';

const TAGS =
  'a abbr address article aside audio b bdi bdo big blockquote br caption center cite code col colgroup dd del details dfn ' +
  'div dl dt em figcaption figure font footer h1 h2 h3 h4 h5 h6 header hr i img input ins kbd label li main mark nav ol p picture pre q ' +
  'rp rt ruby s samp section small source span strike strong style sub summary sup table tbody td tfoot th thead time tr tt u ' +
  'ul var video wbr';

const ATTRIBUTES =
  'abbr align alt border cellpadding cellspacing checked class color colspan controls datetime dir disabled for headers height href id lang loop ' +
  'muted name open preload reversed rowspan scope size span src start style title type valign width';

/**
 * What is left of foreign HTML: two fixed lists. No forms, frames, scripts, SVG or MathML, no handlers, no `data-*`. Inputs
 * are there for check boxes only, with which array libraries fold their tables; the others are taken out afterwards.
 */
export const HTML_POLICY = {
  ALLOWED_TAGS: TAGS.split(' '),
  ALLOWED_ATTR: ATTRIBUTES.split(' '),
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
  ALLOW_UNKNOWN_PROTOCOLS: false,
  // Ids and names get a prefix, so that they cannot stand for properties of the page's own objects.
  SANITIZE_NAMED_PROPS: true,
  FORCE_BODY: true,
  RETURN_DOM_FRAGMENT: true,
} as const satisfies Config;

/** What DOMPurify puts before ids and names. */
export const NAME_PREFIX = 'user-content-';

/** Where a link may lead; an address without a scheme would mean the page's own site, which the kernel knows nothing of. */
export const isLinkAddress = (address: string): boolean => /^https?:\/\//i.test(address);

/** What an image, audio or video may be loaded from. */
export const isMediaAddress = (address: string): boolean =>
  isLinkAddress(address) || /^data:(?:image\/(?:png|jpeg|gif|webp|svg\+xml)|audio\/|video\/)/i.test(address);
