import type { Language, TokenKind } from './languages.ts';
import { tokenise } from './tokenise.ts';

/** How the author's block looks, for an editor that stands in its place. */
export interface BlockLook {
  /** CSS properties of the text and its box. */
  readonly properties: ReadonlyMap<string, string>;
  readonly colours: ReadonlyMap<TokenKind, string>;
  /** Of the text's colour: light text stands on a dark ground. */
  readonly scheme: 'light' | 'dark';
  /** In CSS pixels; 0 when the block is not shown. */
  readonly height: number;
}

const TEXT = [
  'font-family',
  'font-size',
  'font-weight',
  'font-style',
  'font-variant-ligatures',
  'font-feature-settings',
  'line-height',
  'letter-spacing',
  'word-spacing',
  'tab-size',
  'white-space',
  'overflow-wrap',
  'word-break',
  'color',
];
const SIDES = ['top', 'right', 'bottom', 'left'];
const BOX = [
  ...SIDES.flatMap((side) => [
    `margin-${side}`,
    `border-${side}-width`,
    `border-${side}-style`,
    `border-${side}-color`,
  ]),
  'border-top-left-radius',
  'border-top-right-radius',
  'border-bottom-left-radius',
  'border-bottom-right-radius',
];

const innermost = (block: HTMLElement): HTMLElement => block.querySelector<HTMLElement>('code') ?? block;

const transparent = (colour: string): boolean => /^transparent$|,\s*0\)$|\/\s*0\)$/.test(colour);

/** The first ground below the text, up to the shadow host; an editor without one shows the page's. */
const ground = (text: HTMLElement, limit: Element | null): string => {
  for (let element: Element | null = text; element; element = element.parentElement) {
    const colour = getComputedStyle(element).backgroundColor;
    if (!transparent(colour)) return colour;
    if (element === limit) break;
  }
  return 'transparent';
};

const isLight = (colour: string): boolean => {
  const [red = 0, green = 0, blue = 0] = (colour.match(/[\d.]+/g) ?? []).map(Number);
  return 0.299 * red + 0.587 * green + 0.114 * blue > 140;
};

/** The elements that hold the characters of a text, found by place. */
const holders = (text: HTMLElement): ((place: number) => Element | null) => {
  const walker = document.createTreeWalker(text, NodeFilter.SHOW_TEXT);
  const nodes: { readonly end: number; readonly parent: Element | null }[] = [];
  for (let end = 0; walker.nextNode();) {
    end += walker.currentNode.textContent?.length ?? 0;
    nodes.push({ end, parent: walker.currentNode.parentElement });
  }
  return (place) => nodes.find((node) => node.end > place)?.parent ?? null;
};

/** What colour the page gives to each kind of token: that of the spans which any highlighter has put around them. */
const tokenColours = (text: HTMLElement, language: Language): Map<TokenKind, string> => {
  const colours = new Map<TokenKind, string>();
  const source = text.textContent ?? '';
  if (source.length > 100_000 || !text.querySelector('span')) return colours;
  const holder = holders(text);
  for (const { kind, start } of tokenise(source, language)) {
    const element = colours.has(kind) ? null : holder(start);
    if (element && element !== text) colours.set(kind, getComputedStyle(element).color);
  }
  return colours;
};

/** Reads the look of a `pre`; a hidden one still tells its font and colours. */
export const blockLook = (block: HTMLElement, limit: Element | null, language: Language): BlockLook => {
  const text = innermost(block);
  const textStyle = getComputedStyle(text);
  const boxStyle = getComputedStyle(block);
  const properties = new Map<string, string>();
  for (const name of TEXT) properties.set(name, textStyle.getPropertyValue(name));
  for (const name of BOX) properties.set(name, boxStyle.getPropertyValue(name));
  const inner = text !== block && textStyle.display !== 'inline' ? textStyle : undefined;
  for (const side of SIDES) {
    const padding = [boxStyle, inner].map(
      (style) => Number.parseFloat(style?.getPropertyValue(`padding-${side}`) ?? '') || 0,
    );
    properties.set(`padding-${side}`, `${padding.reduce((sum, size) => sum + size, 0)}px`);
  }
  properties.set('background-color', ground(text, limit));
  return {
    properties,
    colours: tokenColours(text, language),
    scheme: isLight(textStyle.color) ? 'dark' : 'light',
    height: block.getBoundingClientRect().height,
  };
};
