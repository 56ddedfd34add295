import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { createLineSplitter } from '../../../server/kubernetes/line-splitter.ts';

/** Cuts bytes at these places. */
const cutAt = (bytes: Buffer, places: readonly number[]): Buffer[] => {
  const sorted = [0, ...places.map((place) => place % (bytes.length + 1)), bytes.length].sort((a, b) => a - b);
  return sorted.slice(1).map((end, index) => bytes.subarray(sorted[index], end));
};

describe('splitting bytes into lines', () => {
  it('gives the same lines wherever the bytes are cut, within characters too', () => {
    const line = fc.string({ unit: 'grapheme', maxLength: 40 }).filter((text) => !text.includes('\n'));
    fc.assert(
      fc.property(fc.array(line, { maxLength: 20 }), line, fc.array(fc.nat()), (lines, rest, places) => {
        const splitter = createLineSplitter(1_000);
        const bytes = Buffer.from(lines.map((text) => `${text}\n`).join('') + rest);
        const given = cutAt(bytes, places).flatMap((chunk) => splitter.push(chunk));
        assert.deepEqual(
          given,
          lines.map((text) => ({ text, isCut: false })),
        );
        assert.deepEqual(splitter.rest(), { text: rest, isCut: false });
      }),
    );
  });

  it('never holds more of a line than allowed, says that it is cut, and reads the next one whole', () => {
    fc.assert(
      fc.property(fc.integer({ min: 11, max: 5_000 }), fc.array(fc.nat()), (length, places) => {
        const splitter = createLineSplitter(10);
        const bytes = Buffer.from(`${'x'.repeat(length)}\nnext\n${'y'.repeat(length)}`);
        const given = cutAt(bytes, places).flatMap((chunk) => splitter.push(chunk));
        assert.deepEqual(given, [
          { text: 'x'.repeat(10), isCut: true },
          { text: 'next', isCut: false },
        ]);
        assert.deepEqual(splitter.rest(), { text: 'y'.repeat(10), isCut: true });
      }),
    );
  });
});
