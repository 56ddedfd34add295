/** What a token is; also the end of its highlight's name and of the property with its colour. */
export const TOKEN_KINDS = ['comment', 'string', 'number', 'keyword', 'builtin', 'function', 'decorator'] as const;

export type TokenKind = (typeof TOKEN_KINDS)[number];

/** A language as data: patterns in order, the first that matches at a place wins. */
export interface Language {
  readonly names: readonly string[];
  readonly tokens: readonly (readonly [TokenKind, string])[];
  /** Lines that end so are followed by a deeper one. */
  readonly opens: RegExp;
  readonly indent: string;
}

const words = (list: string): string => `\\b(?:${list.split(' ').join('|')})\\b`;

const NUMBER = String.raw`\b(?:0[xobXOB][\da-fA-F_]+|\d[\d_]*\.?[\d_]*(?:[eE][+-]?\d+)?j?)|\.\d+`;
const QUOTED = String.raw`"(?:\\[^]|[^"\\\n])*"?|'(?:\\[^]|[^'\\\n])*'?`;

/** Ends with its quotes or, while it is being typed, with the text. */
const tripled = (quote: string): string =>
  String.raw`${quote.repeat(3)}(?:\\[^]|[^\\])*?(?:${quote.repeat(3)}|(?![^]))`;

const LANGUAGES: readonly Language[] = [
  {
    names: ['python', 'python3', 'ipython', 'ipython3', 'py'],
    tokens: [
      ['comment', '#.*'],
      ['string', `(?:\\b[rbfutRBFUT]{1,2})?(?:${tripled('"')}|${tripled("'")}|${QUOTED})`],
      ['number', NUMBER],
      ['decorator', String.raw`(?<=^[ \t]{0,40})(?:@[\w.]+|[%!].*)`],
      ['function', String.raw`(?<=\b(?:def|class)[ \t]{1,20})\w+`],
      [
        'keyword',
        words(
          'False None True and as assert async await break class continue def del elif else except finally for from global ' +
            'if import in is lambda nonlocal not or pass raise return try while with yield',
        ),
      ],
      [
        'builtin',
        `(?<!\\.)${words(
          'abs all any bool bytes dict dir enumerate filter float format getattr hasattr input int isinstance iter len list ' +
            'map max min next object open print range repr reversed round self set setattr sorted str sum super tuple type zip',
        )}`,
      ],
    ],
    opens: /[:([{]\s*$/,
    indent: '    ',
  },
  {
    names: [],
    tokens: [
      ['comment', String.raw`#.*|//.*|/\*[^]*?(?:\*/|(?![^]))`],
      ['string', `${QUOTED}|\`(?:\\\\[^]|[^\`\\\\])*\`?`],
      ['number', NUMBER],
      ['function', String.raw`\b\w+(?=\()`],
      [
        'keyword',
        words(
          'if else elif elseif for while do end function return in break next repeat switch case default var let const new ' +
            'class struct module using import export from true false TRUE FALSE NULL null nothing try catch finally begin',
        ),
      ],
    ],
    opens: /[({[]\s*$/,
    indent: '  ',
  },
];

/** By its name in any case; the generic one for what is not in the list. */
export const languageOf = (name: string): Language => {
  const wanted = name.toLowerCase();
  const found = LANGUAGES.find((language) => language.names.includes(wanted)) ?? LANGUAGES.at(-1);
  if (!found) throw new Error('The list of languages is empty.');
  return found;
};
