import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { KubernetesError } from '../../../server/kubernetes/kubernetes-error.ts';
import type { SessionSeed } from '../../../server/spawners/spawner.ts';
import { endPod, kubernetesWorld, launchable, NAMESPACE, type KubernetesWorld } from './kubernetes-session-world.ts';

const BUILT = { environmentBefore: { state: 'built', generation: 'g1' } } satisfies Partial<SessionSeed>;

describe('warm sessions in a cluster', () => {
  let world: KubernetesWorld;
  beforeEach(() => {
    world = kubernetesWorld();
  });
  afterEach(() => world.end());

  const warm = () =>
    [...world.api.pods(NAMESPACE).values()]
      .filter((pod) => pod.metadata?.labels?.['liveleaf/warm'] === 'ready')
      .map((pod) => pod.metadata?.name?.slice('session-'.length) ?? '');

  /** A hub with one warm session of the environment that was just launched. */
  const hub = async (change = {}) => {
    const spawner = await world.spawner({ warmSessions: 1, ...change });
    const used = await world.launch(spawner);
    await world.clock.advance(5_000);
    return { spawner, used };
  };

  it('one is made of an environment that was just used, and is no session to anybody', async () => {
    const { spawner, used } = await hub();
    const [name] = warm();
    assert.ok(name);
    assert.deepEqual(
      (await spawner.list()).map((record) => record.name),
      [used.name],
    );
    assert.equal(await spawner.get(name), undefined);
    assert.equal(spawner.upstream(name), undefined);
    assert.equal(world.servers.kernels.get(name)?.[0]?.warm, true);
    await world.finish(spawner.stop(name));
    assert.deepEqual(warm(), [name]);
  });

  it('a launch claims it with one write, and any commit is put in', async () => {
    const { spawner } = await hub();
    const [name] = warm();
    await world.clock.advance(10_000);
    const writes = world.api.writes();
    const record = await world.finish(
      spawner.reserve(world.seed({ ...BUILT, resolvedRef: 'other', path: 'a/b.ipynb' })),
    );
    assert.deepEqual([record.name, record.warm, record.state], [name, 'session', 'reserved']);
    const ready = await world.start(spawner, record.name);
    assert.equal(world.api.writes() - writes, 1);
    assert.equal(ready.state, 'ready');
    assert.deepEqual(world.servers.filled.get(record.name), [record.launchId]);
    const kernel = world.servers.kernels.get(record.name)?.[1];
    assert.deepEqual([kernel?.path, kernel?.warm], ['a/b.ipynb', false]);
    assert.deepEqual(kernel?.variables, launchable().variables);
    await world.clock.advance(20_000);
    assert.equal(warm().length, 1);
    assert.notEqual(warm()[0], name);
  });

  it('of many launches one has it, and none is without a session', async () => {
    const { spawner } = await hub();
    const other = await world.spawner({ warmSessions: 1 });
    const [name] = warm();
    const records = await world.finish(
      Promise.all(Array.from({ length: 10 }, (_, at) => (at % 2 ? spawner : other).reserve(world.seed(BUILT)))),
    );
    assert.equal(new Set(records.map((record) => record.name)).size, 10);
    assert.deepEqual(
      records.filter((record) => record.warm === 'session').map((record) => record.name),
      [name],
    );
  });

  it('it is not for another environment, generation, size, or for a launch without a kernel', async () => {
    const profiles = { large: { limits: { memory: '2Gi' } } };
    const { spawner } = await hub({ pod: { baseImage: 'base', profiles } });
    assert.equal(warm().length, 1);
    const { environment } = world.seed();
    for (const change of [
      {},
      { environmentBefore: { state: 'built', generation: 'g2' } },
      { ...BUILT, environment: { ...environment, key: 'o'.repeat(52) } },
      { ...BUILT, profile: 'large' },
      { ...BUILT, kernel: 'none' },
    ] as Partial<SessionSeed>[])
      assert.equal((await world.finish(spawner.reserve(world.seed(change)))).warm, 'none', JSON.stringify(change));
  });

  it('a claim whose answer was lost is the launch’s all the same', async () => {
    const { spawner } = await hub();
    const [name] = warm();
    let lost = 0;
    world.api.onAnswer = ({ verb }) => {
      if (verb === 'patchPod' && lost++ === 0) throw new KubernetesError(0, 'Reset', 'the answer was lost');
    };
    const record = await world.finish(spawner.reserve(world.seed(BUILT)));
    assert.equal(record.name, name);
  });

  it('it gives its place to a reader where the quota is reached', async () => {
    const { spawner, used } = await hub();
    assert.equal(warm().length, 1);
    world.api.quota.set(NAMESPACE, 2);
    const { environment } = world.seed();
    const record = await world.finish(
      spawner.reserve(world.seed({ environment: { ...environment, key: 'o'.repeat(52) } })),
    );
    assert.deepEqual(world.names().sort(), [`session-${used.name}`, `session-${record.name}`].sort());
    await world.clock.advance(120_000);
    assert.equal(world.names().length, 2);
  });

  it('it gives its place to a reader for whom no node has room', async () => {
    const { spawner } = await hub();
    const [first] = warm();
    const run = world.node;
    world.node = (pod, session) => {
      if (world.pod(first ?? '') === undefined) return run(pod, session);
      const waiting = {
        type: 'PodScheduled',
        status: 'False',
        reason: 'Unschedulable',
        message: 'Insufficient memory.',
      };
      world.api.change(NAMESPACE, `session-${session}`, (mine) => {
        mine.status = {
          phase: 'Pending',
          conditions: [{ ...waiting, lastTransitionTime: new Date(world.clock.now()) }],
        };
      });
      const waitForRoom = async (): Promise<void> => {
        while (world.pod(first ?? '') !== undefined) await world.clock.sleep(500);
        run(pod, session);
      };
      void waitForRoom();
    };
    await world.launch(spawner);
    assert.equal(world.pod(first ?? ''), undefined);
  });

  it('it ends when its time is over, and a dead one is replaced', async () => {
    const { spawner } = await hub();
    const [first] = warm();
    world.api.change(NAMESPACE, `session-${first}`, (pod) => endPod(pod, 1, 'Error', new Date(world.clock.now())));
    assert.equal((await world.finish(spawner.reserve(world.seed(BUILT)))).warm, 'none');
    await world.clock.advance(40_000);
    const [second] = warm();
    assert.ok(second !== undefined && second !== first);
    await world.clock.advance(1_300_000);
    assert.deepEqual(warm(), []);
  });

  it('hubs share what is warm: never more than there may be', async () => {
    const { spawner } = await hub();
    const others = [await world.spawner({ warmSessions: 1 }), await world.spawner({ warmSessions: 1 })];
    for (const other of others) await world.launch(other);
    await world.launch(spawner);
    await world.clock.advance(60_000);
    assert.equal(warm().length, 1);
  });

  it('the one of the environment that was used last is kept', async () => {
    const { spawner } = await hub();
    const [first] = warm();
    const { environment } = world.seed();
    const { name } = await world.finish(
      spawner.reserve(world.seed({ environment: { ...environment, key: 'o'.repeat(52) } })),
    );
    await world.start(spawner, name, launchable({ key: 'o'.repeat(52) }));
    await world.clock.advance(60_000);
    const [second] = warm();
    assert.notEqual(second, first);
    assert.equal(world.pod(second ?? '')?.metadata?.labels?.['liveleaf/key'], 'o'.repeat(52));
    assert.equal(world.pod(first ?? ''), undefined);
  });

  it('one that cannot be made is given up, and not tried again at once', async () => {
    const run = world.node;
    world.node = (pod, session) => {
      if (pod.metadata?.labels?.['liveleaf/warm'] === undefined) return run(pod, session);
      world.api.change(NAMESPACE, `session-${session}`, (mine) => endPod(mine, 1));
    };
    await hub();
    await world.clock.advance(240_000);
    assert.deepEqual(warm(), []);
    assert.equal(world.names().length, 1);
    assert.equal(world.api.calls.filter(({ verb }) => verb === 'createPod').length, 2);
  });

  it('a hub that stops leaves what is warm to the next', async () => {
    const { spawner } = await hub();
    const [name] = warm();
    await world.finish(spawner.close());
    const next = await world.spawner({ warmSessions: 1 });
    assert.equal((await world.finish(next.reserve(world.seed(BUILT)))).name, name);
  });
});
