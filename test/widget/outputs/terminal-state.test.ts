/* oxlint-disable no-control-regex -- terminals are made of them */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  emptyTerminal,
  terminalPlainText,
  terminalSize,
  writeTerminal,
  type TerminalState,
} from '../../../widget/outputs/terminal-state.ts';

const written = (text: string, limits = {}): TerminalState => writeTerminal(emptyTerminal(limits), text);
const shown = (text: string): string => terminalPlainText(written(text));
const styled = (text: string): [string, string][] =>
  written(text).recent.flatMap((line) => line.runs.map((run): [string, string] => [run.text, run.style]));

/** A terminal as simple as can be: a grid of characters. */
const oracle = (text: string): string => {
  const grid: string[][] = [[]];
  let row = 0;
  let column = 0;
  for (const char of text) {
    if (char === '\n') {
      row += 1;
      column = 0;
      grid[row] ??= [];
    } else if (char === '\r') column = 0;
    else if (char === '\b') column = Math.max(0, column - 1);
    else {
      const line = grid[row] ?? [];
      while (line.length < column) line.push(' ');
      line[column++] = char;
      grid[row] = line;
    }
  }
  return grid.map((line) => line.join('')).join('\n');
};

const cutAt = (text: string, places: readonly number[]): string[] => {
  const sorted = [...new Set(places.map((place) => place % (text.length + 1)))].sort((a, b) => a - b);
  return [0, ...sorted].map((start, index) => text.slice(start, sorted[index] ?? text.length));
};

const piece = fc.oneof(
  fc.string({ maxLength: 12 }),
  fc.constantFrom(
    '\n',
    '\r',
    '\b',
    '\r\n',
    '\x1b[31m',
    '\x1b[0m',
    '\x1b[38;5;208m',
    '\x1b[1;44m',
    '\x1b[K',
    '\x1b[2K',
    '\x1b[A',
  ),
  fc.constantFrom(
    '\x1b[2C',
    '\x1b[3D',
    '\x1b]8;;http://x\x07',
    '\x1b]0;t\x1b\\',
    '\x1b',
    '\x1b[',
    '\x1b]',
    '\x9b',
    '\u202e',
    '😀',
    '\ud83d',
    '\t',
  ),
);
const anyText = fc.array(piece, { maxLength: 40 }).map((pieces) => pieces.join(''));

describe('terminal state', () => {
  it('shows a progress bar that returns to the start of its line as one line', () => {
    const bar = Array.from(
      { length: 101 },
      (_, percent) => `\r${String(percent).padStart(3)}% ${'#'.repeat(percent / 5)}`,
    );
    assert.equal(shown(`Loading\n${bar.join('')}\ndone\n`), `Loading\n100% ${'#'.repeat(20)}\ndone\n`);
  });

  it('overwrites only as many characters as are written', () => {
    assert.equal(shown('abcdef\rxy'), 'xycdef');
    assert.equal(shown('abcdef\r\x1b[Kxy'), 'xy');
    assert.equal(shown('ab\b\bX\n'), 'Xb\n');
  });

  it('moves up for nested progress bars', () => {
    assert.equal(shown('outer 0\ninner 0\x1b[A\router 1\n\rinner 1'), 'outer 1\ninner 1');
  });

  it('agrees with a grid of characters about returns and backspaces', () => {
    const text = fc
      .array(fc.constantFrom('a', 'b', 'cd', '\n', '\r', '\b'), { maxLength: 200 })
      .map((parts) => parts.join(''));
    fc.assert(
      fc.property(text, (value) => assert.equal(shown(value), oracle(value))),
      { numRuns: 500 },
    );
  });

  it('ends in the same state however a text is cut', () => {
    const limits = fc.constantFrom({}, { maxLines: 3 }, { maxLines: 12 }, { maxChars: 20 });
    const places = fc.array(fc.nat(2_000), { maxLength: 12 });
    fc.assert(
      fc.property(anyText, places, limits, (text, cuts, limit) => {
        const inParts = cutAt(text, cuts).reduce(writeTerminal, emptyTerminal(limit));
        assert.deepEqual(inParts, written(text, limit));
      }),
      { numRuns: 1_500 },
    );
  });

  it('ends in the same state when a line longer than it keeps in one piece is cut anywhere', () => {
    const text = `${'x'.repeat(4_095)}😀${'y'.repeat(5_000)}\n`;
    for (const place of [4_094, 4_095, 4_096, 4_097, 8_000]) {
      assert.deepEqual(cutAt(text, [place]).reduce(writeTerminal, emptyTerminal()), written(text));
    }
    assert.equal(shown(text), text);
  });

  it('reads the sixteen colours, the palette, true colours and their ends', () => {
    assert.deepEqual(styled('\x1b[1;31mred\x1b[0m plain'), [
      ['red', 'b f1'],
      [' plain', ''],
    ]);
    assert.deepEqual(styled('\x1b[38;5;196ma\x1b[48;2;1;2;3mb\x1b[39mc\x1b[49md'), [
      ['a', 'f#ff0000'],
      ['b', 'f#ff0000 g#010203'],
      ['c', 'g#010203'],
      ['d', ''],
    ]);
    assert.deepEqual(styled('\x1b[38;5;3ma\x1b[97mb\x1b[22;24mc'), [
      ['a', 'f3'],
      ['bc', 'f15'],
    ]);
  });

  it('drops controls and other sequences, and makes characters that reorder text visible', () => {
    assert.equal(shown('a\0\x07\x1b]0;title\x07b\x1b[2J\x1b[?25l\x9cc'), 'abc');
    assert.equal(shown('user\u202etxt.exe\u2066'), 'user\ufffdtxt.exe\ufffd');
    fc.assert(
      fc.property(anyText, (text) =>
        assert.doesNotMatch(shown(text), /[\0-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/),
      ),
    );
  });

  it('keeps text that only begins like a sequence', () => {
    assert.equal(shown(`\x1b]${'x'.repeat(3_000)}`), `]${'x'.repeat(3_000)}`);
  });

  it('keeps the newest lines and counts the others', () => {
    const state = written(Array.from({ length: 100_000 }, (_, line) => `line ${line}\n`).join(''));
    const kept = terminalPlainText(state).split('\n');
    assert.ok(terminalSize(state).lines <= 5_000);
    assert.equal(kept.at(-2), 'line 99999');
    assert.equal(kept[0], `line ${state.omittedLines}`);
    assert.equal(kept.length - 1 + state.omittedLines, 100_000);
  });

  it('stays within its limits when 100 MB are printed', () => {
    const chunk = `${'0123456789'.repeat(10)}\n`.repeat(10_000);
    let state = emptyTerminal();
    for (let part = 0; part < 100; part++) state = writeTerminal(state, chunk);
    const { lines, chars } = terminalSize(state);
    assert.ok(lines <= 5_000 && chars <= 2_000_000, `${lines} lines, ${chars} characters`);
    assert.equal(state.omittedLines + terminalPlainText(state).split('\n').length - 1, 1_000_000);
  });

  it('stays within its limits when there is no line break at all', () => {
    let state = emptyTerminal();
    for (let part = 0; part < 50; part++) state = writeTerminal(state, 'z'.repeat(200_000));
    assert.ok(terminalPlainText(state).length < 2_700_000);
  });
});
