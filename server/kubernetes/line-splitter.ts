const NEWLINE = 0x0a;

export interface SplitLine {
  /** Without its newline. */
  readonly text: string;
  /** Whether it was longer than allowed, and only its beginning is here. */
  readonly isCut: boolean;
}

/** Cuts bytes, as they arrive, into lines of UTF-8. */
export interface LineSplitter {
  push(chunk: Uint8Array): SplitLine[];
  /** What came after the last newline. */
  rest(): SplitLine;
}

/** Holds at most `maxBytes` of an unfinished line; what is longer is cut, and the rest of it is let go. */
export const createLineSplitter = (maxBytes: number): LineSplitter => {
  let parts: Uint8Array[] = [];
  let length = 0;
  let isCut = false;

  const keep = (piece: Uint8Array) => {
    const kept = piece.subarray(0, maxBytes - length);
    if (kept.length < piece.length) isCut = true;
    if (kept.length === 0) return;
    parts.push(kept);
    length += kept.length;
  };
  const rest = (): SplitLine => ({ text: Buffer.concat(parts, length).toString('utf8'), isCut });

  return {
    push(chunk) {
      const lines: SplitLine[] = [];
      let start = 0;
      for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
        keep(chunk.subarray(start, end));
        lines.push(rest());
        parts = [];
        length = 0;
        isCut = false;
        start = end + 1;
      }
      keep(chunk.subarray(start));
      return lines;
    },
    rest,
  };
};
