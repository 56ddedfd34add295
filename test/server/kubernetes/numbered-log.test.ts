import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { createNumberedLog, type NumberedLog } from '../../../server/kubernetes/numbered-log.ts';

const text = fc.string({ unit: 'grapheme', maxLength: 30 }).filter((line) => !/[\n\r]/.test(line));
const texts = fc.array(text, { maxLength: 40 });

/** A log as it is written, without times. */
const written = (lines: readonly string[]): string[] => {
  const numbered = lines.map((line, index) => `${index + 1} ${line}`);
  const digest = createHash('sha256').update(numbered.map((line) => `${line}\n`).join(''));
  return [...numbered, `END ${lines.length} ${digest.digest('hex')}`];
};
const feed = (log: NumberedLog, lines: readonly string[]): (readonly [number, string])[] =>
  lines.flatMap((raw) => {
    const line = log.accept(raw);
    return line === undefined ? [] : [[line.line, line.text] as const];
  });
const expected = (lines: readonly string[]) => lines.map((line, index) => [index + 1, line] as const);

describe('a numbered log', () => {
  it('gives each line once and in order, whatever readings overlap, with times or without', () => {
    const reading = fc.record({ from: fc.double({ min: 0, max: 1, noNaN: true }), count: fc.nat(30) });
    fc.assert(
      fc.property(texts, fc.array(reading), fc.boolean(), (lines, readings, hasTimes) => {
        const raw = written(lines).map((line, index) =>
          hasTimes ? `2026-11-25T00:00:00.${String(index).padStart(9, '0')}Z ${line}` : line,
        );
        const log = createNumberedLog();
        const given: (readonly [number, string])[] = [];
        for (const { from, count } of readings) {
          // A reading begins at the next line or before it, as lines are asked for by number.
          const start = Math.min(Math.floor(from * log.next), log.next - 1);
          given.push(...feed(log, raw.slice(start, start + count)));
        }
        given.push(...feed(log, raw));
        assert.deepEqual(given, expected(lines));
        assert.deepEqual([log.isWhole, log.missing, log.end?.lines], [true, 0, lines.length]);
      }),
    );
  });

  it('is not whole where any line is missing, and knows how many', () => {
    fc.assert(
      fc.property(
        texts.filter(({ length }) => length > 0),
        fc.nat(),
        fc.integer({ min: 1, max: 5 }),
        (lines, at, count) => {
          const raw = written(lines);
          const start = at % lines.length;
          const lost = Math.min(count, lines.length - start);
          raw.splice(start, lost);
          const log = createNumberedLog();
          const skipped = raw.filter((line) => {
            const skips = log.skips(line);
            log.accept(line);
            return skips;
          });
          assert.deepEqual([log.isWhole, log.missing, skipped.length], [false, lost, 1]);
        },
      ),
    );
  });

  it('is not whole where a line is not what was written', () => {
    const raw = written(['one', 'two']);
    const log = createNumberedLog();
    feed(log, [raw[0]!, '2 tow', raw[2]!]);
    assert.deepEqual([log.isWhole, log.missing], [false, 0]);
    assert.notEqual(log.end, undefined);
  });

  it('is not whole without its end mark', () => {
    const log = createNumberedLog();
    feed(log, written(['one', 'two']).slice(0, 2));
    assert.deepEqual([log.isWhole, log.end, log.next], [false, undefined, 3]);
  });

  it('passes over what is no line of it, and over all that follows its end', () => {
    const log = createNumberedLog();
    const noise = ['', 'failed to watch file', 'unable to retrieve container logs', '-1 x', 'END', 'END 1 abc'];
    const raw = written(['one']);
    const given = feed(log, [...noise, raw[0]!, ...noise, raw[1]!, '2 late']);
    assert.deepEqual(given, [[1, 'one']]);
    assert.equal(log.isWhole, true);
  });

  it('keeps a line’s own numbers, times and spaces', () => {
    const lines = ['', ' ', '2 two', '2026-11-25T00:00:00Z now', 'END 1 x', '  indented '];
    const log = createNumberedLog();
    assert.deepEqual(feed(log, written(lines)), expected(lines));
    assert.equal(log.isWhole, true);
  });

  it('goes on at the whole second of its last line, in any time zone', () => {
    const log = createNumberedLog();
    assert.equal(log.resumeAt, undefined);
    log.accept('2026-11-25T01:02:03.999999999Z 1 one');
    assert.equal(log.resumeAt, '2026-11-25T01:02:03Z');
    log.accept('2026-11-25T03:02:04.5+02:00 2 two');
    assert.equal(log.resumeAt, '2026-11-25T01:02:04Z');
  });
});
