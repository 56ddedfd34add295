import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { DEFAULT_LIMITS } from '../../../server/content/content-limits.ts';
import { TreeReader } from '../../../server/content/git-tree.ts';

const OBJECT = 'a'.repeat(40);
const line = (path: string, size = 1, mode = '100644'): string =>
  `${mode} blob ${OBJECT} ${String(size).padStart(7)}\t${path}\0`;

describe('A git tree', () => {
  it('is read the same however the output is cut', () => {
    const name = fc.stringMatching(/^[a-zé😀"\n ]{1,12}$/u).filter((text) => text.trim() !== '');
    fc.assert(
      fc.property(fc.array(name, { maxLength: 12 }), fc.array(fc.nat(40), { maxLength: 20 }), (names, cuts) => {
        const bytes = Buffer.from(names.map((text, index) => line(`d/${text}`, index)).join(''));
        const reader = new TreeReader(DEFAULT_LIMITS);
        let at = 0;
        for (const cut of cuts) {
          reader.push(bytes.subarray(at, at + cut));
          at += cut;
        }
        reader.push(bytes.subarray(at));
        assert.deepEqual(
          reader.entries.map(({ path, sizeBytes }) => [path, sizeBytes]),
          names.map((text, index) => [`d/${text}`, index]),
        );
      }),
    );
  });

  it('takes modes of old tools for plain files and keeps the others', () => {
    const reader = new TreeReader(DEFAULT_LIMITS);
    reader.push(Buffer.from(line('old', 1, '100664') + line('run', 1, '100755') + line('link', 1, '120000')));
    reader.push(Buffer.from(`160000 commit ${OBJECT}       -\tsub\0`));
    assert.deepEqual(
      reader.entries.map(({ mode, sizeBytes }) => [mode, sizeBytes]),
      [['100644', 1], ['100755', 1], ['120000', 1], ['160000', 0]],
    ); // prettier-ignore
  });

  it('is given up at the first limit, and at a path that never ends', () => {
    const limits = { ...DEFAULT_LIMITS, maxFiles: 2, maxBytes: 100, maxPathBytes: 50 };
    const push =
      (...lines: string[]) =>
      () =>
        new TreeReader(limits).push(Buffer.from(lines.join('')));
    push(line('a'), line('b'))();
    assert.throws(push(line('a'), line('b'), line('c')), /more than 2 files/);
    assert.throws(push(line('a', 101)), /larger than 100 bytes/);
    assert.throws(push(line('x'.repeat(51))), /longer than 50 bytes/);
    assert.throws(push('x'.repeat(400)), /longer than 50 bytes/);
  });

  it('with a path that no folder can hold is refused', () => {
    for (const path of ['../x', 'a/../b', '/x', 'a//b', './x', 'a/.', '.git/config', 'a/.GIT/hooks/x', ''])
      assert.throws(() => new TreeReader(DEFAULT_LIMITS).push(Buffer.from(line(path))), { code: 'policy' }, path);
  });
});
