import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { createBackoff, pause, withDeadline } from '../../sdk/backoff.ts';
import { globalWorld } from '../../sdk/world.ts';

describe('back-off', () => {
  it('doubles from half a second to eight, within its jitter, and starts anew after a success', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0, max: 0.999, noNaN: true }), { minLength: 1, maxLength: 30 }),
        (randoms) => {
          let index = 0;
          const backoff = createBackoff({ random: () => randoms[index % randoms.length]! });
          for (index = 0; index < randoms.length; index += 1) {
            const base = Math.min(500 * 2 ** index, 8_000);
            const pauseMs = backoff.next();
            assert.ok(pauseMs >= base * 0.5 && pauseMs <= base * 1.5, `${pauseMs} after ${index} failures`);
          }
          backoff.reset();
          assert.ok(backoff.next() <= 750);
        },
      ),
    );
  });

  it('is never shorter than what the other side asked for', () => {
    const backoff = createBackoff({ random: () => 0 });
    assert.equal(backoff.next(20_000), 20_000);
    assert.equal(backoff.next(), 500);
  });
});

describe('a pause', () => {
  it('ends early when the page wakes, leaving nothing behind', async () => {
    const listeners = new Set<(reason: 'visible' | 'online') => void>();
    const world = {
      ...globalWorld(),
      onWake: (listener: (reason: 'visible' | 'online') => void) => {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
    };
    const paused = pause(world, 60_000);
    for (const listener of listeners) listener('online');
    await paused;
    assert.equal(listeners.size, 0);
    const controller = new AbortController();
    const aborted = pause(world, 60_000, controller.signal);
    controller.abort(new Error('enough'));
    await assert.rejects(aborted, /enough/);
    assert.equal(listeners.size, 0);
    await assert.rejects(pause(world, 60_000, AbortSignal.abort(new Error('before'))), /before/);
  });

  it('gives a promise a deadline', async () => {
    const late = new Error('late');
    await assert.rejects(withDeadline(globalWorld(), new Promise(() => undefined), 10, late), /late/);
    assert.equal(await withDeadline(globalWorld(), Promise.resolve(1), 10_000, late), 1);
  });
});
