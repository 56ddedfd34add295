import assert from 'node:assert/strict';
import { mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, sep } from 'node:path';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { escapingLinks } from '../../../server/content/links.ts';

const escaping = (links: Record<string, string>): readonly string[] => [
  ...escapingLinks(new Map(Object.entries(links))),
];

describe('Links that lead out', () => {
  it('are found: absolute ones, those above the root, loops, and those that do so through another link', () => {
    assert.deepEqual(escaping({ a: '/etc' }), ['a']);
    assert.deepEqual(escaping({ 'd/a': '../..' }), ['d/a']);
    assert.deepEqual(escaping({ a: 'a' }), ['a']);
    assert.deepEqual(escaping({ a: 'b', b: 'a' }), ['a', 'b']);
    assert.deepEqual(escaping({ a: '' }), ['a']);
    // Each alone stays inside by its words; together they do not.
    assert.deepEqual(escaping({ 'c/d/up': '../..', 'c/d/out': 'up/../x' }), ['c/d/out']);
  });

  it('are not taken for those that stay inside', () => {
    assert.deepEqual(escaping({ a: 'b', 'd/a': '../b', 'd/e/f': '../../d', g: './d/../b', h: 'absent' }), []);
  });

  it('are the same that the file system says', async () => {
    const root = await realpath(await mkdtemp(join(tmpdir(), 'liveleaf-links-')));
    const part = fc.constantFrom('..', '.', 'a', 'b', 'c', 'l1', 'l2');
    const target = fc.array(part, { minLength: 1, maxLength: 6 }).map((parts) => parts.join('/'));
    const name = fc.constantFrom('l1', 'l2', 'a/l1', 'a/b/l1', 'a/b/l2', 'c/l2');
    try {
      let run = 0;
      await fc.assert(
        fc.asyncProperty(fc.dictionary(name, target, { minKeys: 1 }), async (links) => {
          const folder = join(root, String(run++), 'in');
          await mkdir(join(folder, 'a/b'), { recursive: true });
          await mkdir(join(folder, 'c'));
          await writeFile(join(folder, 'b'), '');
          for (const [path, to] of Object.entries(links)) await symlink(to, join(folder, path));
          const found = escapingLinks(new Map(Object.entries(links)));
          for (const path of Object.keys(links)) {
            const real = await realpath(join(folder, path)).catch(() => undefined);
            const isOut = real !== undefined && real !== folder && !real.startsWith(folder + sep);
            if (isOut) assert.ok(found.has(path), `${path} of ${JSON.stringify(links)} leads to ${real}`);
          }
          await rm(dirname(folder), { recursive: true });
        }),
        { numRuns: 300 },
      );
    } finally {
      await rm(root, { recursive: true });
    }
  });
});
