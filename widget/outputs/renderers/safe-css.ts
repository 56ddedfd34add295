import { NAME_PREFIX } from './html-policy.ts';

/** Functions that only compute; whatever could load something (`url`, `image-set`, `src`) is not among them. */
const FUNCTIONS = new Set(
  (
    'rgb rgba hsl hsla hwb lab lch oklab oklch color color-mix light-dark calc min max clamp var linear-gradient ' +
    'radial-gradient conic-gradient repeating-linear-gradient repeating-radial-gradient repeating-conic-gradient translate ' +
    'translatex translatey scale scalex scaley rotate skew skewx skewy matrix minmax repeat fit-content counter counters ' +
    'cubic-bezier steps blur brightness contrast grayscale opacity saturate sepia'
  ).split(' '),
);

const isSafeValue = (value: string): boolean =>
  !value.includes('\\') &&
  [...value.matchAll(/([\w-]*)\(/g)].every(([, name = '']) => name === '' || FUNCTIONS.has(name.toLowerCase()));

/** Copies the declarations that load nothing. */
const copyDeclarations = (from: CSSStyleDeclaration, to: CSSStyleDeclaration): void => {
  for (const name of Array.from(from)) {
    const value = from.getPropertyValue(name);
    if (isSafeValue(value)) to.setProperty(name, value, from.getPropertyPriority(name));
  }
};

/** Light enough for a dark page, where text stands on no ground of its own; on a light page as it was. */
const adapted = (colour: string): string => `light-dark(${colour},oklch(from ${colour} max(l,.72) c h))`;

/**
 * Gives an element the inline style of its markup through the object model, which a strict policy allows. Its ancestors
 * must have theirs already.
 */
export const applyInlineStyle = (element: HTMLElement, css: string): void => {
  const parsed = document.createElement('span').style;
  parsed.cssText = css;
  copyDeclarations(parsed, element.style);
  const { color } = element.style;
  // Where the engine does not know such a value, the colour stays.
  if (color && !element.closest('[style*="background"],[bgcolor]')) element.style.color = adapted(color);
};

/** Selectors of foreign rules stay inside their shadow root, whose host is their root, and follow the prefixed ids. */
const safeSelector = (selector: string): string | undefined =>
  /:host|::part|::slotted|::highlight|\\/i.test(selector)
    ? undefined
    : selector.replace(/#(?=[a-z_])/gi, `#${NAME_PREFIX}`).replaceAll(':root', ':host');

const copyRule = (rule: CSSRule, target: CSSStyleSheet | CSSGroupingRule): void => {
  const at = target.cssRules.length;
  if (rule instanceof CSSStyleRule) {
    const selector = safeSelector(rule.selectorText);
    if (!selector) return;
    target.insertRule(`${selector}{}`, at);
    const made = target.cssRules[at];
    if (made instanceof CSSStyleRule) copyDeclarations(rule.style, made.style);
  } else if (rule instanceof CSSMediaRule) {
    target.insertRule(`@media ${rule.conditionText}{}`, at);
    const made = target.cssRules[at];
    if (made instanceof CSSMediaRule) for (const inner of rule.cssRules) copyRule(inner, made);
  }
};

/** The rules of foreign style elements as a sheet to adopt: plain rules and media queries, no imports, fonts or addresses. */
export const safeStyleSheet = (css: string): CSSStyleSheet => {
  const parsed = new CSSStyleSheet();
  const safe = new CSSStyleSheet();
  parsed.replaceSync(css);
  for (const rule of parsed.cssRules) {
    try {
      copyRule(rule, safe);
    } catch {
      // A selector that this engine does not take once more is left out.
    }
  }
  return safe;
};
