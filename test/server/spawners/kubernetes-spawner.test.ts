import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { KubernetesSpawner } from '../../../server/spawners/kubernetes-spawner.ts';
import type { StartStep } from '../../../server/spawners/spawner.ts';
import {
  BASE_IMAGE,
  IMAGE,
  kubernetesWorld,
  launchable,
  NAMESPACE,
  tokenOf,
  type KubernetesWorld,
} from './kubernetes-session-world.ts';

describe('the Kubernetes spawner', () => {
  let world: KubernetesWorld;
  let spawner: KubernetesSpawner;
  beforeEach(async () => {
    world = kubernetesWorld();
    spawner = await world.spawner();
  });
  afterEach(() => world.end());

  it('reserves a session as a pod behind its gate, with its record and the image of the base', async () => {
    const seed = world.seed({ path: 'book/one.ipynb', fetchLog: ['Resolved main to abc'] });
    const record = await world.finish(spawner.reserve(seed));
    assert.equal(record.state, 'reserved');
    assert.equal(record.launchId, seed.launchId);
    assert.deepEqual({ ...record.environment, plan: record.environment.plan }, seed.environment);
    const pod = world.pod(record.name);
    assert.deepEqual(pod?.spec?.schedulingGates, [{ name: 'liveleaf/queue' }]);
    assert.equal(pod?.spec?.containers[0]?.image, BASE_IMAGE);
    assert.equal(pod?.metadata?.labels?.['liveleaf/launch'], seed.launchId);
    assert.equal(spawner.upstream(record.name), undefined);
  });

  it('brings a session up with two writes, and tells its steps', async () => {
    const seed = world.seed({ path: 'book/one.ipynb' });
    const { name } = await world.finish(spawner.reserve(seed));
    const steps: StartStep[] = [];
    const signal = new AbortController().signal;
    const record = await world.finish(spawner.start(name, launchable(), (step) => steps.push(step), signal));
    assert.equal(record.state, 'ready');
    assert.equal(record.environmentGeneration, 'g1');
    assert.deepEqual(record.kernelSession, { id: `kernel-${name}`, name: 'python3' });
    assert.deepEqual(steps, ['server', 'content', 'kernel']);
    assert.equal(world.api.writes(), 2);
    const pod = world.pod(name);
    assert.deepEqual(pod?.spec?.schedulingGates, []);
    assert.equal(pod?.spec?.containers[0]?.image, IMAGE);
    assert.deepEqual(spawner.upstream(name), { origin: `http://${pod?.status?.podIP}:8888`, token: tokenOf(name) });
    assert.deepEqual(world.servers.filled.get(name), [seed.launchId]);
    assert.equal(world.servers.kernels.get(name)?.[0]?.environment, `${'k'.repeat(52)}/g1`);
  });

  it('starts no kernel where none is wanted', async () => {
    const { name, kernelSession } = await world.launch(spawner, { kernel: 'none' });
    assert.equal(kernelSession, undefined);
    assert.equal(world.servers.kernels.get(name), undefined);
  });

  it('gives a launch its one session, however often and whoever asks', async () => {
    const seed = world.seed();
    const other = await world.spawner();
    const records = await world.finish(
      Promise.all([spawner.reserve(seed), spawner.reserve(seed), other.reserve(seed), other.reserve(seed)]),
    );
    await world.finish(spawner.reserve(seed));
    const [pod] = world.names();
    assert.deepEqual(world.names().length, 1);
    for (const spawnerOf of [spawner, other]) {
      const found = await world.finish(spawnerOf.findByLaunch(seed.launchId));
      assert.equal(`session-${found?.name}`, pod);
    }
    // Whoever was told of the other one is led to the one that stayed.
    for (const [at, { name }] of records.entries()) {
      const ready = await world.start(at < 2 ? spawner : other, name);
      assert.equal(`session-${ready.name}`, pod);
    }
    assert.deepEqual([...world.servers.filled.keys()].length, 1);
  });

  it('writes that a session is ready soon after, and its activity at most once a minute', async () => {
    const { name } = await world.launch(spawner);
    const before = world.api.writes();
    await world.clock.advance(11_000);
    assert.equal(world.api.writes() - before, 1);
    assert.deepEqual(JSON.parse(world.pod(name)?.metadata?.annotations?.['liveleaf/ready'] ?? ''), {
      kernelSession: { id: `kernel-${name}`, name: 'python3' },
    });
    for (let second = 0; second < 120; second++) {
      const at = world.clock.now();
      const record = await world.finish(spawner.update(name, { lastActivityAt: at }));
      assert.equal(record?.lastActivityAt, at);
      await world.clock.advance(1_000);
    }
    const updates = world.api.writes() - before - 1;
    assert.ok(updates >= 1 && updates <= 2, `${updates} writes`);
  });

  it('lists the oldest first, and never what is warm and unclaimed', async () => {
    const names: string[] = [];
    for (let count = 0; count < 3; count++) {
      names.push((await world.finish(spawner.reserve(world.seed()))).name);
      await world.clock.advance(1_000);
    }
    assert.deepEqual(
      (await spawner.list()).map(({ name }) => name),
      names,
    );
    await world.finish(spawner.stop(names[1] ?? ''));
    assert.deepEqual(
      (await spawner.list()).map(({ name }) => name),
      [names[0], names[2]],
    );
  });

  it('stops a session once, however often it is told, and nothing else', async () => {
    const { name } = await world.launch(spawner);
    const stranger = 'z'.repeat(26);
    await world.finish(
      Promise.all([spawner.stop(name), spawner.stop(name), spawner.stop(stranger), spawner.stop('../x')]),
    );
    await world.finish(spawner.stop(name));
    assert.deepEqual(world.names(), []);
    assert.equal(spawner.upstream(name), undefined);
    assert.equal(await spawner.get(name), undefined);
  });

  it('keeps the record of a failed launch for a minute, and ends its pod at once', async () => {
    const lost: string[] = [];
    spawner.onLost((name) => lost.push(name));
    const { name, launchId } = await world.launch(spawner);
    const logTail = Array.from({ length: 50 }, (_, line) => `${line} ${'x'.repeat(4_000)}`);
    await world.finish(spawner.fail(name, { code: 'session_crashed', message: 'It broke.', logTail }));
    await world.finish(spawner.fail(name, { code: 'internal', message: 'Something else.' }));
    const record = await world.finish(spawner.findByLaunch(launchId));
    assert.equal(record?.state, 'failed');
    assert.equal(record?.error?.message, 'It broke.');
    assert.deepEqual(record?.error?.logTail, logTail.slice(-2));
    assert.equal(world.pod(name)?.spec?.activeDeadlineSeconds, 1);
    assert.equal(spawner.upstream(name), undefined);
    assert.deepEqual(lost, []);
    await world.clock.advance(120_000);
    assert.deepEqual(world.names(), []);
  });

  it('leaves a stranger’s pod alone, whatever it is called and labelled', async () => {
    const { name } = await world.launch(spawner);
    const forged = structuredClone(world.pod(name));
    const other = 'y'.repeat(26);
    assert.ok(forged?.metadata?.labels && forged.spec);
    forged.metadata = {
      ...forged.metadata,
      name: `session-${other}`,
      labels: { ...forged.metadata.labels, 'liveleaf/session': other },
    };
    await world.finish(world.api.createPod(NAMESPACE, forged));
    await world.clock.advance(1_000);
    assert.equal(await spawner.get(other), undefined);
    assert.equal(spawner.upstream(other), undefined);
    assert.deepEqual(
      (await spawner.list()).map((record) => record.name),
      [name],
    );
    await world.finish(spawner.stop(other));
    await world.clock.advance(300_000);
    assert.ok(world.names().includes(`session-${other}`));
    assert.ok(world.said.some((sentence) => sentence.includes('left alone')));
  });

  it('refuses a lock file that no pod can carry, before anything is made', async () => {
    const seed = world.seed();
    const lock = Array.from({ length: 40_000 }, () => Math.random().toString(36)).join('\n');
    const plan = { ...seed.environment.plan, install: { from: 'uv-lock' as const, pyproject: '', lock } };
    await assert.rejects(world.finish(spawner.reserve({ ...seed, environment: { ...seed.environment, plan } })), {
      code: 'unsupported_environment',
    });
    assert.deepEqual(world.names(), []);
  });

  it('tells which environments are in use', async () => {
    await world.launch(spawner);
    await world.finish(spawner.reserve(world.seed()));
    const inUse = await spawner.environmentsInUse();
    assert.deepEqual(
      inUse.map(({ key, generation }) => [key, generation]),
      [['k'.repeat(52), 'g1']],
    );
  });
});
