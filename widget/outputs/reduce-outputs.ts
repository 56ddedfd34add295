import type { MimeBundle, OutputMessage } from '../../sdk/kernel.ts';
import type { DataOutput, ErrorOutput, Output, StreamOutput } from './output.ts';
import {
  emptyTerminal,
  TERMINAL_LIMITS,
  terminalSize,
  withoutOldestBlock,
  writeTerminal,
  type TerminalLimits,
} from './terminal-state.ts';

/** How much one cell keeps; what is older goes first and is counted. */
export interface OutputLimits extends TerminalLimits {
  readonly maxOutputs: number;
  /** Characters of images, tables and other data. */
  readonly maxDataChars: number;
}

const OUTPUT_LIMITS: OutputLimits = { ...TERMINAL_LIMITS, maxOutputs: 1_000, maxDataChars: 64_000_000 };

/** A cell's outputs as a value. */
export interface OutputState {
  readonly outputs: readonly Output[];
  /** A `clear` with `wait` came: the next output replaces all that stands. */
  readonly clearNext: boolean;
  readonly nextId: number;
  readonly limits: OutputLimits;
}

export const emptyOutputs = (limits: Partial<OutputLimits> = {}): OutputState => ({
  outputs: [],
  clearNext: false,
  nextId: 1,
  limits: { ...OUTPUT_LIMITS, ...limits },
});

/** Deeper parts of a value are not counted: a kernel can nest deeper than a stack reaches. */
const MAX_DEPTH = 100;

const sizeOf = (value: unknown, depth = 0): number => {
  if (typeof value === 'string') return value.length;
  if (typeof value !== 'object' || value === null || depth === MAX_DEPTH) return 8;
  return Object.values(value).reduce<number>((sum, item) => sum + sizeOf(item, depth + 1), 16);
};

/** Names from a kernel go into an object without a prototype, so that none of them means anything to the language. */
const copyBundle = (bundle: MimeBundle): MimeBundle => Object.assign(Object.create(null) as MimeBundle, bundle);

const append = (state: OutputState, output: Output): OutputState => ({
  ...state,
  outputs: [...state.outputs, output],
  nextId: state.nextId + 1,
});

const writeStream = (state: OutputState, name: StreamOutput['name'], text: string): OutputState => {
  const last = state.outputs.at(-1);
  if (last?.type !== 'stream' || last.name !== name) {
    const terminal = writeTerminal(emptyTerminal(state.limits), text);
    return append(state, { type: 'stream', id: state.nextId, name, terminal });
  }
  const written: StreamOutput = { ...last, terminal: writeTerminal(last.terminal, text) };
  return { ...state, outputs: [...state.outputs.slice(0, -1), written] };
};

const update = (state: OutputState, displayId: string, data: MimeBundle, metadata: MimeBundle): OutputState => {
  const meant = (output: Output): output is DataOutput => 'displayId' in output && output.displayId === displayId;
  if (!state.outputs.some(meant)) return state;
  const changed = { data: copyBundle(data), metadata: copyBundle(metadata), size: sizeOf(data) };
  return { ...state, outputs: state.outputs.map((output) => (meant(output) ? { ...output, ...changed } : output)) };
};

interface Totals {
  lines: number;
  chars: number;
  data: number;
  outputs: number;
}

const add = (totals: Totals, output: Output, sign: 1 | -1): void => {
  if (output.type === 'omitted') return;
  totals.outputs += sign;
  if (output.type !== 'stream') {
    totals.data += sign * output.size;
    return;
  }
  const { lines, chars } = terminalSize(output.terminal);
  totals.lines += sign * lines;
  totals.chars += sign * chars;
};

/** Drops the oldest until the limits hold again; the newest output always stays. */
const trim = (state: OutputState): OutputState => {
  const { maxLines, maxChars, maxDataChars, maxOutputs } = state.limits;
  const totals: Totals = { lines: 0, chars: 0, data: 0, outputs: 0 };
  for (const output of state.outputs) add(totals, output, 1);
  const tooMuch = (): boolean => totals.data > maxDataChars || totals.outputs > maxOutputs;
  const tooLong = (): boolean => totals.lines > maxLines || totals.chars > maxChars;
  if (!tooMuch() && !tooLong()) return state;

  const [first] = state.outputs;
  const before =
    first?.type === 'omitted' ? first : { type: 'omitted' as const, id: state.nextId, outputs: 0, lines: 0 };
  const omitted = { ...before };
  const kept = state.outputs.slice(first?.type === 'omitted' ? 1 : 0);
  for (let index = 0; index < kept.length - 1 && (tooMuch() || tooLong());) {
    const output = kept[index];
    if (!output) break;
    // While only the streams are too long, what is not a stream may stay.
    if (output.type !== 'stream' && !tooMuch()) {
      index += 1;
      continue;
    }
    add(totals, output, -1);
    const shorter = output.type === 'stream' && !tooMuch() ? withoutOldestBlock(output.terminal) : undefined;
    if (output.type === 'stream' && shorter && shorter !== output.terminal) {
      kept[index] = { ...output, terminal: shorter };
      add(totals, kept[index] as Output, 1);
      continue;
    }
    kept.splice(index, 1);
    omitted.outputs += 1;
    if (output.type === 'stream') omitted.lines += output.terminal.omittedLines + output.terminal.recent.length;
  }
  if (omitted.outputs === 0) return { ...state, outputs: kept };
  return { ...state, outputs: [omitted, ...kept], nextId: Math.max(state.nextId, omitted.id + 1) };
};

const dataFields = (
  state: OutputState,
  message: Extract<OutputMessage, { type: 'display' | 'result' }>,
): Omit<DataOutput, 'type'> => ({
  id: state.nextId,
  data: copyBundle(message.data),
  metadata: copyBundle(message.metadata),
  size: sizeOf(message.data),
  ...(message.displayId === undefined ? {} : { displayId: message.displayId }),
  ...(message.type === 'result' ? { executionCount: message.executionCount } : {}),
});

const appended = (state: OutputState, message: Exclude<OutputMessage, { type: 'update' | 'clear' }>): OutputState => {
  if (message.type === 'stream') return writeStream(state, message.name, message.text);
  if (message.type !== 'error') return append(state, { type: message.type, ...dataFields(state, message) });
  const { name, value, traceback } = message;
  const error: ErrorOutput = { type: 'error', id: state.nextId, name, value, traceback, size: sizeOf(traceback) };
  return append(state, error);
};

/** The outputs after one more message. An update changes every output with its id, wherever it stands. */
export const reduceOutputs = (state: OutputState, message: OutputMessage): OutputState => {
  if (message.type === 'clear') {
    return message.wait ? { ...state, clearNext: true } : { ...state, outputs: [], clearNext: false };
  }
  if (message.type === 'update') {
    return trim(update(state, message.displayId, message.data, message.metadata));
  }
  if (message.type === 'stream' && message.text === '') return state;
  const start = state.clearNext ? { ...state, outputs: [], clearNext: false } : state;
  return trim(appended(start, message));
};
