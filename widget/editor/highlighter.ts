import { TOKEN_KINDS } from './languages.ts';
import type { Token } from './tokenise.ts';

/** Colours the tokens of one text node without an element of their own. */
export interface Highlighter {
  paint(tokens: readonly Token[]): void;
  dispose(): void;
}

/** One highlight per kind of token for all editors, since names are the document's. */
const highlight = (name: string): Highlight => {
  const known = CSS.highlights.get(name);
  if (known) return known;
  const made = new Highlight();
  CSS.highlights.set(name, made);
  return made;
};

/** Where the browser has no custom highlights the text stays plain. */
export const createHighlighter = (node: Text): Highlighter => {
  const supported = 'highlights' in CSS;
  let painted: (readonly [name: string, range: StaticRange])[] = [];
  const wipe = (): void => {
    for (const [name, range] of painted) CSS.highlights.get(name)?.delete(range);
    painted = [];
  };
  return {
    paint: (tokens) => {
      if (!supported) return;
      wipe();
      painted = tokens.map(({ kind, start, end }) => {
        const range = new StaticRange({ startContainer: node, startOffset: start, endContainer: node, endOffset: end });
        highlight(`live-${kind}`).add(range);
        return [`live-${kind}`, range] as const;
      });
    },
    dispose: () => {
      if (!supported) return;
      wipe();
      for (const kind of TOKEN_KINDS)
        if (CSS.highlights.get(`live-${kind}`)?.size === 0) CSS.highlights.delete(`live-${kind}`);
    },
  };
};
