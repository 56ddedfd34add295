import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { parseTolerantJson } from '../../../widget/page/tolerant-json.ts';

describe('parseTolerantJson', () => {
  it('reads whatever JSON writes, unchanged', () => {
    fc.assert(
      fc.property(fc.jsonValue({ noUnicodeString: false }), (value) => {
        const text = JSON.stringify(value);
        if (text.includes('"__proto__"')) return;
        assert.deepEqual(parseTolerantJson(text), JSON.parse(text));
        assert.deepEqual(parseTolerantJson(JSON.stringify(value, null, 2)), JSON.parse(text));
      }),
    );
  });

  it('reads what people write by hand', () => {
    const text = `// a page
    {
      requestKernel: true, 'binderOptions': { repo: "a/b", ref: 'main', }, /* last */
      list: [1, .5, -2e3, +4, 0xff, 'it\\'s', "tab\\t", \`back\`,],
      $odd_name: null, nothing: undefined,
    }
    `;
    assert.deepEqual(parseTolerantJson(text), {
      requestKernel: true,
      binderOptions: { repo: 'a/b', ref: 'main' },
      list: [1, 0.5, -2000, 4, 255, "it's", 'tab\t', 'back'],
      $odd_name: null,
      nothing: undefined,
    });
  });

  it('names the line of what it cannot read', () => {
    assert.throws(() => parseTolerantJson('{\n  a: 1\n  b: 2\n}'), /line 3: expected "," or "}", found "b"/);
    assert.throws(() => parseTolerantJson('{a: function() {}}'), /line 1: no value can begin with "function"/);
    assert.throws(() => parseTolerantJson('{a: [1, 2'), /"]" is missing/);
    assert.throws(() => parseTolerantJson('{} x'), /unexpected "x" after the end/);
    assert.throws(() => parseTolerantJson(''), /a value is missing/);
  });

  it('neither runs code nor reaches a prototype', () => {
    const value = parseTolerantJson('{"__proto__": {"polluted": true}, a: 1}') as Record<string, unknown>;
    assert.equal(({} as Record<string, unknown>)['polluted'], undefined);
    assert.equal(value['polluted'], undefined);
    assert.throws(() => parseTolerantJson('{a: alert(1)}'));
  });

  it('always ends, with a value or a SyntaxError', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'{}[]:,\'"\\/*\n ab1-.e') }), (text) => {
        try {
          parseTolerantJson(text);
        } catch (error) {
          assert.ok(error instanceof SyntaxError, String(error));
        }
      }),
      { numRuns: 1000 },
    );
  });
});
