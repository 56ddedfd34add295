/* oxlint-disable no-control-regex -- terminals are made of them */
import { applySgr, type TextStyle } from './text-style.ts';
import { EMPTY_LINE, erase, lineText, writeAt, type Line } from './terminal-line.ts';

/** Lines that no cursor reaches any more; the same object as long as it is kept, so a view knows it by identity. */
export interface Block {
  readonly lines: readonly Line[];
  readonly chars: number;
}

/** How much a terminal keeps; older lines go first. */
export interface TerminalLimits {
  readonly maxLines: number;
  /** In UTF-16 units. */
  readonly maxChars: number;
}

export const TERMINAL_LIMITS: TerminalLimits = { maxLines: 5_000, maxChars: 2_000_000 };

/** What text with escapes, carriage returns and backspaces looks like so far. A value: it is never changed. */
export interface TerminalState {
  readonly limits: TerminalLimits;
  readonly blocks: readonly Block[];
  /** The lines that the cursor can still reach; at least one. */
  readonly recent: readonly Line[];
  /** Where the cursor is, within `recent`. */
  readonly row: number;
  readonly column: number;
  readonly style: TextStyle;
  /** The start of a sequence whose end has not arrived. */
  readonly pending: string;
  readonly omittedLines: number;
}

type Draft = { -readonly [Key in keyof TerminalState]: TerminalState[Key] } & { blocks: Block[]; recent: Line[] };

/** Longer lines are broken (a terminal wraps, too), so that one endless line cannot grow without bound. */
const MAX_COLUMNS = 4_096;
const MAX_BLOCK_LINES = 100;
const MAX_CURSOR_ROWS = 32;

const SPECIAL = /[\0-\x08\n-\x1f\x7f-\x9f\u061c\u202a-\u202e\u2066-\u2069]/g;
const SEQUENCE =
  /\x1b(?:\[([0-?]{0,64})[ -/]{0,4}([@-~])|\][^\x07\x1b]{0,2048}(?:\x07|\x1b\\)|[ -/]{1,2}[0-~]|[0-Z\\^-~])/y;
const UNFINISHED = /(?:\x1b(?:\[[0-?]{0,64}[ -/]{0,4}|\][^\x07\x1b]{0,2048}\x1b?|[ -/]{0,2})|[\ud800-\udbff])$/;

export const emptyTerminal = (limits: Partial<TerminalLimits> = {}): TerminalState => ({
  limits: { ...TERMINAL_LIMITS, ...limits },
  blocks: [],
  recent: [EMPTY_LINE],
  row: 0,
  column: 0,
  style: '',
  pending: '',
  omittedLines: 0,
});

const blockLines = (limits: TerminalLimits): number =>
  Math.max(1, Math.min(MAX_BLOCK_LINES, Math.floor(limits.maxLines / 4)));

const dropBlock = (draft: Draft): void => {
  const block = draft.blocks.shift();
  draft.omittedLines += block?.lines.filter((line) => !line.wrapped).length ?? 0;
};

const trim = (draft: Draft): void => {
  const { maxLines, maxChars } = draft.limits;
  let chars = draft.blocks.reduce((sum, block) => sum + block.chars, 0);
  let lines = draft.blocks.length * blockLines(draft.limits) + draft.recent.length;
  while (draft.blocks.length > 0 && (chars > maxChars || lines > maxLines)) {
    chars -= draft.blocks[0]?.chars ?? 0;
    lines -= blockLines(draft.limits);
    dropBlock(draft);
  }
};

/** Moves lines that are out of the cursor's reach into a block; depends on the text only, not on how it was cut. */
const settle = (draft: Draft): void => {
  const size = blockLines(draft.limits);
  const reach = Math.min(MAX_CURSOR_ROWS, Math.floor(draft.limits.maxLines / 4));
  if (draft.recent.length <= size + reach || draft.row < size) return;
  const lines = draft.recent.splice(0, size);
  draft.row -= size;
  draft.blocks.push({ lines, chars: lines.reduce((sum, line) => sum + line.length, 0) });
  trim(draft);
};

const current = (draft: Draft): Line => draft.recent[draft.row] ?? EMPTY_LINE;

const newLine = (draft: Draft): void => {
  draft.row += 1;
  draft.column = 0;
  if (draft.row === draft.recent.length) draft.recent.push(EMPTY_LINE);
  settle(draft);
};

const print = (draft: Draft, text: string): void => {
  for (let rest = text; rest;) {
    // A surrogate pair that the edge would cut goes to the next line as a whole.
    const width = /^[\ud800-\udbff][\udc00-\udfff]/.test(rest) ? 2 : 1;
    if (draft.column + width > MAX_COLUMNS) {
      draft.recent[draft.row] = { ...current(draft), wrapped: true };
      newLine(draft);
    }
    let size = Math.min(rest.length, MAX_COLUMNS - draft.column);
    if (size > 1 && size < rest.length && /[\ud800-\udbff]/.test(rest.charAt(size - 1))) size -= 1;
    draft.recent[draft.row] = writeAt(current(draft), draft.column, rest.slice(0, size), draft.style);
    draft.column += size;
    rest = rest.slice(size);
  }
};

const moveTo = (draft: Draft, row: number, column: number): void => {
  draft.row = Math.max(0, Math.min(row, draft.recent.length - 1));
  draft.column = Math.max(0, Math.min(column, MAX_COLUMNS));
};

/** What the final letter of a control sequence does; others do nothing, so no text can reach outside its own output. */
const COMMANDS: Readonly<Record<string, (draft: Draft, parameters: string) => void>> = {
  m: (draft, parameters) => void (draft.style = applySgr(draft.style, parameters)),
  K: (draft, mode) => void (draft.recent[draft.row] = erase(current(draft), draft.column, Number(mode))),
  A: (draft, by) => moveTo(draft, draft.row - (Number(by) || 1), draft.column),
  B: (draft, by) => moveTo(draft, draft.row + (Number(by) || 1), draft.column),
  C: (draft, by) => moveTo(draft, draft.row, draft.column + (Number(by) || 1)),
  D: (draft, by) => moveTo(draft, draft.row, draft.column - (Number(by) || 1)),
  G: (draft, to) => moveTo(draft, draft.row, (Number(to) || 1) - 1),
};

const CONTROLS: Readonly<Record<string, (draft: Draft) => void>> = {
  '\n': newLine,
  '\r': (draft) => moveTo(draft, draft.row, 0),
  '\b': (draft) => moveTo(draft, draft.row, draft.column - 1),
};

/** Handles the special character at `index`; returns where to go on. */
const special = (draft: Draft, text: string, index: number): number => {
  const char = text.charAt(index);
  if (char === '\x1b') {
    SEQUENCE.lastIndex = index;
    const [sequence, parameters = '', final = ''] = SEQUENCE.exec(text) ?? [];
    COMMANDS[final]?.(draft, parameters);
    return index + (sequence?.length ?? 1);
  }
  // Controls that reorder text on the screen could make it say what it does not.
  if (char > '\u0600') print(draft, '\ufffd');
  else CONTROLS[char]?.(draft);
  return index + 1;
};

/** The state after `text`, which may end anywhere: cutting a text differently gives the same state. */
export const writeTerminal = (state: TerminalState, text: string): TerminalState => {
  const draft: Draft = { ...state, blocks: [...state.blocks], recent: [...state.recent] };
  const whole = draft.pending + text;
  draft.pending = UNFINISHED.exec(whole.slice(-2_100))?.[0] ?? '';
  const ready = whole.slice(0, whole.length - draft.pending.length);
  for (let index = 0; index < ready.length;) {
    SPECIAL.lastIndex = index;
    const next = SPECIAL.exec(ready)?.index ?? ready.length;
    if (next > index) print(draft, ready.slice(index, next));
    index = next < ready.length ? special(draft, ready, next) : next;
  }
  trim(draft);
  return draft;
};

/** How many lines and characters it keeps, those of the cursor's reach counted as lines only. */
export const terminalSize = (state: TerminalState): { readonly lines: number; readonly chars: number } => ({
  lines: state.blocks.length * blockLines(state.limits) + state.recent.length,
  chars: state.blocks.reduce((sum, block) => sum + block.chars, 0),
});

/** Without its oldest block; the same state when there is none. */
export const withoutOldestBlock = (state: TerminalState): TerminalState => {
  if (state.blocks.length === 0) return state;
  const draft: Draft = { ...state, blocks: [...state.blocks], recent: [...state.recent] };
  dropBlock(draft);
  return draft;
};

/** What is kept, as plain text. */
export const terminalPlainText = (state: TerminalState): string => {
  const lines = [...state.blocks.flatMap((block) => block.lines), ...state.recent];
  return lines.map(lineText).join('').slice(0, -1);
};
