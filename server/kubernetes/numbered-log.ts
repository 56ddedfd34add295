import { createHash } from 'node:crypto';

export interface NumberedLine {
  /** Counts from 1. */
  readonly line: number;
  readonly text: string;
}

/** The last line of a numbered log: how many lines there were, and the SHA-256 of all of them as written, in hex. */
export interface LogMark {
  readonly lines: number;
  readonly sha256: string;
}

type ParsedLine = ({ readonly kind: 'line' } & NumberedLine) | ({ readonly kind: 'end' } & LogMark);

const TIME = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)) /;
const LINE = /^(\d{1,9}) ?(.*)$/s;
const END = /^END (\d{1,9}) ([0-9a-f]{64})$/;

const parse = (written: string): ParsedLine | undefined => {
  const end = END.exec(written);
  if (end) return { kind: 'end', lines: Number(end[1]), sha256: end[2]! };
  const line = LINE.exec(written);
  return line ? { kind: 'line', line: Number(line[1]), text: line[2]! } : undefined;
};

/**
 * Puts a numbered log together from readings that overlap, break off and begin again: each line comes out once and in order.
 * A line is written as `<n> <text>`, the last one as `END <n> <sha256>`, where the digest is that of all lines before it with
 * their numbers and newlines. A time may stand before each; whatever else is in the log is no line of it.
 */
export interface NumberedLog {
  /** Takes one line of a reading; returns it where it is the next one. */
  accept(raw: string): NumberedLine | undefined;
  /** Whether lines are missing before this one; `accept` passes over them. */
  skips(raw: string): boolean;
  /** The number of the next line. */
  readonly next: number;
  /** The whole second of the last line's time, RFC 3339, from which on a reading overlaps this one; undefined without times. */
  readonly resumeAt: string | undefined;
  readonly end: LogMark | undefined;
  /** Lines that were passed over. */
  readonly missing: number;
  /** Whether the end mark was seen, nothing is missing before it, and the digest fits. */
  readonly isWhole: boolean;
}

const withoutTime = (raw: string): { readonly time: string | undefined; readonly written: string } => {
  const time = TIME.exec(raw);
  return time ? { time: time[1], written: raw.slice(time[0].length) } : { time: undefined, written: raw };
};

const floorToSecond = (time: string): string =>
  new Date(Math.floor(Date.parse(time) / 1_000) * 1_000).toISOString().replace('.000Z', 'Z');

export const createNumberedLog = (): NumberedLog => {
  const digest = createHash('sha256');
  let next = 1;
  let missing = 0;
  let lastTime: string | undefined;
  let end: LogMark | undefined;
  let isWhole = false;

  /** How many lines are passed over to get to this one; negative where it was seen before. */
  const distance = (parsed: ParsedLine): number => (parsed.kind === 'end' ? parsed.lines + 1 : parsed.line) - next;

  return {
    skips(raw) {
      const parsed = parse(withoutTime(raw).written);
      return parsed !== undefined && end === undefined && distance(parsed) > 0;
    },
    accept(raw) {
      const { time, written } = withoutTime(raw);
      const parsed = parse(written);
      if (parsed === undefined || end !== undefined || distance(parsed) < 0) return undefined;
      missing += distance(parsed);
      if (parsed.kind === 'end') {
        end = { lines: parsed.lines, sha256: parsed.sha256 };
        isWhole = missing === 0 && digest.digest('hex') === parsed.sha256;
        return undefined;
      }
      digest.update(`${written}\n`);
      next = parsed.line + 1;
      lastTime = time ?? lastTime;
      return { line: parsed.line, text: parsed.text };
    },
    get next() {
      return next;
    },
    get resumeAt() {
      return lastTime === undefined ? undefined : floorToSecond(lastTime);
    },
    get end() {
      return end;
    },
    get missing() {
      return missing;
    },
    get isWhole() {
      return isWhole;
    },
  };
};
