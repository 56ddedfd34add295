import type { Language, TokenKind } from './languages.ts';

export interface Token {
  readonly kind: TokenKind;
  readonly start: number;
  readonly end: number;
}

const patterns = new WeakMap<Language, RegExp>();

const patternOf = (language: Language): RegExp => {
  const known = patterns.get(language);
  if (known) return known;
  const made = new RegExp(language.tokens.map(([, source]) => `(${source})`).join('|'), 'gm');
  patterns.set(language, made);
  return made;
};

/** The tokens of a text in order; what is between them is plain. */
export const tokenise = (text: string, language: Language): Token[] => {
  const tokens: Token[] = [];
  for (const match of text.matchAll(patternOf(language))) {
    const kind = language.tokens[match.slice(1).findIndex((group) => group !== undefined)]?.[0];
    if (kind && match[0]) tokens.push({ kind, start: match.index, end: match.index + match[0].length });
  }
  return tokens;
};
