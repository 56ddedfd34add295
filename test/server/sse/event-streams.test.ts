import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { afterEach, describe, it } from 'node:test';
import { createFakeBuilder, type FakeBuild } from '../../helpers/fake-builder.ts';
import { openSse, type SseStream } from '../../helpers/sse-client.ts';
import { startTestHub, type TestHub } from '../../helpers/test-hub.ts';

describe('event streams', () => {
  let hub: TestHub;
  const open: SseStream[] = [];
  afterEach(async () => {
    for (const stream of open.splice(0)) stream.close();
    await hub.close();
  });

  const launch = async () => {
    const response = await fetch(`${hub.address}/api/launches`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ spec: 'gh/owner/name/HEAD' }),
    });
    return (await response.json()) as { id: string; token: string };
  };
  const watch = async ({ id, token }: { id: string; token: string }) => {
    const stream = await openSse(`${hub.address}/api/launches/${id}/events`, { authorization: `Bearer ${token}` });
    open.push(stream);
    return stream;
  };

  it('neither wait for a reader that never reads nor keep anything for it', async () => {
    let build: FakeBuild | undefined;
    hub = await startTestHub({ builder: createFakeBuilder({ script: (begun) => void (build = begun) }) });
    const created = await launch();
    const lazy = connect(hub.port, '127.0.0.1');
    lazy.pause();
    lazy.write(
      `GET /api/launches/${created.id}/events HTTP/1.1\r\nHost: 127.0.0.1:${hub.port}\r\nAuthorization: Bearer ${created.token}\r\n\r\n`,
    );
    const reader = await watch(created);
    while (build === undefined) await new Promise((resolve) => setTimeout(resolve, 5));
    const text = 'x'.repeat(1_000);
    for (let line = 0; line < 15_000; line++) build.say(text);
    build.finish();
    await reader.until(({ data }) => data['phase'] === 'ready', 20_000);
    assert.equal(reader.messages.filter(({ data }) => data['phase'] === 'building').length, 15_000);
    const sockets = await new Promise<number>((resolve) =>
      hub.app.server.server.getConnections((_error, count) => resolve(count)),
    );
    assert.ok(sockets >= 1);
    // It reads after all: everything is there, in order.
    let received = '';
    lazy.on('data', (chunk) => (received += String(chunk)));
    lazy.resume();
    const deadline = Date.now() + 20_000;
    while (!received.includes('"phase":"ready"') && Date.now() < deadline)
      await new Promise((resolve) => setTimeout(resolve, 20));
    lazy.destroy();
    const lines = [...received.matchAll(/"line":(\d+)\}?[^\n]*\n/g)].length;
    assert.ok(received.includes('"phase":"ready"'));
    assert.ok(lines >= 15_000, `${lines}`);
  });

  it('are limited in number, with a time to come again', async () => {
    hub = await startTestHub({
      builder: createFakeBuilder({ script: () => undefined }),
      settings: { quota: { streams: 2 } },
    });
    const created = await launch();
    await watch(created);
    const second = await watch(created);
    const third = await fetch(`${hub.address}/api/launches/${created.id}/events`, {
      headers: { authorization: `Bearer ${created.token}` },
    });
    assert.equal(third.status, 503);
    assert.ok(Number(third.headers.get('retry-after')) > 0);
    assert.equal(((await third.json()) as { code: string }).code, 'capacity');
    const binder = await openSse(`${hub.address}/build/gh/owner/name/HEAD`);
    assert.equal((await binder.until(({ data }) => data['phase'] === 'failed')).data['code'], 'capacity');
    second.close();
    await new Promise((resolve) => setTimeout(resolve, 50));
    const fourth = await watch(created);
    assert.equal(fourth.status, 200);
  });

  it('end with a hint when the hub stops, and leave nothing open', async () => {
    hub = await startTestHub({ builder: createFakeBuilder({ script: () => undefined }) });
    const stream = await watch(await launch());
    await stream.until(({ data }) => data['phase'] === 'fetching');
    const began = performance.now();
    await hub.app.close();
    await stream.ended;
    assert.ok(performance.now() - began < 2_000, 'closing does not wait for streams');
    assert.equal(hub.app.streams.size, 0);
    assert.equal(hub.spawner.records.size, 1, 'the launch goes on in the next hub');
  });

  it('of clients that cannot resume are drained', async () => {
    let build: FakeBuild | undefined;
    hub = await startTestHub({ builder: createFakeBuilder({ script: (begun) => void (build = begun) }) });
    const stream = await openSse(`${hub.address}/build/gh/owner/name/HEAD`);
    open.push(stream);
    await stream.until(({ data }) => data['phase'] === 'fetching');
    while (build === undefined) await new Promise((resolve) => setTimeout(resolve, 5));
    const closing = hub.app.close(5_000);
    setTimeout(() => build!.finish(), 100);
    await closing;
    assert.equal(stream.messages.at(-1)!.data['phase'], 'ready');
  });

  it('give up their watchers when clients leave', async () => {
    hub = await startTestHub({ builder: createFakeBuilder({ script: () => undefined }) });
    const created = await launch();
    const streams = await Promise.all(Array.from({ length: 50 }, () => watch(created)));
    assert.equal(hub.app.streams.size, 50);
    for (const stream of streams) stream.close();
    await new Promise((resolve) => setTimeout(resolve, 200));
    assert.equal(hub.app.streams.size, 0);
  });
});
