import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { languageOf } from '../../../widget/editor/languages.ts';
import { tokenise } from '../../../widget/editor/tokenise.ts';

const tokens = (source: string, language = 'python'): string[] =>
  tokenise(source, languageOf(language)).map(({ kind, start, end }) => `${kind} ${source.slice(start, end)}`);

describe('tokenise', () => {
  it('finds what Python has', () => {
    assert.deepEqual(tokens('@cache\ndef f(x=0x1F):\n    return len(rb"a\\"b") + 1.5e3j  # say "hi"\n'), [
      'decorator @cache',
      'keyword def',
      'function f',
      'number 0x1F',
      'keyword return',
      'builtin len',
      'string rb"a\\"b"',
      'number 1.5e3j',
      'comment # say "hi"',
    ]);
  });

  it('keeps strings over lines whole, and open ones to where they may end', () => {
    assert.deepEqual(tokens('"""a\n# b\n"""\nx'), ['string """a\n# b\n"""']);
    assert.deepEqual(tokens("f'''a\nif"), ["string f'''a\nif"]);
    assert.deepEqual(tokens('"open\nif'), ['string "open', 'keyword if']);
    assert.deepEqual(tokens('%matplotlib inline\na % b'), ['decorator %matplotlib inline']);
    assert.deepEqual(tokens('none iffy df.max x1'), []);
  });

  it('has rules for languages that it does not know by name', () => {
    assert.deepEqual(tokens('function f() // c\nreturn "s" end', 'julia'), [
      'keyword function',
      'function f',
      'comment // c',
      'keyword return',
      'string "s"',
      'keyword end',
    ]);
  });

  it('gives tokens in order that do not overlap, for any text', () => {
    const source = fc.oneof(
      fc.string(),
      fc.array(fc.constantFrom('"""', "'", '"', '\\', '#', '\n', 'def ', 'x', '0', '@', ' ')).map((p) => p.join('')),
    );
    fc.assert(
      fc.property(source, fc.constantFrom('python', 'r'), (text, language) => {
        let last = 0;
        for (const { start, end } of tokenise(text, languageOf(language))) {
          assert.ok(start >= last && end > start && end <= text.length);
          last = end;
        }
      }),
    );
  });

  it('takes a time that grows with the text only', () => {
    for (const text of [
      '"'.repeat(20_000),
      '\\'.repeat(20_000),
      `"""${'\\a'.repeat(20_000)}`,
      '/*'.repeat(20_000),
      `${' '.repeat(20_000)}x`,
    ]) {
      const start = performance.now();
      tokens(text);
      tokens(text, 'c');
      assert.ok(performance.now() - start < 2_000, text.slice(0, 8));
    }
  });
});
