import type { Language, TokenKind } from './languages.ts';
import { tokenise } from './tokenise.ts';

/** Beyond this many characters a block is not read for its colours. */
const MAX_CHARS = 100_000;

/**
 * What colour the page gives to each kind of token in a block: that of the spans which any highlighter has put around
 * them, found by their place in the text. Empty where the page does not colour code.
 */
export const tokenColours = (block: Element, language: Language): ReadonlyMap<TokenKind, string> => {
  const colours = new Map<TokenKind, string>();
  const source = block.textContent;
  if (source.length > MAX_CHARS || !block.querySelector('span')) return colours;
  const walker = document.createTreeWalker(block, NodeFilter.SHOW_TEXT);
  let end = 0;
  for (const { kind, start } of tokenise(source, language)) {
    while (end <= start && walker.nextNode()) end += walker.currentNode.textContent?.length ?? 0;
    const holder = walker.currentNode.parentElement;
    if (holder && !colours.has(kind)) colours.set(kind, getComputedStyle(holder).color);
  }
  return colours;
};

/** Light text stands on a dark ground; colours that a page does not give are chosen for that. */
export const schemeOf = (colour: string): 'light' | 'dark' => {
  const [red = 0, green = 0, blue = 0] = (colour.match(/[\d.]+/g) ?? []).map(Number);
  return 0.299 * red + 0.587 * green + 0.114 * blue > 140 ? 'dark' : 'light';
};
