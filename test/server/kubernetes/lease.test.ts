import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import fc from 'fast-check';
import pino from 'pino';
import type { Clock } from '../../../server/clock.ts';
import { KubernetesError } from '../../../server/kubernetes/kubernetes-error.ts';
import { createLeaderLease, type LeaderLease, type LeaderLeaseOptions } from '../../../server/kubernetes/lease.ts';
import { createFakeKubernetesApi, type FakeKubernetesApi } from '../../helpers/fake-kubernetes-api.ts';
import { createSteeredClock, settle, type SteeredClock } from '../../helpers/steered-clock.ts';

const log = pino({ level: 'silent' });
const away = () => {
  throw new KubernetesError(0, 'Unreachable', 'away');
};

describe('a lease', () => {
  let clock: SteeredClock;
  let api: FakeKubernetesApi;
  let leases: LeaderLease[];
  beforeEach(() => {
    clock = createSteeredClock();
    api = createFakeKubernetesApi(clock);
    leases = [];
  });
  afterEach(async () => {
    api.onCall = undefined;
    api.onAnswer = undefined;
    await Promise.all(leases.map((lease) => lease.close()));
  });
  const ask = (identity: string, options: Partial<LeaderLeaseOptions> = {}): LeaderLease => {
    const world = { api, namespace: 'hub', name: 'queue', identity, clock, log, random: () => 0 };
    const lease = createLeaderLease({ ...world, ...options });
    leases.push(lease);
    return lease;
  };
  const stored = () => api.getLease('hub', 'queue');

  it('is had by the first who asks, and by nobody else while it is renewed', async () => {
    const first = ask('one');
    await settle();
    const second = ask('two');
    for (let second_ = 0; second_ < 60; second_ += 1) {
      await clock.advance(1_000);
      assert.deepEqual([first.isLeader(), second.isLeader()], [true, false]);
    }
    const { spec } = await stored();
    assert.match(spec?.holderIdentity ?? '', /^one_/);
    assert.deepEqual([spec?.leaseDurationSeconds, spec?.leaseTransitions], [15, 0]);
  });

  it('has one leader where many ask at once', async () => {
    const all = ['one', 'two', 'three'].map((identity) => ask(identity));
    await settle();
    assert.equal(all.filter((lease) => lease.isLeader()).length, 1);
  });

  it('is handed over at once where its leader closes', async () => {
    const first = ask('one');
    await settle();
    const second = ask('two');
    await settle();
    await first.close();
    assert.equal(first.isLeader(), false);
    assert.equal((await stored()).spec?.holderIdentity, '');
    await clock.advance(3_000);
    assert.equal(second.isLeader(), true);
    assert.equal((await stored()).spec?.leaseTransitions, 1);
  });

  it('is led no more by one who cannot renew it, before another may have it', async () => {
    const changes: [string, boolean, number][] = [];
    let isCutOff = false;
    const cutOff = async <T>(call: () => Promise<T>): Promise<T> => (isCutOff ? away() : call());
    const first = ask('one', {
      api: {
        getLease: (...given) => cutOff(() => api.getLease(...given)),
        createLease: api.createLease,
        replaceLease: (...given) => cutOff(() => api.replaceLease(...given)),
      },
    });
    const startedAt = clock.monotonic();
    first.onChange((isLeader) => changes.push(['one', isLeader, clock.monotonic() - startedAt]));
    await settle();
    isCutOff = true;
    const second = ask('two');
    second.onChange((isLeader) => changes.push(['two', isLeader, clock.monotonic() - startedAt]));
    await clock.advance(30_000);
    const [led, lost, next] = changes;
    assert.deepEqual(led, ['one', true, 0]);
    assert.deepEqual(lost, ['one', false, 10_000]);
    assert.deepEqual(next?.slice(0, 2), ['two', true]);
    assert.ok(next![2] >= 15_000 && next![2] <= 20_000, `${next![2]} ms`);
  });

  it('is told as lost in time though the renewal hangs', async () => {
    const lease = ask('one');
    await settle();
    const changes: boolean[] = [];
    lease.onChange((isLeader) => changes.push(isLeader));
    let release = () => {};
    api.onCall = () => new Promise<void>((resolve) => (release = resolve));
    await clock.advance(12_200);
    assert.deepEqual([changes, lease.isLeader()], [[false], false]);
    api.onCall = undefined;
    release();
    await clock.advance(3_000);
    assert.equal(lease.isLeader(), true);
  });

  it('is not led by a renewal whose answer comes too late', async () => {
    const lease = ask('one');
    await settle();
    api.onAnswer = ({ verb }) => (verb === 'replaceLease' ? clock.sleep(11_000) : undefined);
    await clock.advance(2_200 + 11_000);
    api.onAnswer = undefined;
    assert.equal(lease.isLeader(), false);
    await clock.advance(3_000);
    assert.equal(lease.isLeader(), true);
  });

  it('is kept by its leader where the answer to a renewal is lost', async () => {
    const lease = ask('one');
    await settle();
    api.onAnswer = ({ verb }) => (verb === 'replaceLease' ? away() : undefined);
    await clock.advance(2_200);
    api.onAnswer = undefined;
    for (let second = 0; second < 20; second += 1) {
      await clock.advance(1_000);
      assert.equal(lease.isLeader(), true);
    }
    assert.equal((await stored()).spec?.leaseTransitions, 0);
  });

  it('is led no more at once by one who sees that another has it, or that it is gone', async () => {
    for (const change of ['taken', 'deleted']) {
      const lease = ask('one', { name: change });
      await settle();
      assert.equal(lease.isLeader(), true);
      const held = await api.getLease('hub', change);
      if (change === 'taken')
        await api.replaceLease('hub', { ...held, spec: { holderIdentity: 'other', leaseDurationSeconds: 15 } });
      else
        api.onCall = ({ name, verb }) => {
          if (name === change && verb !== 'createLease') throw new KubernetesError(404, 'NotFound', 'gone');
        };
      await clock.advance(2_200);
      assert.equal(lease.isLeader(), false);
      api.onCall = undefined;
    }
  });

  it('waits as long as the holder’s own duration says, by its own clock, whatever times the lease holds', async () => {
    const renewTime = new Date(clock.now() - 3_600_000);
    const spec = { holderIdentity: 'other', leaseDurationSeconds: 40, renewTime, acquireTime: renewTime };
    await api.createLease('hub', { metadata: { name: 'queue' }, spec });
    const lease = ask('one');
    await clock.advance(39_000);
    assert.equal(lease.isLeader(), false);
    await clock.advance(5_000);
    assert.equal(lease.isLeader(), true);
  });

  it('does not take a lease that looks like its own for its own', async () => {
    await api.createLease('hub', {
      metadata: { name: 'queue' },
      spec: { holderIdentity: 'one', leaseDurationSeconds: 15 },
    });
    const lease = ask('one');
    await clock.advance(10_000);
    assert.equal(lease.isLeader(), false);
  });

  it('goes on where a listener fails, and tells none that was taken away', async () => {
    const lease = ask('one');
    const seen: boolean[] = [];
    lease.onChange(() => {
      throw new Error('a bug');
    });
    lease.onChange((isLeader) => seen.push(isLeader));
    const stop = lease.onChange(() => seen.push(false));
    stop();
    await settle();
    assert.deepEqual(seen, [true]);
  });

  it('leaves nothing behind when it is closed, and may be closed twice', async () => {
    const lease = ask('one');
    await clock.advance(10_000);
    await Promise.all([lease.close(), lease.close()]);
    await settle();
    assert.equal(clock.sleepers, 0);
    const before = api.calls.length;
    await clock.advance(60_000);
    assert.equal(api.calls.length, before);
  });

  it('never has two leaders, whatever fails, hangs, stops or is set back, and has one once all is well', async () => {
    const step = fc.record({
      who: fc.nat(2),
      what: fc.constantFrom('away', 'lost', 'slow', 'well', 'well', 'stop', 'go', 'set back', 'close'),
      durationMs: fc.integer({ min: 100, max: 9_000 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const time = createSteeredClock();
        const shared = createFakeKubernetesApi(time);
        const states = [0, 1, 2].map(() => ({ fault: 'well', skewMs: 0, until: Promise.resolve(), go: () => {} }));
        const hubs = states.map((state, who) => {
          /** A process that stands still makes no call and hears no timer. */
          const standing = () => state.until;
          const own: Clock = {
            now: () => time.now() + state.skewMs,
            monotonic: time.monotonic,
            sleep: (durationMs, signal) => time.sleep(durationMs, signal).then(standing),
          };
          const through = async <T>(work: () => Promise<T>): Promise<T> => {
            await standing();
            if (state.fault === 'slow') await time.sleep(4_000);
            if (state.fault === 'away') away();
            const result = await work();
            if (state.fault === 'lost') away();
            await standing();
            return result;
          };
          const calls: LeaderLeaseOptions['api'] = {
            getLease: (...given) => through(() => shared.getLease(...given)),
            createLease: (...given) => through(() => shared.createLease(...given)),
            replaceLease: (...given) => through(() => shared.replaceLease(...given)),
          };
          return createLeaderLease({
            api: calls,
            namespace: 'hub',
            name: 'queue',
            identity: `hub-${who}`,
            clock: own,
            log,
            random: () => who / 3,
          });
        });
        const leaders = () => hubs.filter((hub) => hub.isLeader()).length;
        const pass = async (durationMs: number) => {
          for (let left = durationMs; left > 0; left -= 500) {
            await time.advance(Math.min(500, left));
            assert.ok(leaders() <= 1, 'two lead');
          }
        };
        const closed = new Set<number>();
        for (const { who, what, durationMs } of steps) {
          const state = states[who]!;
          if (what === 'stop') {
            state.go();
            state.until = new Promise<void>((resolve) => (state.go = resolve));
          } else if (what === 'go') state.go();
          else if (what === 'set back') state.skewMs -= durationMs * 100;
          else if (what === 'close' && closed.size < 2) {
            closed.add(who);
            void hubs[who]!.close();
          } else state.fault = what;
          await pass(durationMs);
        }
        for (const state of states) {
          state.go();
          state.fault = 'well';
        }
        await pass(45_000);
        assert.equal(leaders(), 1);
        const closing = Promise.all(hubs.map((hub) => hub.close()));
        await time.advance(1_000);
        await closing;
      }),
      { numRuns: 60 },
    );
  });
});
