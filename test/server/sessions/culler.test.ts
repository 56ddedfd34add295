import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import fc from 'fast-check';

import { createActivity } from '../../../server/proxy/activity.ts';
import { createCuller, decideCull, type SessionFacts } from '../../../server/sessions/culler.ts';
import type { SessionRecord } from '../../../server/spawners/spawner.ts';
import { createTestSpawner } from '../proxy/harness.ts';

const MINUTE = 60_000;
const limits = { idleTimeoutMs: 10 * MINUTE, maxAgeMs: 360 * MINUTE, busyWithoutClientMs: 30 * MINUTE };

/** Facts of a session that began at 0, in minutes. */
const factsAt = (minute: number, change: Partial<SessionFacts> = {}): SessionFacts => ({
  now: minute * MINUTE,
  state: 'ready',
  createdAt: 0,
  expiresAt: 360 * MINUTE,
  clientSeenAt: 0,
  busyAloneAt: undefined,
  clients: 0,
  kernels: 'idle',
  ...change,
});

describe('whether a session ends', () => {
  const rows: readonly [string, SessionFacts, 'keep' | 'stop', string][] = [
    ['used a moment ago', factsAt(9), 'keep', 'in_use'],
    ['idle for the time-out', factsAt(10), 'stop', 'not_used'],
    ['idle with a client that only watches', factsAt(10, { clients: 3 }), 'stop', 'not_used'],
    ['a frame renewed it', factsAt(10, { clientSeenAt: 5 * MINUTE }), 'keep', 'in_use'],
    ['busy with a client, hours after the last frame', factsAt(200, { clients: 1, kernels: 'busy' }), 'keep', 'in_use'],
    ['busy alone for 29 minutes', factsAt(29, { kernels: 'busy' }), 'keep', 'in_use'],
    ['busy alone for 39 minutes, of which 30 count', factsAt(39, { kernels: 'busy' }), 'keep', 'in_use'],
    ['busy alone for 40 minutes', factsAt(40, { kernels: 'busy' }), 'stop', 'not_used'],
    ['idle since it was busy alone', factsAt(25, { busyAloneAt: 20 * MINUTE }), 'keep', 'in_use'],
    ['idle long since it was busy alone', factsAt(30, { busyAloneAt: 20 * MINUTE }), 'stop', 'not_used'],
    ['does not say what its kernels do', factsAt(10, { clients: 1, kernels: undefined }), 'stop', 'not_used'],
    ['too old although busy with a client', factsAt(360, { clients: 1, kernels: 'busy' }), 'stop', 'too_old'],
    ['past its own end although young', factsAt(5, { expiresAt: 5 * MINUTE }), 'stop', 'too_old'],
    [
      'old although its end was put off',
      factsAt(360, { expiresAt: 999 * MINUTE, clientSeenAt: 360 * MINUTE }),
      'stop',
      'too_old',
    ],
    ['still starting', factsAt(30, { state: 'starting' }), 'keep', 'starting'],
    ['still starting when too old', factsAt(360, { state: 'starting' }), 'stop', 'too_old'],
    ['waiting in the queue', factsAt(999, { state: 'reserved' }), 'keep', 'starting'],
    ['failed', factsAt(999, { state: 'failed' }), 'keep', 'starting'],
    ['seen in the future by a clock that jumped', factsAt(1, { clientSeenAt: 2 * MINUTE }), 'keep', 'in_use'],
  ];
  for (const [what, facts, action, reason] of rows)
    it(`${action === 'keep' ? 'no' : 'yes'}: ${what}`, () => {
      const decision = decideCull(facts, limits);
      assert.deepEqual([decision.action, decision.reason], [action, reason]);
    });

  it('never at an age below the time-out, and always at the greatest age', () => {
    const facts = fc.record({
      now: fc.integer({ min: 0, max: 800 * MINUTE }),
      state: fc.constantFrom('ready' as const, 'starting' as const),
      createdAt: fc.constant(0),
      expiresAt: fc.constant(360 * MINUTE),
      clientSeenAt: fc.integer({ min: 0, max: 800 * MINUTE }),
      busyAloneAt: fc.option(fc.integer({ min: 0, max: 800 * MINUTE }), { nil: undefined }),
      clients: fc.integer({ min: 0, max: 5 }),
      kernels: fc.constantFrom('busy' as const, 'idle' as const, undefined),
    });
    fc.assert(
      fc.property(facts, (given) => {
        const { action } = decideCull(given, limits);
        if (given.now >= 360 * MINUTE) assert.equal(action, 'stop');
        else if (given.now - given.clientSeenAt < limits.idleTimeoutMs) assert.equal(action, 'keep');
      }),
    );
  });

  it('lets a busy kernel without a client live for its bound and the time-out at most, however often it is asked', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ wait: fc.integer({ min: 1, max: 10 * MINUTE }), busy: fc.boolean() }), {
          minLength: 80,
          maxLength: 200,
        }),
        (steps) => {
          let facts = factsAt(0);
          for (const { wait, busy } of steps) {
            facts = { ...facts, now: facts.now + wait, kernels: busy ? 'busy' : 'idle' };
            const decision = decideCull(facts, limits);
            if (decision.action === 'stop') return;
            const bound = limits.busyWithoutClientMs + limits.idleTimeoutMs;
            assert.ok(facts.now < bound, `still there after ${facts.now / MINUTE} minutes`);
            facts = { ...facts, clientSeenAt: decision.clientSeenAt, busyAloneAt: decision.busyAloneAt };
          }
        },
      ),
    );
  });
});

/** A culler over a spawner in memory, at a time that the test moves. */
const setUp = (kernels: (session: string) => Promise<'busy' | 'idle' | undefined> = async () => 'idle') => {
  const clock = {
    at: 0,
    now: () => clock.at,
    monotonic: () => clock.at,
    sleep: () => new Promise<void>(() => undefined),
  };
  const spawner = createTestSpawner();
  const writes: [string, number][] = [];
  const errors: string[] = [];
  const activity = createActivity({ clock, write: (session, at) => void writes.push([session, at]) });
  const log = {
    debug: () => undefined,
    warn: () => undefined,
    error: (_: object, text: string) => void errors.push(text),
  };
  const culler = createCuller({ spawner, activity, clock, kernelStates: kernels, log, ...limits });
  const add = (change: Partial<SessionRecord> = {}) =>
    spawner.add({ socketPath: '/nowhere' }, { createdAt: 0, lastActivityAt: 0, expiresAt: 360 * MINUTE, ...change });
  return { clock, spawner, activity, culler, writes, errors, add };
};

describe('the culler', () => {
  it('ends what nobody uses and keeps what has frames', async () => {
    const { clock, spawner, activity, culler, add } = setUp();
    const [idle, used] = [add(), add()];
    for (let minute = 1; minute <= 30; minute += 1) {
      clock.at = minute * MINUTE;
      activity.clientFrame(used);
      await culler.tick();
      assert.equal(spawner.records.has(idle), minute < 10, `minute ${minute}`);
    }
    assert.ok(spawner.records.has(used));
    assert.equal(activity.lastFrameAt(idle), undefined);
  });

  it('keeps a busy kernel while a client watches, then for 30 minutes, then for the time-out', async () => {
    const { clock, spawner, activity, culler, add } = setUp(async () => 'busy');
    const session = add();
    const leave = activity.clientConnected(session);
    let minute = 0;
    for (; minute < 120; minute += 1) {
      clock.at = minute * MINUTE;
      await culler.tick();
    }
    assert.equal(spawner.records.get(session)?.lastActivityAt, 119 * MINUTE, 'what counted is kept in the record');
    leave();
    for (; spawner.records.has(session) && minute < 300; minute += 1) {
      clock.at = minute * MINUTE;
      await culler.tick();
    }
    assert.equal(minute - 1, 119 + 40);
  });

  it('goes on with what the record says after a restart of the hub', async () => {
    const first = setUp(async () => 'busy');
    const session = first.add({ lastActivityAt: 55 * MINUTE });
    first.clock.at = 64 * MINUTE;
    await first.culler.tick();
    assert.ok(first.spawner.records.has(session));
  });

  it('lets one session that cannot be looked at spoil nothing for the others', async () => {
    let asked = 0;
    const { clock, spawner, culler, errors, add } = setUp(async () => {
      asked += 1;
      throw new Error('no answer');
    });
    const [left, right] = [add(), add()];
    const stop = spawner.stop;
    spawner.stop = async (name) => {
      if (name === left) throw new Error('busy');
      await stop(name);
    };
    clock.at = 11 * MINUTE;
    await culler.tick();
    assert.equal(asked, 2);
    assert.deepEqual([spawner.records.has(left), spawner.records.has(right)], [true, false]);
    assert.equal(errors.length, 1);
    spawner.list = async () => {
      throw new Error('disk');
    };
    await culler.tick();
    assert.equal(errors.length, 2);
  });

  it('looks again and again until it is closed', async () => {
    const wakes: (() => void)[] = [];
    const { spawner, activity } = setUp();
    let lists = 0;
    spawner.list = async () => {
      lists += 1;
      return [];
    };
    const sleep = (_: number, signal?: AbortSignal) =>
      new Promise<void>((resolve, reject) => {
        wakes.push(resolve);
        signal?.addEventListener('abort', () => reject(signal.reason as Error));
      });
    const clock = { now: () => 0, monotonic: () => 0, sleep };
    const silent = { debug: () => undefined, warn: () => undefined, error: () => undefined };
    const culler = createCuller({ spawner, activity, clock, kernelStates: async () => 'idle', log: silent, ...limits });
    culler.start();
    culler.start();
    for (let round = 1; round <= 3; round += 1) {
      assert.equal(wakes.length, round);
      wakes.at(-1)!();
      await new Promise(setImmediate);
      assert.equal(lists, round);
    }
    await culler.close();
    assert.equal(lists, 3);
  });
});

describe('activity', () => {
  it('writes at most once a minute, and the last frame when the last client leaves', () => {
    const clock = { at: 1000, now: () => clock.at };
    const writes: number[] = [];
    const activity = createActivity({ clock, write: (_, at) => void writes.push(at) });
    const leaveFirst = activity.clientConnected('s');
    const leaveSecond = activity.clientConnected('s');
    for (let second = 0; second < 150; second += 1) {
      clock.at = 1000 + second * 1000;
      activity.clientFrame('s');
    }
    assert.deepEqual(writes, [1000, 61_000, 121_000]);
    leaveFirst();
    leaveFirst();
    assert.equal(activity.clients('s'), 1);
    leaveSecond();
    assert.deepEqual(writes, [1000, 61_000, 121_000, 150_000]);
    assert.equal(activity.clients('s'), 0);
    assert.equal(activity.lastFrameAt('s'), 150_000);
    activity.forget('s');
    assert.equal(activity.lastFrameAt('s'), undefined);
  });
});
