/**
 * Reads JSON as people write it by hand: comments, single quotes, bare keys, trailing commas, `undefined`, numbers
 * with signs, dots and hex. Nothing is evaluated. Throws a SyntaxError that names the line.
 */
export const parseTolerantJson = (text: string): unknown => {
  let at = 0;
  const fail = (what: string): never => {
    const line = text.slice(0, at).split('\n').length;
    throw new SyntaxError(`line ${line}: ${what}`);
  };
  const token = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    const match = pattern.exec(text)?.[0];
    if (match !== undefined) at += match.length;
    return match;
  };
  const skip = (): void => void token(/(?:\s|\ufeff|\/\/[^\n\r]*|\/\*[^]*?\*\/)*/y);
  const take = (char: string): boolean => {
    skip();
    if (text[at] !== char) return false;
    at += 1;
    return true;
  };
  const list = (close: string, item: () => void): void => {
    while (!take(close)) {
      item();
      if (take(',')) continue;
      if (take(close)) return;
      fail(
        at < text.length ? `expected "," or "${close}", found ${JSON.stringify(text[at])}` : `"${close}" is missing`,
      );
    }
  };
  const string = (): string | undefined => {
    const raw = token(/"(?:[^"\\\n]|\\[^])*"|'(?:[^'\\\n]|\\[^])*'|`(?:[^`\\$]|\\[^])*`/y);
    return raw
      ?.slice(1, -1)
      .replace(/\\(u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|\r\n|[^])/g, (_, escape: string) => unescape(escape));
  };
  const key = (): string => string() ?? token(/[\p{ID_Start}$_][\p{ID_Continue}$-]*|\d+/uy) ?? fail('expected a key');
  const value = (): unknown => {
    skip();
    if (take('{')) {
      const entries: [string, unknown][] = [];
      list('}', () => {
        skip();
        const name = key();
        if (!take(':')) fail(`expected ":" after ${JSON.stringify(name)}`);
        entries.push([name, value()]);
      });
      return Object.fromEntries(entries.filter(([name]) => name !== '__proto__'));
    }
    if (take('[')) {
      const items: unknown[] = [];
      list(']', () => items.push(value()));
      return items;
    }
    const quoted = string();
    if (quoted !== undefined) return quoted;
    const word = token(/[+-]?(?:0x[0-9a-f]+|(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|Infinity|NaN)|[a-z]+/iy) ?? '';
    if (Object.hasOwn(WORDS, word)) return WORDS[word];
    if (/\d|Infinity|NaN/.test(word))
      return word.startsWith('-') ? -Number(word.slice(1)) : Number(word.replace('+', ''));
    return fail(
      at < text.length ? `no value can begin with ${JSON.stringify(word || text[at])}` : 'a value is missing',
    );
  };
  const result = value();
  skip();
  if (at < text.length) fail(`unexpected ${JSON.stringify(text[at])} after the end`);
  return result;
};

const WORDS: Readonly<Record<string, unknown>> = { true: true, false: false, null: null, undefined };
const ESCAPES: Readonly<Record<string, string>> = {
  n: '\n',
  t: '\t',
  r: '\r',
  b: '\b',
  f: '\f',
  v: '\v',
  0: '\0',
  '\n': '',
  '\r': '',
  '\r\n': '',
};

const unescape = (escape: string): string =>
  /^[ux]./.test(escape) ? String.fromCharCode(Number.parseInt(escape.slice(1), 16)) : (ESCAPES[escape] ?? escape);
