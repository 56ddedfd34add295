import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import pino from 'pino';
import { systemClock } from '../../../server/clock.ts';
import type { V1Pod } from '../../../server/kubernetes/kubernetes-api.ts';
import { createKubernetesClient, type KubernetesClient } from '../../../server/kubernetes/kubernetes-client.ts';
import { createPodWatch, type PodWatch } from '../../../server/kubernetes/pod-watch.ts';
import { startFakeApiserver, type ApiFault, type FakeApiserver } from '../../helpers/fake-apiserver.ts';
import {
  badGateway,
  disorder,
  goneInStream,
  hang,
  refusal,
  resetAfter,
  saying,
  silence,
  slow,
} from '../../helpers/fake-apiserver-faults.ts';
import { startFaultProxy, type FaultProxy } from '../../helpers/fault-proxy.ts';

const NAMESPACE = 'sessions';
const pod = (name: string): V1Pod => ({ metadata: { name }, spec: { containers: [{ name: 'main', image: 'image' }] } });

describe('a watch of pods over a network that fails', () => {
  let server: FakeApiserver;
  let proxy: FaultProxy;
  let client: KubernetesClient;
  let watch: PodWatch;
  let known: Set<string>;

  beforeEach(async () => {
    server = await startFakeApiserver();
    proxy = await startFaultProxy({ host: '127.0.0.1', port: Number(new URL(server.url).port) });
    const access = { ...server.access, server: `http://127.0.0.1:${proxy.port}` };
    const timeouts = { watchGraceMs: 200, callTimeoutMs: 1_000, totalTimeoutMs: 1_500 };
    client = await createKubernetesClient({ access, timeouts });
    await server.api.createPod(NAMESPACE, pod('first'));
  });
  afterEach(async () => {
    await watch.close();
    await client.close();
    await proxy.close();
    await server.close();
  });

  const start = () => {
    const log = pino({ level: 'silent' });
    watch = createPodWatch({
      api: client,
      namespace: NAMESPACE,
      labelSelector: '',
      clock: systemClock,
      log,
      watchSeconds: 1,
      maxAgeMs: 3_000,
      random: () => 0,
    });
    known = new Set();
    watch.onChange(({ type, pod: { metadata } }) => {
      const name = metadata?.name ?? '';
      if (type === 'added') assert.ok(!known.has(name), `${name} was added twice`);
      if (type === 'deleted') known.delete(name);
      else known.add(name);
    });
  };

  /** Waits until the watch knows just these pods, and knows it freshly. */
  const converge = async (...names: string[]) => {
    const deadline = performance.now() + 20_000;
    const seen = () =>
      watch
        .list()
        .pods.map(({ metadata }) => metadata?.name)
        .sort()
        .join();
    while (!(watch.list().isFresh && seen() === names.join())) {
      assert.ok(performance.now() < deadline, `knows ${seen()} where there are ${names.join()}`);
      await systemClock.sleep(5);
    }
    assert.deepEqual([...known].sort(), names);
  };

  const LIST: Readonly<Record<string, ApiFault>> = {
    'a list that is refused': refusal(500, 'InternalError'),
    'a list that may not be made': refusal(403, 'Forbidden'),
    'a list that is put off': refusal(429, 'TooManyRequests', 'later', { 'retry-after': '1' }),
    'a list that a proxy answers': badGateway,
    'a list that hangs': hang,
    'a list that is slow': slow(500),
    'a list that is cut': resetAfter(300),
    'a list that is garbage': saying('{"items": ['),
    'a list that is no list': saying('{}'),
  };
  const WATCH: Readonly<Record<string, ApiFault>> = {
    'a watch that is refused': refusal(503, 'ServiceUnavailable'),
    'a watch from too long ago': refusal(410, 'Expired'),
    'a watch that is told that it is too old': goneInStream,
    'a watch that hangs': hang,
    'a watch that is silent': silence,
    'a watch that ends at once': saying(''),
    'a watch that tells garbage': saying('garbage\n'),
    'a watch that tells of nothing known': saying(
      '{"type":"NEW","object":{"metadata":{"name":"x","resourceVersion":"99"}}}\n',
    ),
    'a watch that is cut': resetAfter(250),
    'a watch that tells in disorder': disorder,
  };

  for (const [what, fault] of Object.entries(LIST))
    it(`survives ${what}`, async () => {
      server.fail('list', fault, 2);
      start();
      await converge('first');
    });

  for (const [what, fault] of Object.entries(WATCH))
    it(`survives ${what}`, async () => {
      server.fail('watch', fault, 2);
      start();
      await watch.whenFresh(new AbortController().signal);
      for (const name of ['second', 'third']) await server.api.createPod(NAMESPACE, pod(name));
      server.api.remove(NAMESPACE, 'first');
      await converge('second', 'third');
    });

  it('lists anew where no bookmark says that nothing happened', async () => {
    server.hasBookmarks = false;
    start();
    await converge('first');
    const lists = () => server.requests.filter(({ verb }) => verb === 'list').length;
    const before = lists();
    const deadline = performance.now() + 5_000;
    while (lists() === before && performance.now() < deadline) await systemClock.sleep(10);
    assert.ok(lists() > before);
  });

  it('notices a connection that died without a word, and misses nothing', async () => {
    start();
    await watch.whenFresh(new AbortController().signal);
    await server.api.createPod(NAMESPACE, pod('second'));
    await converge('first', 'second');
    proxy.freeze();
    const before = proxy.accepted;
    await server.api.createPod(NAMESPACE, pod('third'));
    server.api.remove(NAMESPACE, 'first');
    await converge('second', 'third');
    assert.ok(proxy.accepted > before);
  });

  it('says that it is stale while nothing comes through, and is fresh again afterwards', async () => {
    start();
    await converge('first');
    proxy.stall();
    server.api.remove(NAMESPACE, 'first');
    const deadline = performance.now() + 10_000;
    while (watch.list().isFresh && performance.now() < deadline) await systemClock.sleep(10);
    assert.equal(watch.list().isFresh, false);
    assert.ok(watch.list().ageMs > 3_000);
    proxy.resume();
    await converge();
  });

  it('knows the truth in the end, after resets at any moment', async () => {
    start();
    const names: string[] = [];
    for (let round = 0; round < 30; round += 1) {
      const name = `pod-${String(round).padStart(2, '0')}`;
      await server.api.createPod(NAMESPACE, pod(name));
      names.push(name);
      if (round % 3 === 0) server.api.remove(NAMESPACE, names.shift() ?? '');
      proxy.resetAfterBytes(round % 2 === 0 ? 137 * (round + 1) : undefined);
      if (round % 5 === 0) proxy.reset();
      if (round % 7 === 0) server.api.compact();
      await systemClock.sleep(20);
    }
    proxy.resetAfterBytes(undefined);
    await converge('first', ...names);
  });
});
