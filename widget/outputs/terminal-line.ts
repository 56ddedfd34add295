import type { TextStyle } from './text-style.ts';

/** A piece of one line in one style. */
interface Run {
  readonly text: string;
  readonly style: TextStyle;
}

/** One line; `wrapped` when it was only broken for its length and the next one goes on with it. */
export interface Line {
  readonly runs: readonly Run[];
  /** In UTF-16 units. */
  readonly length: number;
  readonly wrapped: boolean;
}

export const EMPTY_LINE: Line = { runs: [], length: 0, wrapped: false };

/** A cut through a surrogate pair leaves a space, as a terminal does with half of a wide character. */
const cut = (text: string, from: number, to: number): string =>
  text
    .slice(from, to)
    .replace(/^[\udc00-\udfff]/, ' ')
    .replace(/[\ud800-\udbff]$/, ' ');

/** The runs between two columns. */
const between = (runs: readonly Run[], from: number, to: number): Run[] => {
  const result: Run[] = [];
  let start = 0;
  for (const run of runs) {
    const end = start + run.text.length;
    if (end > from && start < to) {
      result.push({ text: cut(run.text, Math.max(0, from - start), to - start), style: run.style });
    }
    start = end;
  }
  return result;
};

const joined = (runs: readonly Run[]): Run[] => {
  const result: Run[] = [];
  for (const run of runs) {
    const last = result.at(-1);
    if (!run.text) continue;
    if (last?.style === run.style) result[result.length - 1] = { text: last.text + run.text, style: run.style };
    else result.push(run);
  }
  return result;
};

/** The line with `text` written over what stands at `column`; a gap before it is filled with spaces. */
export const writeAt = (line: Line, column: number, text: string, style: TextStyle): Line => {
  const run = { text, style };
  const end = column + text.length;
  if (line.length === 0 && column === 0) return { ...line, runs: [run], length: end };
  const gap = { text: ' '.repeat(Math.max(0, column - line.length)), style: '' };
  const after = end < line.length ? between(line.runs, end, line.length) : [];
  const before = column < line.length ? between(line.runs, 0, column) : line.runs;
  return { ...line, runs: joined([...before, gap, run, ...after]), length: Math.max(end, line.length) };
};

/** Erases from the cursor to the end (0), from the start to the cursor (1), or all of it (2). */
export const erase = (line: Line, column: number, mode: number): Line => {
  if (mode === 2) return { ...EMPTY_LINE, wrapped: line.wrapped };
  if (mode === 1) return writeAt(line, 0, ' '.repeat(Math.min(column + 1, line.length)), '');
  if (mode !== 0 || column >= line.length) return line;
  return { ...line, runs: between(line.runs, 0, column), length: column };
};

export const lineText = (line: Line): string => line.runs.map((run) => run.text).join('') + (line.wrapped ? '' : '\n');
