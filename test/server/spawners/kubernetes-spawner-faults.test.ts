import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { HubError } from '../../../server/errors.ts';
import type { V1Pod } from '../../../server/kubernetes/kubernetes-api.ts';
import { KubernetesError } from '../../../server/kubernetes/kubernetes-error.ts';
import type { KubernetesSpawner } from '../../../server/spawners/kubernetes-spawner.ts';
import { endPod, kubernetesWorld, launchable, NAMESPACE, type KubernetesWorld } from './kubernetes-session-world.ts';

const recorded = JSON.parse(
  readFileSync(join(import.meta.dirname, '..', '..', 'fixtures', 'kubernetes-pods.json'), 'utf8'),
) as Record<string, { readonly pod: V1Pod; readonly events: never[] }>;

const away = () => new KubernetesError(0, 'Unreachable', 'connect ECONNREFUSED');

describe('the Kubernetes spawner when things go wrong', () => {
  let world: KubernetesWorld;
  let spawner: KubernetesSpawner;
  beforeEach(async () => {
    world = kubernetesWorld();
    spawner = await world.spawner();
  });
  afterEach(() => world.end());

  /** Gives every started pod the status of a recorded one. */
  const showStatus = (name: string) => {
    world.node = (_, session) => {
      const { pod, events } = recorded[name] ?? assert.fail(name);
      world.api.events.set(`${NAMESPACE}/session-${session}`, events);
      world.api.change(NAMESPACE, `session-${session}`, (mine) => {
        mine.status = structuredClone(pod.status ?? {});
        if (pod.metadata?.deletionTimestamp !== undefined && mine.metadata)
          mine.metadata.deletionTimestamp = new Date();
      });
    };
  };

  const failure = async (): Promise<{ error: HubError; tookMs: number }> => {
    const { name } = await world.finish(spawner.reserve(world.seed()));
    world.api.write(NAMESPACE, `session-${name}`, 'session', ['Traceback', 'ImportError: no tornado']);
    const began = world.clock.now();
    const error = await world.start(spawner, name).then(
      () => assert.fail('it started'),
      (thrown: unknown) => thrown,
    );
    assert.ok(error instanceof HubError, String(error));
    return { error, tookMs: world.clock.now() - began };
  };

  for (const [status, code, withinMs] of [
    ['noSuchImage', 'pull_failed', 1_000],
    ['noSuchDigest', 'pull_failed', 1_000],
    ['invalidImageName', 'pull_failed', 1_000],
    ['outOfMemory', 'session_oom', 1_000],
    ['crash', 'session_crashed', 1_000],
    ['noSuchProgram', 'session_crashed', 1_000],
    ['evicted', 'session_lost', 1_000],
    ['deadline', 'expired', 1_000],
  ] as const)
    it(`tells ${code} soon of a pod whose status is that of ${status}`, async () => {
      showStatus(status);
      const { error, tookMs } = await failure();
      assert.equal(error.code, code);
      assert.ok(tookMs <= withinMs, `${tookMs} ms`);
      if (status === 'crash') assert.deepEqual(error.logTail, ['Traceback', 'ImportError: no tornado']);
    });

  it('waits for room on a node, and then says why there is none', async () => {
    world.node = (_, session) =>
      world.api.change(NAMESPACE, `session-${session}`, (pod) => {
        const condition = recorded['unschedulable']?.pod.status?.conditions?.[0] ?? assert.fail();
        pod.status = {
          phase: 'Pending',
          conditions: [{ ...condition, lastTransitionTime: new Date(world.clock.now()) }],
        };
      });
    const { error, tookMs } = await failure();
    assert.equal(error.code, 'capacity');
    assert.match(error.message, /Insufficient memory/);
    assert.ok(tookMs >= 60_000 && tookMs < 65_000, `${tookMs} ms`);
  });

  it('gives up a server that never runs, with what the cluster said last', async () => {
    world.node = (_, session) =>
      world.api.events.set(`${NAMESPACE}/session-${session}`, [
        { type: 'Warning', reason: 'FailedMount', message: 'the volume is not there' } as never,
      ]);
    const { error, tookMs } = await failure();
    assert.equal(error.code, 'spawn_timeout');
    assert.match(error.message, /300 s \(the volume is not there\)/);
    assert.ok(tookMs >= 300_000 && tookMs < 310_000, `${tookMs} ms`);
  });

  it('gives up a server that refuses its own token', async () => {
    world.servers.answersStatus = false;
    assert.equal((await failure()).error.code, 'unhealthy');
  });

  for (const what of ['content', 'kernel'] as const)
    it(`says why a server broke off at its ${what}`, async () => {
      world.servers.before = (session, asked) => {
        if (asked !== what) return;
        setImmediate(() => world.api.change(NAMESPACE, `session-${session}`, (pod) => endPod(pod, 137, 'OOMKilled')));
        throw Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' });
      };
      assert.equal((await failure()).error.code, 'session_oom');
    });

  it('tells of a server that broke off for no reason that its pod knows', async () => {
    world.servers.before = (_, asked) => {
      if (asked === 'content') throw new Error('socket hang up');
    };
    const { error } = await failure();
    assert.equal(error.code, 'session_crashed');
    assert.deepEqual(error.logTail, ['Traceback', 'ImportError: no tornado']);
  });

  it('passes on what the content itself says', async () => {
    const { name } = await world.finish(spawner.reserve(world.seed()));
    const content = launchable().content;
    world.servers.before = (_, asked) => {
      if (asked === 'content') throw new HubError('clone_limit', 'Too much.');
    };
    await assert.rejects(world.start(spawner, name, { ...launchable(), content }), { code: 'clone_limit' });
  });

  it('lets exactly as many in as the quota has places for', async () => {
    world.api.quota.set(NAMESPACE, 10);
    const results = await world.finish(
      Promise.allSettled(Array.from({ length: 50 }, () => spawner.reserve(world.seed()))),
    );
    const refused = results.flatMap((result) => (result.status === 'rejected' ? [result.reason as HubError] : []));
    assert.equal(results.length - refused.length, 10);
    assert.equal(world.names().length, 10);
    for (const error of refused) assert.deepEqual([error.code, error.retryAfterMs], ['capacity', 30_000]);
  });

  it('lets the records of failed launches give way to readers', async () => {
    world.api.quota.set(NAMESPACE, 1);
    const first = await world.finish(spawner.reserve(world.seed()));
    await world.finish(spawner.fail(first.name, { code: 'build_failed', message: 'No.' }));
    const second = await world.finish(spawner.reserve(world.seed()));
    assert.deepEqual(world.names(), [`session-${second.name}`]);
  });

  it('says which sentence the cluster refuses a session with', async () => {
    world.api.onCall = ({ verb }) => {
      if (verb === 'createPod') throw new KubernetesError(403, 'Forbidden', 'violates PodSecurity "restricted"');
    };
    await assert.rejects(world.finish(spawner.reserve(world.seed())), { code: 'policy', message: /PodSecurity/ });
  });

  it('waits for an API that is away for some seconds', async () => {
    const until = world.clock.now() + 8_000;
    world.api.onCall = () => {
      if (world.clock.now() < until) throw away();
    };
    const { name } = await world.launch(spawner);
    assert.equal((await spawner.get(name))?.state, 'ready');
  });

  it('refuses launches while the API is away for long, and goes on showing the sessions there are', async () => {
    const { name } = await world.launch(spawner);
    const upstream = spawner.upstream(name);
    world.api.onCall = () => {
      throw away();
    };
    world.api.cut(away());
    await world.clock.advance(60_000);
    await assert.rejects(world.finish(spawner.reserve(world.seed())), { code: 'capacity', retryAfterMs: 5_000 });
    await assert.rejects(world.finish(spawner.list()), { code: 'capacity' });
    assert.deepEqual(spawner.upstream(name), upstream);
    assert.equal((await world.finish(spawner.get(name)))?.name, name);
    world.api.onCall = undefined;
    await world.clock.advance(20_000);
    assert.deepEqual(
      (await spawner.list()).map((record) => record.name),
      [name],
    );
  });

  it('finds the pod that it made although the answer was lost', async () => {
    let lost = 0;
    world.api.onAnswer = ({ verb }) => {
      if (verb === 'createPod' && lost++ === 0) throw away();
    };
    const { name } = await world.finish(spawner.reserve(world.seed()));
    assert.deepEqual(world.names(), [`session-${name}`]);
  });

  it('opens a pod once although the answer was lost', async () => {
    const { name } = await world.finish(spawner.reserve(world.seed()));
    let lost = 0;
    world.api.onAnswer = ({ verb }) => {
      if (verb === 'patchPod' && lost++ === 0) throw away();
    };
    assert.equal((await world.start(spawner, name)).state, 'ready');
  });

  it('leaves no reservation behind that it told had failed', async () => {
    world.api.onAnswer = ({ verb }) => {
      if (verb === 'createPod') throw away();
    };
    world.api.onCall = ({ verb }) => {
      if (verb === 'getPod') throw away();
    };
    await assert.rejects(world.finish(spawner.reserve(world.seed())), { code: 'capacity' });
    assert.equal(world.names().length, 1);
    world.api.onAnswer = undefined;
    world.api.onCall = undefined;
    await world.clock.advance(31_000);
    assert.deepEqual(world.names(), []);
  });

  it('tells of a session that is lost, with its reason, and routes nothing to it', async () => {
    const lost: [string, string][] = [];
    spawner.onLost((name, { code }) => lost.push([name, code]));
    const [oom, gone, kept] = [await world.launch(spawner), await world.launch(spawner), await world.launch(spawner)];
    world.api.change(NAMESPACE, `session-${oom.name}`, (pod) =>
      endPod(pod, 137, 'OOMKilled', new Date(world.clock.now())),
    );
    world.api.remove(NAMESPACE, `session-${gone.name}`);
    await world.clock.advance(100);
    assert.deepEqual(lost, [
      [oom.name, 'session_oom'],
      [gone.name, 'session_lost'],
    ]);
    assert.equal(spawner.upstream(oom.name), undefined);
    assert.equal(spawner.upstream(gone.name), undefined);
    assert.equal((await spawner.get(oom.name))?.error?.code, 'session_oom');
    assert.equal(await spawner.get(gone.name), undefined);
    await world.clock.advance(120_000);
    assert.deepEqual(world.names(), [`session-${kept.name}`]);
    assert.equal(lost.length, 2);
  });

  it('gives up a session on a node that fell silent', async () => {
    const { name } = await world.launch(spawner);
    const lost: string[] = [];
    spawner.onLost((_, { code }) => lost.push(code));
    world.api.change(NAMESPACE, `session-${name}`, (pod) => {
      pod.status?.conditions?.push({ type: 'Ready', status: 'False', lastTransitionTime: new Date(world.clock.now()) });
    });
    await world.clock.advance(50_000);
    assert.equal((await spawner.get(name))?.state, 'ready');
    await world.clock.advance(50_000);
    assert.equal((await spawner.get(name))?.error?.code, 'session_lost');
    assert.deepEqual(lost, ['session_lost']);
  });

  it('a start that is cancelled leaves nothing, whenever it is cancelled', async () => {
    for (const step of ['reserved', 'status', 'content', 'kernel'] as const) {
      const cancel = new AbortController();
      world.servers.before = (_, what) => {
        if (what === step) cancel.abort(new HubError('cancelled', 'The launch was cancelled.'));
      };
      const { name } = await world.finish(spawner.reserve(world.seed()));
      if (step === 'reserved') cancel.abort(new HubError('cancelled', 'The launch was cancelled.'));
      await assert.rejects(world.start(spawner, name, launchable(), cancel.signal), { code: 'cancelled' }, step);
      assert.deepEqual(world.names(), [], step);
    }
  });

  it('a start that ends because the hub stops leaves everything to the next hub', async () => {
    const stop = new AbortController();
    const { name, launchId } = await world.finish(spawner.reserve(world.seed()));
    world.servers.before = (_, what) => {
      if (what === 'content') stop.abort(new Error('this hub stops'));
    };
    await assert.rejects(world.start(spawner, name, launchable(), stop.signal));
    world.servers.before = undefined;
    const next = await world.spawner();
    assert.equal((await world.finish(next.findByLaunch(launchId)))?.state, 'starting');
    assert.equal((await world.start(next, name)).state, 'ready');
  });

  it('stopping a session ends its start', async () => {
    const { name } = await world.finish(spawner.reserve(world.seed()));
    world.node = () => undefined;
    const started = spawner.start(name, launchable(), () => undefined, new AbortController().signal);
    const rejected = assert.rejects(started, { code: 'cancelled' });
    await world.clock.advance(1_000);
    await world.finish(spawner.stop(name));
    await world.finish(rejected);
    assert.deepEqual(world.names(), []);
  });

  it('never deletes what it only remembers', async () => {
    const { name } = await world.finish(spawner.reserve(world.seed()));
    await world.finish(spawner.fail(name, { code: 'build_failed', message: 'No.' }));
    world.api.onCall = ({ verb }) => {
      if (verb === 'listPods') throw away();
    };
    world.api.cut(away());
    await world.clock.advance(300_000);
    assert.deepEqual(world.names(), [`session-${name}`]);
  });
});
