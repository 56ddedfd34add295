import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { KubernetesSpawner } from '../../../server/spawners/kubernetes-spawner.ts';
import { kubernetesWorld, launchable, tokenOf, type KubernetesWorld } from './kubernetes-session-world.ts';

describe('a second hub over the same cluster', () => {
  let world: KubernetesWorld;
  let first: KubernetesSpawner;
  beforeEach(async () => {
    world = kubernetesWorld();
    first = await world.spawner();
  });
  afterEach(() => world.end());

  it('finds every session in its state, and routes to those that run', async () => {
    const reserved = await world.finish(first.reserve(world.seed()));
    const ready = await world.launch(first);
    const failed = await world.finish(first.reserve(world.seed()));
    await world.finish(first.fail(failed.name, { code: 'build_failed', message: 'No.', retryAfterMs: 5 }));
    await world.clock.advance(11_000);
    const second = await world.spawner();
    const states = new Map((await second.list()).map(({ name, state }) => [name, state]));
    assert.deepEqual(
      [reserved, ready, failed].map(({ name }) => states.get(name)),
      ['reserved', 'ready', 'failed'],
    );
    assert.deepEqual(second.upstream(ready.name), first.upstream(ready.name));
    const found = await second.findByLaunch(ready.launchId);
    assert.deepEqual(found?.kernelSession, ready.kernelSession);
    assert.deepEqual((await second.findByLaunch(failed.launchId))?.error, {
      code: 'build_failed',
      message: 'No.',
      retryAfterMs: 5,
    });
  });

  it('knows nothing less after the first one was stopped in good order', async () => {
    const ready = await world.launch(first);
    const at = world.clock.now() + 3;
    await world.finish(first.update(ready.name, { lastActivityAt: at }));
    await world.finish(first.close());
    assert.ok(world.names().includes(`session-${ready.name}`));
    const second = await world.spawner();
    const record = await second.get(ready.name);
    assert.deepEqual([record?.state, record?.lastActivityAt], ['ready', at]);
  });

  it('goes on with a start in which the first was killed, at any step, and puts the content in under the same launch', async () => {
    for (const step of ['open', 'status', 'content', 'kernel', 'ready'] as const) {
      const { name, launchId } = await world.finish(first.reserve(world.seed()));
      // The killed hub comes no further; what it began on the cluster stands.
      const stuck = new Promise<never>(() => undefined);
      world.servers.before = (session, what) => (session === name && what === step ? stuck : undefined);
      if (step === 'open') world.api.onAnswer = ({ verb }) => (verb === 'patchPod' ? stuck : undefined);
      void first.start(name, launchable(), () => undefined, new AbortController().signal).catch(() => undefined);
      await world.clock.advance(1_000);
      world.servers.before = undefined;
      world.api.onAnswer = undefined;

      const second = await world.spawner();
      const record = await world.finish(second.findByLaunch(launchId));
      assert.equal(record?.name, name, step);
      assert.equal(record.state, 'starting', step);
      const ready = await world.start(second, name);
      assert.equal(ready.state, 'ready', step);
      assert.ok(
        world.servers.filled.get(name)?.every((launch) => launch === launchId),
        step,
      );
      await world.finish(second.stop(name));
      first = await world.spawner();
    }
  });

  it('sees what the other stops, and tells of it', async () => {
    const ready = await world.launch(first);
    const second = await world.spawner();
    const lost: string[] = [];
    second.onLost((name) => lost.push(name));
    await world.finish(first.stop(ready.name));
    await world.clock.advance(100);
    assert.deepEqual(lost, [ready.name]);
    assert.equal(second.upstream(ready.name), undefined);
  });

  it('reaches sessions whose tokens an older key made, and leaves alone those of a key that is gone', async () => {
    const old = await world.launch(first);
    const keys = (keyId: string, known: readonly string[]) => ({
      keyId,
      of: (session: string, id: string) => (known.includes(id) ? tokenOf(session, id) : undefined),
    });
    const both = await world.spawner({ upstreamTokens: keys('k2', ['k1', 'k2']) });
    assert.equal(both.upstream(old.name)?.token, tokenOf(old.name, 'k1'));
    const later = await world.finish(both.reserve(world.seed()));
    assert.equal(world.pod(later.name)?.metadata?.annotations?.['liveleaf/token-key'], 'k2');
    const none = await world.spawner({ upstreamTokens: keys('k2', ['k2']) });
    assert.equal(none.upstream(old.name), undefined);
    await world.clock.advance(60_000);
    assert.ok(world.names().includes(`session-${old.name}`));
  });

  it('ends what nobody looks after: starts and reservations that were forgotten', async () => {
    world.node = () => undefined;
    const forgotten = await world.finish(first.reserve(world.seed()));
    const { name } = await world.finish(first.reserve(world.seed()));
    void first.start(name, launchable(), () => undefined, new AbortController().signal).catch(() => undefined);
    await world.clock.advance(1_000);
    await world.finish(first.close());
    const second = await world.spawner();
    await world.clock.advance(640_000);
    assert.equal((await second.get(name))?.error?.code, 'spawn_timeout');
    assert.equal((await second.get(forgotten.name))?.state, 'reserved');
    await world.clock.advance(7_200_000);
    assert.deepEqual(world.names(), []);
  });
});
