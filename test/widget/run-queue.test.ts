import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { emptyQueue, reduceQueue, stateOf, type RunAction, type RunQueue } from '../../widget/run-queue.ts';

const play = (...actions: RunAction<string>[]): RunQueue<string> => actions.reduce(reduceQueue, emptyQueue<string>());
const kinds = (queue: RunQueue<string>, ...cells: string[]) => cells.map((cell) => stateOf(queue, cell).kind);

describe('the queue of runs', () => {
  it('runs one cell at a time, in order', () => {
    const queue = play({ type: 'enqueue', cells: ['a', 'b'] }, { type: 'start', at: 10 });
    assert.deepEqual(kinds(queue, 'a', 'b', 'c'), ['running', 'queued', 'idle']);
    const next = [{ type: 'finish', at: 35, ok: true } as const, { type: 'start', at: 36 } as const].reduce(
      reduceQueue<string>,
      queue,
    );
    assert.deepEqual(stateOf(next, 'a'), { kind: 'done', durationMs: 25 });
    assert.equal(next.running, 'b');
  });

  it('takes a cell that waits or runs only once', () => {
    const queue = play(
      { type: 'enqueue', cells: ['a', 'b', 'a'] },
      { type: 'start', at: 0 },
      { type: 'enqueue', cells: ['a', 'b'] },
    );
    assert.deepEqual(queue.waiting, ['b']);
  });

  it('drops what waits when a cell fails', () => {
    const queue = play(
      { type: 'enqueue', cells: ['a', 'b', 'c'] },
      { type: 'start', at: 0 },
      { type: 'finish', at: 5, ok: false, reason: 'NameError' },
    );
    assert.deepEqual(stateOf(queue, 'a'), { kind: 'failed', durationMs: 5, reason: 'NameError' });
    assert.deepEqual(kinds(queue, 'b', 'c'), ['stopped', 'stopped']);
    assert.deepEqual(queue.waiting, []);
  });

  it('stops everything, takes back one, and forgets all', () => {
    const queue = play(
      { type: 'enqueue', cells: ['a', 'b', 'c'] },
      { type: 'start', at: 0 },
      { type: 'drop', cell: 'b' },
    );
    assert.deepEqual(kinds(queue, 'a', 'b', 'c'), ['running', 'stopped', 'queued']);
    const stopped = reduceQueue(queue, { type: 'stop' });
    assert.deepEqual(kinds(stopped, 'a', 'c'), ['stopped', 'stopped']);
    assert.equal(stopped.running, undefined);
    assert.equal(reduceQueue(stopped, { type: 'forget' }).states.size, 0);
  });

  it('keeps its invariants whatever comes', () => {
    const cell = fc.constantFrom('a', 'b', 'c');
    const action: fc.Arbitrary<RunAction<string>> = fc.oneof(
      fc.record({ type: fc.constant('enqueue' as const), cells: fc.array(cell) }),
      fc.record({ type: fc.constant('start' as const), at: fc.nat() }),
      fc.record({ type: fc.constant('finish' as const), at: fc.nat(), ok: fc.boolean() }),
      fc.record({ type: fc.constant('drop' as const), cell }),
      fc.constant({ type: 'stop' as const }),
      fc.constant({ type: 'forget' as const }),
    );
    fc.assert(
      fc.property(fc.array(action), (actions) => {
        const queue = actions.reduce(reduceQueue, emptyQueue<string>());
        assert.equal(new Set(queue.waiting).size, queue.waiting.length);
        assert.ok(queue.running === undefined || !queue.waiting.includes(queue.running));
        for (const name of ['a', 'b', 'c']) {
          const state = stateOf(queue, name);
          assert.equal(state.kind === 'running', queue.running === name);
          assert.equal(state.kind === 'queued', queue.waiting.includes(name));
          if ('durationMs' in state) assert.ok(state.durationMs >= 0);
        }
      }),
    );
  });
});
