import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { Credentials } from '../../../server/kubernetes/cluster-access.ts';
import type { V1Pod } from '../../../server/kubernetes/kubernetes-api.ts';
import { createKubernetesClient, type KubernetesClient } from '../../../server/kubernetes/kubernetes-client.ts';
import { KubernetesError } from '../../../server/kubernetes/kubernetes-error.ts';
import { startFakeApiserver, type FakeApiserver } from '../../helpers/fake-apiserver.ts';
import { badGateway, hang, refusal, resetAfter, saying, slow } from '../../helpers/fake-apiserver-faults.ts';
import { startTunnelProxy } from '../../helpers/fake-apiserver-proxy.ts';
import { startFaultProxy } from '../../helpers/fault-proxy.ts';

const NAMESPACE = 'sessions';
const pod = (name: string, labels: Record<string, string> = {}): V1Pod => ({
  metadata: { name, labels },
  spec: { containers: [{ name: 'main', image: 'image' }] },
});
const is =
  (status: number, reason: string, message = /./) =>
  (error: unknown) =>
    KubernetesError.is(error, status) && error.reason === reason && message.test(error.message);

describe('the client of a cluster', () => {
  let server: FakeApiserver;
  let client: KubernetesClient;
  const open = async (credentials = server.access.credentials, timeouts = {}) => {
    client = await createKubernetesClient({ access: { ...server.access, credentials }, timeouts });
  };
  beforeEach(async () => {
    server = await startFakeApiserver();
    await open();
  });
  afterEach(async () => {
    await client.close();
    await server.close();
  });

  it('creates, reads, lists, changes and deletes pods', async () => {
    const created = await client.createPod(NAMESPACE, pod('a', { kind: 'session' }));
    assert.ok(created.metadata?.creationTimestamp instanceof Date);
    await client.createPod(NAMESPACE, pod('b'));
    assert.equal((await client.getPod(NAMESPACE, 'a')).metadata?.uid, created.metadata.uid);
    const { items, resourceVersion } = await client.listPods(NAMESPACE, 'kind=session');
    assert.deepEqual(
      items.map(({ metadata }) => metadata?.name),
      ['a'],
    );
    assert.match(resourceVersion, /^\d+$/);
    const merged = await client.patchPod(NAMESPACE, 'a', { metadata: { annotations: { seen: 'yes' } } });
    assert.deepEqual(merged.metadata?.annotations, { seen: 'yes' });
    const steps = [{ op: 'replace', path: '/spec/containers/0/image', value: 'other' }] as const;
    assert.equal((await client.patchPod(NAMESPACE, 'a', steps)).spec?.containers[0]?.image, 'other');
    assert.deepEqual(
      server.requests.filter(({ verb }) => verb === 'patch').map(({ headers }) => headers['content-type']),
      ['application/merge-patch+json', 'application/json-patch+json'],
    );
    assert.equal(await client.deletePod(NAMESPACE, 'a'), true);
    assert.equal(await client.deletePod(NAMESPACE, 'a'), false);
  });

  it('tries a pod out without making it', async () => {
    await client.createPod(NAMESPACE, pod('a'), { dryRun: true });
    assert.equal(server.api.pods(NAMESPACE).size, 0);
  });

  it('deletes only the pod that was meant', async () => {
    await client.createPod(NAMESPACE, pod('a'));
    await assert.rejects(client.deletePod(NAMESPACE, 'a', { uid: 'another' }), is(409, 'Conflict', /UID/));
    assert.equal(server.api.pods(NAMESPACE).size, 1);
  });

  it('reads long lists page by page', async () => {
    const names = Array.from({ length: 250 }, (_, index) => `pod-${String(index).padStart(3, '0')}`);
    for (const name of names) await server.api.createPod(NAMESPACE, pod(name));
    const { items } = await client.listPods(NAMESPACE, '');
    assert.deepEqual(
      items.map(({ metadata }) => metadata?.name),
      names,
    );
    assert.equal(server.requests.length, 3);
  });

  it('gives the API’s own words for what it refuses', async () => {
    await client.createPod(NAMESPACE, pod('a'));
    await assert.rejects(client.createPod(NAMESPACE, pod('a')), is(409, 'AlreadyExists', /already exists/));
    await assert.rejects(client.getPod(NAMESPACE, 'b'), is(404, 'NotFound', /"b" not found/));
    server.api.quota.set(NAMESPACE, 1);
    await assert.rejects(client.createPod(NAMESPACE, pod('c')), is(403, 'Forbidden', /exceeded quota/));
  });

  it('asks nothing of the API for what cannot be a name', async () => {
    for (const name of ['', '..', 'a/b', 'A', 'a?watch=true', '%2e', 'a'.repeat(254)]) {
      await assert.rejects(client.getPod(NAMESPACE, name), is(404, 'NotFound'));
      assert.equal(await client.deletePod(NAMESPACE, name), false);
    }
    assert.equal(server.requests.length, 0);
  });

  it('waits as long as it is told where there are too many requests, for changes too', async () => {
    server.fail('create', refusal(429, 'TooManyRequests', 'slow down', { 'retry-after': '1' }));
    const startedAt = performance.now();
    await client.createPod(NAMESPACE, pod('a'));
    assert.ok(performance.now() - startedAt >= 1_000);
    assert.equal(server.requests.length, 2);
  });

  it('gives up where it is told to wait longer than it may', async () => {
    server.fail('create', refusal(429, 'TooManyRequests', 'slow down', { 'retry-after': '600' }));
    await assert.rejects(client.createPod(NAMESPACE, pod('a')), is(429, 'TooManyRequests', /slow down/));
  });

  it('asks again for what it reads where the server says when, and makes no change twice', async () => {
    const busy = refusal(503, 'ServiceUnavailable', 'busy', { 'retry-after': '0' });
    server.fail('list', busy);
    await client.listPods(NAMESPACE, '');
    assert.equal(server.requests.length, 2);
    server.fail('create', busy);
    await assert.rejects(client.createPod(NAMESPACE, pod('a')), is(503, 'ServiceUnavailable', /busy/));
    assert.equal(server.requests.length, 3);
  });

  it('says what a failing server and a proxy on the way say', async () => {
    server.fail('get', refusal(500, 'InternalError', 'etcdserver: request timed out'));
    await assert.rejects(client.getPod(NAMESPACE, 'a'), is(500, 'InternalError', /etcdserver/));
    server.fail('get', badGateway);
    await assert.rejects(client.getPod(NAMESPACE, 'a'), is(502, 'Unknown', /502 Bad Gateway/));
    server.fail('get', saying('<html>'));
    await assert.rejects(client.getPod(NAMESPACE, 'a'), is(0, 'Garbled', /no JSON/));
  });

  it('reads again after a cut, and tells of a cut change, since it may have been made', async () => {
    await client.createPod(NAMESPACE, pod('a'));
    server.fail('get', resetAfter(0));
    assert.equal((await client.getPod(NAMESPACE, 'a')).metadata?.name, 'a');
    server.fail('create', resetAfter(0));
    await assert.rejects(client.createPod(NAMESPACE, pod('b')), is(0, 'Cut'));
    assert.equal(server.requests.filter(({ verb }) => verb === 'create').length, 2);
  });

  it('tells of a cut within an answer, wherever it is', async () => {
    await client.createPod(NAMESPACE, pod('a'));
    for (const bytes of [1, 40, 150, 200, 250]) {
      server.fail('get', resetAfter(bytes), 2);
      await assert.rejects(client.getPod(NAMESPACE, 'a'), is(0, 'Cut'));
    }
  });

  it('waits no longer than it may for an answer, and asks a second time for what it reads', async () => {
    await open(server.access.credentials, { callTimeoutMs: 200, totalTimeoutMs: 350 });
    await client.createPod(NAMESPACE, pod('a'));
    server.fail('get', hang);
    assert.equal((await client.getPod(NAMESPACE, 'a')).metadata?.name, 'a');
    server.fail('get', hang, 2);
    const startedAt = performance.now();
    await assert.rejects(client.getPod(NAMESPACE, 'a'), is(0, 'Timeout'));
    assert.ok(performance.now() - startedAt < 1_000);
    server.fail('create', hang);
    await assert.rejects(client.createPod(NAMESPACE, pod('b')), is(0, 'Timeout', /200 ms/));
    assert.equal(server.requests.filter(({ verb }) => verb === 'create').length, 2);
    server.fail('get', slow(100));
    assert.equal((await client.getPod(NAMESPACE, 'a')).metadata?.name, 'a');
  });

  it('lets go of all its idle connections where one of them proves dead', async (test) => {
    const proxy = await startFaultProxy({ host: '127.0.0.1', port: Number(new URL(server.url).port) });
    const access = { ...server.access, server: `http://127.0.0.1:${proxy.port}` };
    const distant = await createKubernetesClient({ access, timeouts: { callTimeoutMs: 300 } });
    test.after(async () => {
      await distant.close();
      await proxy.close();
    });
    await Promise.all(Array.from({ length: 8 }, () => distant.version()));
    assert.ok(proxy.open >= 4, `${proxy.open} connections`);
    proxy.freeze();
    const startedAt = performance.now();
    for (let call = 0; call < 8; call += 1) await distant.version();
    const tookMs = performance.now() - startedAt;
    assert.ok(tookMs >= 300 && tookMs < 600, `${tookMs} ms`);
  });

  it('says which address does not answer', async () => {
    await server.close();
    await assert.rejects(client.version(), is(0, 'Unreachable', new RegExp(server.url)));
    server = await startFakeApiserver();
  });

  it('waits no longer than it may for a connection, nor for its turn', async (test) => {
    const mute = createServer().listen(0, '127.0.0.1');
    await once(mute, 'listening');
    const { port } = mute.address() as AddressInfo;
    const access = { ...server.access, server: `https://127.0.0.1:${port}` };
    const distant = await createKubernetesClient({ access, timeouts: { callTimeoutMs: 100, totalTimeoutMs: 150 } });
    test.after(async () => {
      await distant.close();
      mute.close();
    });
    const startedAt = performance.now();
    const calls = Array.from({ length: 40 }, () => assert.rejects(distant.version(), is(0, 'Timeout')));
    await Promise.all(calls);
    const options = { labelSelector: '', resourceVersion: '1', timeoutSeconds: 1 };
    await assert.rejects(
      distant.watchPods(NAMESPACE, options, new AbortController().signal)[Symbol.asyncIterator]().next(),
      is(0, 'Timeout'),
    );
    assert.ok(performance.now() - startedAt < 1_000, `${performance.now() - startedAt} ms`);
  });

  it('waits no longer than it may for a login', async () => {
    await open(() => new Promise(() => undefined), { callTimeoutMs: 100 });
    await assert.rejects(client.version(), is(0, 'Timeout'));
  });

  it('presents its credentials, and new ones once where they are refused', async () => {
    const asked: boolean[] = [];
    await open((renew): Promise<Credentials> => {
      asked.push(renew);
      return Promise.resolve({ headers: { authorization: `Bearer ${renew ? 'new' : 'old'}` }, tls: {} });
    });
    const unauthorized = refusal(401, 'Unauthorized');
    server.fail('other', unauthorized);
    assert.equal(await client.version(), 'v1.34.4');
    assert.deepEqual(
      server.requests.map(({ headers }) => headers.authorization),
      ['Bearer old', 'Bearer new'],
    );
    server.fail('other', unauthorized, 2);
    await assert.rejects(client.version(), is(401, 'Unauthorized'));
    assert.deepEqual(asked, [false, true, false, true]);
  });

  it('keeps its connections for many calls, and opens new ones for new certificates', async () => {
    let ca = 'one';
    await open(() => Promise.resolve({ headers: {}, tls: { ca } }));
    const ports = new Set<number | undefined>();
    server.fail('other', ({ response, pass }) => (ports.add(response.socket?.remotePort), pass()), 10);
    for (let call = 0; call < 8; call += 1) await client.version();
    const before = new Set(ports);
    assert.ok(before.size <= 2, `${before.size} connections`);
    ports.clear();
    ca = 'two';
    await client.version();
    assert.equal([...ports].filter((port) => before.has(port)).length, 0);
    assert.equal(ports.size, 1);
  });

  it('goes through the proxy that is named', async (test) => {
    const proxy = await startTunnelProxy();
    const distant = await createKubernetesClient({ access: { ...server.access, proxyUrl: proxy.url } });
    test.after(async () => {
      await distant.close();
      await proxy.close();
    });
    assert.equal(await distant.version(), 'v1.34.4');
    assert.deepEqual(proxy.targets, [new URL(server.url).host]);
  });

  it('tells what the cluster says of a pod, newest last, and nothing where it may not read it', async () => {
    const event = (reason: string, second: number) => ({
      metadata: {},
      involvedObject: {},
      reason,
      lastTimestamp: new Date(second * 1_000),
    });
    server.api.events.set(`${NAMESPACE}/a`, [event('Pulling', 2), event('Scheduled', 1)]);
    assert.deepEqual(
      (await client.podEvents(NAMESPACE, 'a')).map(({ reason }) => reason),
      ['Scheduled', 'Pulling'],
    );
    server.fail('list', refusal(403, 'Forbidden'));
    assert.deepEqual(await client.podEvents(NAMESPACE, 'a'), []);
  });
});
