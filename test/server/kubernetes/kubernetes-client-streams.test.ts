import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { V1Pod, WatchEvent } from '../../../server/kubernetes/kubernetes-api.ts';
import { createKubernetesClient, type KubernetesClient } from '../../../server/kubernetes/kubernetes-client.ts';
import { KubernetesError } from '../../../server/kubernetes/kubernetes-error.ts';
import { startFakeApiserver, type FakeApiserver } from '../../helpers/fake-apiserver.ts';
import { goneInStream, hang, refusal, resetAfter, saying, silence } from '../../helpers/fake-apiserver-faults.ts';
import { startFaultProxy } from '../../helpers/fault-proxy.ts';

const NAMESPACE = 'sessions';
const pod = (name: string): V1Pod => ({ metadata: { name }, spec: { containers: [{ name: 'main', image: 'image' }] } });
const is =
  (status: number, reason: string) =>
  (error: unknown): boolean =>
    KubernetesError.is(error, status) && error.reason === reason;
const text = (event: WatchEvent<V1Pod>): string =>
  event.type === 'bookmark' ? 'bookmark' : `${event.type} ${event.object.metadata?.name}`;

describe('streams of a cluster', () => {
  let server: FakeApiserver;
  let client: KubernetesClient;
  let signal: AbortSignal;
  let stop: AbortController;
  beforeEach(async () => {
    server = await startFakeApiserver();
    client = await createKubernetesClient({ access: server.access, timeouts: { watchGraceMs: 100 } });
    stop = new AbortController();
    ({ signal } = stop);
  });
  afterEach(async () => {
    await client.close();
    await server.close();
  });
  const watch = (resourceVersion = '1', timeoutSeconds = 1) =>
    client.watchPods(NAMESPACE, { labelSelector: '', resourceVersion, timeoutSeconds }, signal);
  const readAll = async (from: AsyncIterable<WatchEvent<V1Pod>>, seen: string[] = []) => {
    for await (const event of from) seen.push(text(event));
    return seen;
  };

  it('tell of what happens to pods, and that nothing more did, until their time is over', async () => {
    const seen: string[] = [];
    const reading = readAll(watch(), seen);
    await client.createPod(NAMESPACE, pod('a'));
    await client.patchPod(NAMESPACE, 'a', { metadata: { labels: { x: 'y' } } });
    await client.deletePod(NAMESPACE, 'a');
    await reading;
    assert.deepEqual(seen, ['added a', 'modified a', 'deleted a', 'bookmark']);
    const { query } = server.requests.find(({ verb }) => verb === 'watch')!;
    assert.equal(query.get('allowWatchBookmarks'), 'true');
  });

  it('end with 410 where the server says so in its status, or in the stream', async () => {
    server.fail('watch', refusal(410, 'Expired', 'too old resource version'));
    await assert.rejects(readAll(watch()), is(410, 'Expired'));
    server.fail('watch', goneInStream);
    await assert.rejects(readAll(watch()), is(410, 'Expired'));
  });

  it('end with an error at what is no event, and do not pass over it', async () => {
    await client.createPod(NAMESPACE, pod('a'));
    server.fail('watch', ({ pass }) => pass({ mangle: (line) => ['{"type":"ADDED","obj', line] }));
    await assert.rejects(readAll(watch()), is(0, 'Garbled'));
    server.fail('watch', saying('{"type":"BOOKMARK"'));
    await assert.rejects(readAll(watch()), is(0, 'Cut'));
  });

  it('hold no more than the largest object of a line that does not end', async () => {
    server.fail('watch', ({ response }) => {
      const block = 'x'.repeat(2 ** 20);
      for (let block_ = 0; block_ < 8; block_ += 1) response.write(block);
      response.end('\n');
    });
    await assert.rejects(readAll(watch()), is(0, 'Garbled'));
  });

  it('end with an error where they say nothing for longer than their own time', async () => {
    server.fail('watch', silence);
    const startedAt = performance.now();
    await assert.rejects(readAll(watch('1', 1)), is(0, 'Timeout'));
    const tookMs = performance.now() - startedAt;
    assert.ok(tookMs >= 1_000 && tookMs < 3_000, `${tookMs} ms`);
  });

  it('end with an error where the connection is dead and nobody tells', async () => {
    const proxy = await startFaultProxy({ host: '127.0.0.1', port: Number(new URL(server.url).port) });
    const access = { ...server.access, server: `http://127.0.0.1:${proxy.port}` };
    const distant = await createKubernetesClient({ access, timeouts: { watchGraceMs: 100 } });
    const options = { labelSelector: '', resourceVersion: '1', timeoutSeconds: 1 };
    const events = distant.watchPods(NAMESPACE, options, signal)[Symbol.asyncIterator]();
    await client.createPod(NAMESPACE, pod('a'));
    assert.equal((await events.next()).done, false);
    proxy.freeze();
    await assert.rejects(events.next(), is(0, 'Timeout'));
    await distant.close();
    await proxy.close();
  });

  it('end with an error where they are cut, wherever that is', async () => {
    await client.createPod(NAMESPACE, pod('a'));
    for (const bytes of [0, 1, 100, 160, 250, 350]) {
      server.fail('watch', resetAfter(bytes));
      await assert.rejects(readAll(watch('1', 30)), is(0, 'Cut'), `after ${bytes} bytes`);
    }
  });

  it('end with the signal’s reason, at whatever point it comes, and leave no connection', async () => {
    const reason = new Error('enough');
    server.fail('watch', hang);
    const hanging = readAll(watch());
    setTimeout(() => stop.abort(reason), 20);
    await assert.rejects(hanging, reason);
    await assert.rejects(readAll(watch()), reason);
    stop = new AbortController();
    ({ signal } = stop);
    const sockets = () => process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length;
    const before = sockets();
    await client.createPod(NAMESPACE, pod('a'));
    for await (const event of watch('1', 30)) {
      assert.equal(text(event), 'added a');
      break;
    }
    const deadline = performance.now() + 5_000;
    while (sockets() > before + 2 && performance.now() < deadline)
      await new Promise((resolve) => setTimeout(resolve, 5));
    assert.ok(sockets() <= before + 2, `${sockets()} sockets, ${before} before`);
  });

  describe('of a log', () => {
    const read = async (options = {}) => {
      let whole = '';
      for await (const chunk of client.podLog(NAMESPACE, 'a', { container: 'main', follow: true, ...options }, signal))
        whole += chunk;
      return whole;
    };
    const lines = (...texts: string[]) =>
      texts.map((line, index) => ({ time: `2026-11-25T00:00:0${index}.5Z`, text: line }));

    it('give the lines as they come, with their times where asked to, from a second on', async () => {
      server.logs.set('a/main', { lines: lines('one', 'zwei ü', ''), isClosed: true });
      assert.equal(await read(), 'one\nzwei ü\n\n');
      assert.equal(
        await read({ timestamps: true, sinceTime: '2026-11-25T00:00:01Z' }),
        '2026-11-25T00:00:01.5Z zwei ü\n2026-11-25T00:00:02.5Z \n',
      );
    });

    it('reject while the container waits, with the API’s 400', async () => {
      await assert.rejects(read(), is(400, 'BadRequest'));
    });

    it('reject where they are cut, without the torn line', async () => {
      server.logs.set('a/main', { lines: lines('one', 'two'), isClosed: false });
      server.fail('log', ({ response }) => {
        response.write('one\ntw');
        setTimeout(() => response.socket?.resetAndDestroy(), 20);
      });
      let whole = '';
      const reading = async () => {
        for await (const chunk of client.podLog(NAMESPACE, 'a', { container: 'main', follow: true }, signal))
          whole += chunk;
      };
      await assert.rejects(reading(), is(0, 'Cut'));
      assert.equal(whole, 'one\n');
    });

    it('give what a log ends with, though it be no whole line', async () => {
      server.fail('log', saying('one\nlast words'));
      assert.equal(await read(), 'one\nlast words');
    });

    it('cut lines that are too long, and read on after them', async () => {
      server.fail('log', saying(`${'x'.repeat(200_000)}\nnext\n`));
      assert.equal(await read(), `${'x'.repeat(65_536)}\nnext\n`);
    });

    it('bear silence from the start, for a container may have nothing to say', async () => {
      server.logs.set('a/main', { lines: [], isClosed: false });
      const reading = read();
      setTimeout(() => {
        const log = server.logs.get('a/main')!;
        log.lines.push({ time: '2026-11-25T00:00:00Z', text: 'late' });
        log.isClosed = true;
      }, 1_200);
      assert.equal(await reading, 'late\n');
    });
  });
});
