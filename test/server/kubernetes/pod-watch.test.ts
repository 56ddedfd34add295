import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import pino from 'pino';
import type { V1Pod } from '../../../server/kubernetes/kubernetes-api.ts';
import { KubernetesError } from '../../../server/kubernetes/kubernetes-error.ts';
import type { PodChange } from '../../../server/kubernetes/pod-store.ts';
import { createPodWatch, type PodWatch } from '../../../server/kubernetes/pod-watch.ts';
import { createFakeKubernetesApi, type FakeKubernetesApi } from '../../helpers/fake-kubernetes-api.ts';
import { createSteeredClock, settle, type SteeredClock } from '../../helpers/steered-clock.ts';

const NAMESPACE = 'sessions';
const log = pino({ level: 'silent' });
const never = new AbortController().signal;
const pod = (name: string): V1Pod => ({
  metadata: { name, labels: { kind: 'session' } },
  spec: { containers: [{ name: 'main', image: 'image' }] },
});
const names = ({ pods }: { readonly pods: readonly V1Pod[] }) => pods.map(({ metadata }) => metadata?.name).sort();

describe('a watch of pods', () => {
  let clock: SteeredClock;
  let api: FakeKubernetesApi;
  let watch: PodWatch;
  let told: string[];
  const start = () => {
    watch = createPodWatch({ api, namespace: NAMESPACE, labelSelector: 'kind=session', clock, log, random: () => 0.5 });
    told = [];
    watch.onChange(({ type, pod: { metadata } }: PodChange) => told.push(`${type} ${metadata?.name}`));
  };
  const calls = (verb: string) => api.calls.filter((call) => call.verb === verb).length;
  beforeEach(() => {
    clock = createSteeredClock();
    api = createFakeKubernetesApi(clock);
  });
  afterEach(() => watch.close());

  it('has nothing to say before it has heard of the cluster, and says so', async () => {
    api.onCall = ({ verb }) => (verb === 'listPods' ? clock.sleep(1_000) : undefined);
    start();
    assert.deepEqual(watch.list(), { pods: [], ageMs: Infinity, isFresh: false });
    await clock.advance(1_000);
    assert.equal(watch.list().isFresh, true);
    // As old as the question, which the answer need not be newer than.
    assert.equal(watch.list().ageMs, 1_000);
  });

  it('has the pods of its labels, and tells of every change once', async () => {
    await api.createPod(NAMESPACE, pod('a'));
    await api.createPod(NAMESPACE, { metadata: { name: 'other' }, spec: { containers: [] } });
    start();
    await settle();
    await api.createPod(NAMESPACE, pod('b'));
    api.change(NAMESPACE, 'a', (changed) => (changed.status = { phase: 'Running' }));
    api.remove(NAMESPACE, 'b');
    await settle();
    assert.deepEqual(told, ['added a', 'added b', 'modified a', 'deleted b']);
    assert.deepEqual(names(watch.list()), ['a']);
    assert.equal(watch.get('a')?.status?.phase, 'Running');
    assert.equal(watch.get('other'), undefined);
  });

  it('goes on where it was when a watch’s time is over, and lists anew where nothing was said towards its end', async () => {
    start();
    await settle();
    await clock.advance(29_000);
    await api.createPod(NAMESPACE, pod('a'));
    await clock.advance(1_000);
    assert.deepEqual([calls('listPods'), calls('watchPods')], [1, 2]);
    await api.createPod(NAMESPACE, pod('b'));
    await clock.advance(30_000);
    assert.deepEqual([calls('listPods'), calls('watchPods')], [2, 3]);
    assert.equal(watch.list().ageMs, 0);
    assert.deepEqual(told, ['added a', 'added b']);
  });

  it('is fresh at every moment while the API is sound, though nothing happens', async () => {
    start();
    await settle();
    for (let second = 0; second < 300; second += 1) {
      await clock.advance(1_000);
      if (second % 7 === 0 && second < 100) await api.createPod(NAMESPACE, pod(`pod-${second}`));
      assert.ok(watch.list().isFresh, `${watch.list().ageMs} ms old after ${second} s`);
    }
    assert.ok(calls('listPods') <= 10, `${calls('listPods')} lists`);
  });

  it('tells what went away while it was cut off as deleted, where the API forgot what happened', async () => {
    await api.createPod(NAMESPACE, pod('a'));
    start();
    await settle();
    api.onCall = ({ verb }) => {
      if (verb === 'listPods' || verb === 'watchPods') throw new KubernetesError(0, 'Unreachable', 'away');
    };
    api.cut(new KubernetesError(0, 'Cut', 'cut'));
    await settle();
    api.remove(NAMESPACE, 'a');
    await api.createPod(NAMESPACE, pod('b'));
    api.compact();
    await clock.advance(20_000);
    assert.deepEqual(told, ['added a']);
    api.onCall = undefined;
    await clock.advance(30_000);
    assert.deepEqual(told, ['added a', 'deleted a', 'added b']);
  });

  it('lists anew where the API forgot what happened, in a watch that went on from another too', async () => {
    start();
    await settle();
    await clock.advance(29_000);
    await api.createPod(NAMESPACE, pod('a'));
    await clock.advance(2_000);
    assert.equal(calls('listPods'), 1);
    api.onCall = ({ verb }) => (verb === 'watchPods' ? clock.sleep(1_000) : undefined);
    api.cut();
    await settle();
    api.remove(NAMESPACE, 'a');
    api.compact();
    api.onCall = undefined;
    await clock.advance(10_000);
    assert.deepEqual(told, ['added a', 'deleted a']);
  });

  it('does not present what it last heard as fresh while the API is away, and is fresh once it is back', async () => {
    await api.createPod(NAMESPACE, pod('a'));
    start();
    await settle();
    api.onCall = () => {
      throw new KubernetesError(0, 'Unreachable', 'away');
    };
    api.cut(new KubernetesError(0, 'Cut', 'cut'));
    await clock.advance(40_000);
    assert.equal(watch.list().isFresh, true);
    await clock.advance(3_600_000);
    const { pods, ageMs, isFresh } = watch.list();
    assert.deepEqual([pods.length, ageMs, isFresh], [1, 3_640_000, false]);
    api.onCall = undefined;
    await Promise.all([watch.whenFresh(never), clock.advance(30_000)]);
    assert.equal(watch.list().isFresh, true);
  });

  it('waits longer and longer between attempts, up to fifteen seconds', async () => {
    api.onCall = () => {
      throw new KubernetesError(500, 'InternalError', 'broken');
    };
    start();
    await clock.advance(1_000);
    // At 0, 200 and 600 ms.
    assert.equal(calls('listPods'), 3);
    const before = calls('listPods');
    await clock.advance(60_000);
    await clock.advance(60_000);
    assert.ok(calls('listPods') - before >= 9 && calls('listPods') - before <= 13, `${calls('listPods') - before}`);
  });

  it('survives a storm of 410 without a storm of lists', async () => {
    api.onCall = ({ verb }) => {
      if (verb === 'watchPods') throw new KubernetesError(410, 'Expired', 'too old resource version');
    };
    start();
    await clock.advance(60_000);
    assert.ok(calls('listPods') <= 12, `${calls('listPods')} lists in a minute`);
    assert.equal(watch.list().isFresh, true);
  });

  it('does not hammer an API that ends every watch at once', async () => {
    start();
    for (let second = 0; second < 60; second += 1) {
      api.cut();
      await clock.advance(1_000);
    }
    assert.ok(calls('watchPods') <= 25, `${calls('watchPods')} watches in a minute`);
  });

  it('goes on where a listener fails', async () => {
    start();
    watch.onChange(() => {
      throw new Error('a bug');
    });
    await api.createPod(NAMESPACE, pod('a'));
    await api.createPod(NAMESPACE, pod('b'));
    await settle();
    assert.deepEqual(told, ['added a', 'added b']);
  });

  it('tells a listener no more once it is taken away', async () => {
    start();
    await settle();
    const seen: string[] = [];
    const stop = watch.onChange(({ type }) => seen.push(type));
    stop();
    await api.createPod(NAMESPACE, pod('a'));
    await settle();
    assert.deepEqual([seen, told], [[], ['added a']]);
  });

  it('has what a call answered before the watch tells of it', async () => {
    start();
    await settle();
    api.onCall = undefined;
    const created = await api.createPod(NAMESPACE, pod('a'));
    watch.note(created);
    assert.equal(watch.get('a')?.metadata?.uid, created.metadata?.uid);
    await settle();
    assert.deepEqual(told, ['added a']);
  });

  describe('asked to wait for a pod', () => {
    const isRunning = ({ status }: V1Pod) => status?.phase === 'Running';

    it('waits for it to appear and to be as wanted', async () => {
      start();
      const waiting = watch.waitFor('a', isRunning, never);
      await api.createPod(NAMESPACE, pod('a'));
      await settle();
      api.change(NAMESPACE, 'a', (changed) => (changed.status = { phase: 'Running' }));
      assert.equal((await waiting).metadata?.name, 'a');
    });

    it('may be asked by many at once, and tells all of them', async (test) => {
      const warnings: Error[] = [];
      const note = (warning: Error) => warnings.push(warning);
      process.on('warning', note);
      test.after(() => process.off('warning', note));
      start();
      const waiting = Promise.all(
        Array.from({ length: 50 }, () => watch.waitFor('a', () => true, new AbortController().signal)),
      );
      await api.createPod(NAMESPACE, pod('a'));
      assert.equal((await waiting).length, 50);
      assert.deepEqual(warnings, []);
    });

    it('gives what is there at once', async () => {
      await api.createPod(NAMESPACE, pod('a'));
      start();
      await settle();
      assert.equal((await watch.waitFor('a', () => true, never)).metadata?.name, 'a');
    });

    it('says that it is gone, where it was deleted, or replaced by another of its name', async () => {
      start();
      for (const again of [false, true]) {
        await api.createPod(NAMESPACE, pod('a'));
        await settle();
        const waiting = assert.rejects(watch.waitFor('a', isRunning, never), (error) => KubernetesError.is(error, 404));
        api.remove(NAMESPACE, 'a');
        if (again) await api.createPod(NAMESPACE, pod('a'));
        await settle();
        await waiting;
      }
    });

    it('does not answer from what is stale', async () => {
      await api.createPod(NAMESPACE, pod('a'));
      start();
      await settle();
      api.onCall = () => {
        throw new KubernetesError(0, 'Unreachable', 'away');
      };
      api.cut(new KubernetesError(0, 'Cut', 'cut'));
      await clock.advance(60_000);
      let isDone = false;
      const waiting = watch.waitFor('a', () => true, never).then(() => (isDone = true));
      await settle();
      assert.equal(isDone, false);
      api.onCall = undefined;
      await clock.advance(30_000);
      await waiting;
    });

    it('ends with the signal, with the watch, and with what its question throws', async () => {
      await api.createPod(NAMESPACE, pod('a'));
      start();
      await settle();
      const stop = new AbortController();
      const reason = new Error('enough');
      const waiting = assert.rejects(watch.waitFor('a', isRunning, stop.signal), reason);
      stop.abort(reason);
      await waiting;
      await assert.rejects(watch.waitFor('a', isRunning, stop.signal), reason);
      const bug = new Error('a bug');
      const failing = watch.waitFor(
        'a',
        () => {
          throw bug;
        },
        never,
      );
      await assert.rejects(failing, bug);
      const closed = assert.rejects(
        watch.waitFor('a', isRunning, never),
        (error) => KubernetesError.is(error, 0) && error.reason === 'Closed',
      );
      await watch.close();
      await closed;
    });
  });

  it('leaves nothing behind when it is closed, while it lists, watches, or waits for the next attempt', async () => {
    const refuse = () => {
      throw new KubernetesError(500, 'InternalError', 'broken');
    };
    for (const onCall of [() => new Promise<void>(() => undefined), undefined, refuse]) {
      api.onCall = onCall;
      start();
      await settle();
      await watch.close();
      assert.equal(clock.sleepers, 0);
    }
  });
});
