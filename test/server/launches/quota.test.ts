import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { admissionOf } from '../../../server/launches/quota.ts';

type State = 'reserved' | 'starting' | 'ready' | 'failed';
const record = (name: string, createdAt: number, repo = 'gh/a/b', state: State = 'reserved') => ({
  name,
  createdAt,
  repo,
  state,
});

describe('the quota', () => {
  it('lets in by time, then name, and tells the others their place', () => {
    const all = [record('c', 1), record('b', 2), record('a', 2), record('d', 3)];
    const quota = { total: 2, perRepo: 0 };
    assert.deepEqual(admissionOf('c', all, quota), { admitted: true });
    assert.deepEqual(admissionOf('a', all, quota), { admitted: true });
    assert.deepEqual(admissionOf('b', all, quota), { admitted: false, position: 1, limit: 'total' });
    assert.deepEqual(admissionOf('d', all, quota), { admitted: false, position: 2, limit: 'total' });
  });

  it('counts what runs, and nothing that failed', () => {
    const all = [record('r', 9, 'gh/a/b', 'ready'), record('f', 1, 'gh/a/b', 'failed'), record('n', 2)];
    assert.deepEqual(admissionOf('n', all, { total: 2, perRepo: 0 }), { admitted: true });
    assert.deepEqual(admissionOf('n', all, { total: 1, perRepo: 0 }), { admitted: false, position: 1, limit: 'total' });
  });

  it('keeps no place for one that only its repository’s limit holds back', () => {
    const all = [record('a1', 1), record('a2', 2), record('b1', 3, 'gh/b/b')];
    const quota = { total: 2, perRepo: 1 };
    assert.deepEqual(admissionOf('a2', all, quota), { admitted: false, position: 1, limit: 'repo' });
    assert.deepEqual(admissionOf('b1', all, quota), { admitted: true });
  });

  it('never lets in more than its limits, and always as many as fit', () => {
    const states: readonly State[] = ['reserved', 'reserved', 'starting', 'ready', 'failed'];
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.tuple(fc.nat({ max: 20 }), fc.nat({ max: 3 }), fc.constantFrom(...states), fc.uuid()), {
          selector: ([, , , name]) => name,
          maxLength: 25,
        }),
        fc.nat({ max: 12 }),
        fc.nat({ max: 5 }),
        (rows, total, perRepo) => {
          const all = rows.map(([createdAt, repo, state, name]) => record(name, createdAt, `gh/r/${repo}`, state));
          const running = all.filter(({ state }) => state === 'starting' || state === 'ready');
          const waiting = all.filter(({ state }) => state === 'reserved');
          const let_in = waiting.filter(({ name }) => admissionOf(name, all, { total, perRepo }).admitted);
          assert.ok(let_in.length === 0 || running.length + let_in.length <= total);
          for (const { repo } of let_in) {
            const ofRepo = [...running, ...let_in].filter((each) => each.repo === repo).length;
            assert.ok(
              perRepo === 0 || ofRepo <= Math.max(perRepo, running.filter((each) => each.repo === repo).length),
            );
          }
          if (perRepo === 0) assert.equal(let_in.length, Math.max(0, Math.min(waiting.length, total - running.length)));
        },
      ),
    );
  });
});
