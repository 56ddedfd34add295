/**
 * How a piece of terminal text looks: tokens joined by one space, sorted, '' for plain text. `b` bold, `d` dim, `i` italic,
 * `u` underlined, `s` struck, `r` reversed; `f<colour>` and `g<colour>` are foreground and background, a colour being an
 * index of the sixteen (`f1`) or a hex triple (`f#ff8800`).
 */
export type TextStyle = string;

const ON: Readonly<Record<number, string>> = { 1: 'b', 2: 'd', 3: 'i', 4: 'u', 7: 'r', 9: 's', 21: 'u' };
const OFF: Readonly<Record<number, string>> = { 22: 'bd', 23: 'i', 24: 'u', 27: 'r', 29: 's', 39: 'f', 49: 'g' };
const CUBE = [0, 95, 135, 175, 215, 255];

const hex = (red: number, green: number, blue: number): string =>
  '#' + [red, green, blue].map((value) => Math.min(255, value).toString(16).padStart(2, '0')).join('');

const paletteColour = (index: number): string => {
  if (index < 16) return String(index);
  if (index > 231) return hex(index * 10 - 2312, index * 10 - 2312, index * 10 - 2312);
  const cube = index - 16;
  const level = (divisor: number): number => CUBE[Math.floor(cube / divisor) % 6] ?? 0;
  return hex(level(36), level(6), level(1));
};

/** Reads `5;n` or `2;r;g;b` after 38 or 48; gives the colour and how many parameters it took. */
const extendedColour = (parameters: readonly number[]): [colour: string | undefined, taken: number] => {
  const [mode, first = 0, second = 0, third = 0] = parameters;
  if (mode === 5) return [first < 256 ? paletteColour(first) : undefined, 2];
  if (mode === 2) return [hex(first, second, third), 4];
  return [undefined, parameters.length];
};

const basicColour = (code: number): string | undefined => {
  if (code >= 30 && code <= 37) return `f${code - 30}`;
  if (code >= 40 && code <= 47) return `g${code - 40}`;
  if (code >= 90 && code <= 97) return `f${code - 82}`;
  return code >= 100 && code <= 107 ? `g${code - 92}` : undefined;
};

/** Applies the parameters of one "select graphic rendition" sequence (`1;31`); what is unknown changes nothing. */
export const applySgr = (style: TextStyle, parameters: string): TextStyle => {
  const codes = parameters.split(/[;:]/).map(Number);
  let tokens = style ? style.split(' ') : [];
  const without = (kinds: string): string[] => tokens.filter((token) => !kinds.includes(token.charAt(0)));
  for (let index = 0; index < codes.length; index++) {
    const code = codes[index] ?? 0;
    const on = ON[code];
    const off = OFF[code];
    const basic = basicColour(code);
    if (code === 0) tokens = [];
    else if (on) tokens = [...without(on), on];
    else if (off) tokens = without(off);
    else if (basic) tokens = [...without(basic.charAt(0)), basic];
    else if (code === 38 || code === 48) {
      const [colour, taken] = extendedColour(codes.slice(index + 1));
      const kind = code === 38 ? 'f' : 'g';
      if (colour) tokens = [...without(kind), kind + colour];
      index += taken;
    }
  }
  return tokens.sort().join(' ');
};
