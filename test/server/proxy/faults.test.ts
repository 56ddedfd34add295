import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { Readable } from 'node:stream';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';

import { WebSocket, WebSocketServer } from 'ws';

import { opened } from './kernel-socket.ts';
import { PAGE_ORIGIN, startProxy, statusOf, rawExchange, upgradeHead, until, type Proxy } from './harness.ts';
import { startRecordingUpstream, type RecordingUpstream } from './recording-upstream.ts';

const MIB = 1024 * 1024;

describe('HTTP through the proxy', () => {
  let proxy: Proxy;
  let upstream: RecordingUpstream;
  let session = '';
  let received = createHash('sha256');
  let bytes = 0;
  let written = 0;
  let flooding = 0;
  const chunk = randomBytes(64 * 1024);

  before(async () => {
    upstream = await startRecordingUpstream({
      onRequest: (request, response) => {
        const path = request.url!.split('/').slice(3).join('/');
        if (path === 'never') return;
        if (path === 'cut')
          return void response.writeHead(200, { 'content-length': 1000 }).write('x', () => response.destroy());
        if (path === 'hangup') return void request.socket.destroy();
        if (path === 'stall') return void response.writeHead(200).write('x');
        if (path === 'raw')
          return void request.socket.end(
            Buffer.from('HTTP/1.1 200 OK\r\nX-Name: 日本\r\nX-Sent: \x01\r\nContent-Length: 2\r\n\r\nok'),
          );
        if (path === 'switch')
          return void request.socket.end(
            'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n',
          );
        if (path === 'early') return void response.writeHead(413).end('too much');
        if (path === 'nonsense') return void request.socket.end('220 mail.example ESMTP\r\n\r\n');
        if (path === 'flood') {
          written = 0;
          flooding += 1;
          response.once('close', () => (flooding -= 1));
          response.writeHead(200);
          const more = (): void => {
            while (written < 96 * MIB) {
              written += chunk.length;
              if (!response.write(chunk)) return void response.once('drain', more);
            }
            response.end();
          };
          return more();
        }
        received = createHash('sha256');
        bytes = 0;
        request.on('data', (data: Buffer) => {
          bytes += data.length;
          received.update(data);
        });
        request.on('end', () => response.end(String(bytes)));
      },
    });
    proxy = await startProxy({ limits: { answerTimeoutMs: 1500, stallTimeoutMs: 1500, connectTimeoutMs: 1000 } });
    session = proxy.spawner.add({ socketPath: upstream.socketPath });
  });
  after(async () => {
    await proxy.close();
    await upstream.close();
  });

  const ask = (path: string, init: RequestInit = {}, name = session): Promise<Response> =>
    fetch(`${proxy.origin}/user/${name}/${path}`, {
      ...init,
      headers: { authorization: `token ${proxy.token(name)}`, origin: PAGE_ORIGIN, ...init.headers },
    });
  const failure = async (response: Response) => [response.status, ((await response.json()) as { code: string }).code];

  it('never waits for ever: an upstream that is silent, hangs up, talks nonsense or is absent has its code', async () => {
    assert.deepEqual(await failure(await ask('never')), [502, 'unhealthy']);
    assert.deepEqual(await failure(await ask('hangup')), [502, 'session_crashed']);
    assert.deepEqual(await failure(await ask('nonsense')), [502, 'session_crashed']);
    const absent = proxy.spawner.add({ socketPath: `${upstream.socketPath}-not` });
    assert.deepEqual(await failure(await ask('x', {}, absent)), [502, 'session_crashed']);
    const closed = proxy.spawner.add({ origin: 'http://127.0.0.1:9' });
    assert.deepEqual(await failure(await ask('x', {}, closed)), [502, 'session_crashed']);
    assert.equal(await (await ask('x')).text(), '0', 'and the session goes on');
  });

  it('survives headers that are no text, an upgrade nobody asked for, and an answer before the upload ended', async () => {
    const raw = `GET /user/${session}/x HTTP/1.1\r\nHost: 127.0.0.1:${proxy.port}\r\nAuthorization: token ${proxy.token(session)}\r\nX-Bytes: \xff\xe9\r\nConnection: close\r\n\r\n`;
    assert.equal(statusOf(await rawExchange(proxy.port, raw)), 200);
    for (const path of ['raw', 'switch']) assert.ok([200, 502].includes((await ask(path)).status), path);
    const early = await ask('early', { method: 'PUT', body: randomBytes(8 * MIB) }).then(
      (response) => response.status,
      () => 413,
    );
    assert.equal(early, 413);
    assert.equal(await (await ask('x')).text(), '0', 'and the session goes on');
  });

  it('cuts an answer that breaks off or stands still, rather than ending it', async () => {
    await assert.rejects(async () => (await ask('cut')).text());
    await assert.rejects(async () => (await ask('stall')).text());
  });

  it('streams a large upload whose length is known, and one whose length is not', async () => {
    const body = randomBytes(48 * MIB);
    const digest = createHash('sha256').update(body).digest('hex');
    assert.equal(await (await ask('up', { method: 'PUT', body })).text(), String(body.length));
    assert.equal(received.digest('hex'), digest);
    const stream = Readable.toWeb(Readable.from([body.subarray(0, MIB), body.subarray(MIB)])) as ReadableStream;
    const chunked = await ask('up', { method: 'PUT', body: stream, duplex: 'half' } as RequestInit);
    assert.equal(await chunked.text(), String(body.length));
    assert.equal(received.digest('hex'), digest);
  });

  it('takes at most 64 MiB in one request', async () => {
    const seen = upstream.seen.length;
    const head = (extra: string): string =>
      `PUT /user/${session}/up HTTP/1.1\r\nHost: 127.0.0.1:${proxy.port}\r\nAuthorization: token ${proxy.token(session)}\r\n${extra}\r\n\r\n`;
    const declared = await rawExchange(proxy.port, head(`Content-Length: ${64 * MIB + 1}`));
    assert.equal(statusOf(declared), 403);
    assert.match(declared, /at most 64 MiB/);
    assert.equal(upstream.seen.length, seen);
    const endless = Readable.toWeb(
      Readable.from(
        (function* () {
          for (let count = 0; count < 1100; count += 1) yield chunk;
        })(),
      ),
    ) as ReadableStream;
    await ask('up', { method: 'PUT', body: endless, duplex: 'half' } as RequestInit).then(
      async (response) => assert.deepEqual(await failure(response), [403, 'policy']),
      (error: Error) => assert.match(String(error.cause), /socket|EPIPE|ECONNRESET|closed/i),
    );
    await until(() => bytes <= 64 * MIB + MIB, 'the upload was cut');
    assert.ok(bytes <= 64 * MIB);
  });

  it('goes no faster than a slow client, holds little meanwhile, and gives up on one that takes nothing', async () => {
    const before = process.memoryUsage().rss;
    const socket: Socket = connect({ port: proxy.port, host: '127.0.0.1', highWaterMark: 16_384 } as never);
    socket.on('error', () => undefined);
    socket.write(
      `GET /user/${session}/flood HTTP/1.1\r\nHost: 127.0.0.1:${proxy.port}\r\nAuthorization: token ${proxy.token(session)}\r\n\r\n`,
    );
    socket.pause();
    await delay(400);
    assert.ok(written < 24 * MIB, `${written} bytes were taken from the server for a client that reads nothing`);
    assert.ok(process.memoryUsage().rss - before < 80 * MIB);
    await until(() => flooding === 0, 'the upstream is let go');
    assert.ok(written < 96 * MIB);
    socket.destroy();
  });

  it('passes a large answer on whole', async () => {
    const response = await ask('flood');
    let length = 0;
    for await (const part of response.body!) length += part.length;
    assert.equal(length, 96 * MIB);
  });

  it('lets go of the server when the client leaves', async () => {
    const aborter = new AbortController();
    const response = await ask('flood', { signal: aborter.signal });
    assert.equal(response.status, 200);
    assert.equal(flooding, 1);
    aborter.abort();
    await until(() => flooding === 0, 'the answer is no longer asked for', 1200);
    assert.ok(written < 96 * MIB);
    const waiting = new AbortController();
    const refused = assert.rejects(ask('never', { signal: waiting.signal }));
    await until(() => upstream.seen.at(-1)!.url.endsWith('never'), 'the request arrived');
    waiting.abort();
    await refused;
    assert.equal(await (await ask('x')).text(), '0');
  });

  it('reuses connections to the server, and keeps none after the end', async () => {
    const own = await startRecordingUpstream();
    const name = proxy.spawner.add({ socketPath: own.socketPath });
    for (let count = 0; count < 50; count += 1) assert.equal((await ask('x', {}, name)).status, 200);
    assert.equal(own.sockets.size, 1);
    await Promise.all(Array.from({ length: 200 }, async () => (await ask('x', {}, name)).text()));
    assert.ok(own.sockets.size <= 64);
    proxy.server.closeSession(name);
    await until(() => own.sockets.size === 0, 'the connections are closed');
    await own.close();
  });

  it('reaches servers over TCP too', async () => {
    const wss = new WebSocketServer({ noServer: true });
    const server = createServer((request, response) => void response.end(`${request.headers.host} ${request.url}`));
    server.on('upgrade', (request, socket, head) =>
      wss.handleUpgrade(request, socket, head, (peer) => peer.on('message', (data) => peer.send(String(data)))),
    );
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const name = proxy.spawner.add({ origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
    assert.equal(await (await ask('x?y=1', {}, name)).text(), `localhost /user/${name}/x?y=1`);
    const url = `ws://127.0.0.1:${proxy.port}/user/${name}/api/kernels/1/channels`;
    const socket = await opened(new WebSocket(url, { headers: { authorization: `token ${proxy.token(name)}` } }));
    const back = new Promise((resolve) => socket.once('message', (data) => resolve(String(data))));
    socket.send('over TCP');
    assert.equal(await back, 'over TCP');
    const closed = once(socket, 'close');
    proxy.server.closeSession(name);
    await closed;
    server.closeAllConnections();
    server.close();
  });

  it('bounds heads, and closes a connection that never finishes one', async () => {
    const long = `GET /user/${session}/ HTTP/1.1\r\nHost: x\r\nX: ${'y'.repeat(20_000)}\r\n\r\n`;
    assert.equal(statusOf(await rawExchange(proxy.port, long)), 431);
    const impatient = await startProxy({ spawner: proxy.spawner, limits: { headersTimeoutMs: 300 } });
    const startedAt = performance.now();
    await rawExchange(impatient.port, 'GET /user/x HTTP/1.1\r\nHost: x\r\nX-Slow: ');
    assert.ok(performance.now() - startedAt < 9000);
    await impatient.close();
  });

  it('answers requests smuggled after another as their own', async () => {
    const evil = `POST /user/${session}/x HTTP/1.1\r\nHost: 127.0.0.1:${proxy.port}\r\nAuthorization: token ${proxy.token(session)}\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /user/${session}/smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n`;
    assert.equal(statusOf(await rawExchange(proxy.port, evil, 500)), 400);
    assert.ok(!upstream.seen.some(({ url }) => url.includes('smuggled')));
    const head = upgradeHead(`/user/${session}/x`, `127.0.0.1:${proxy.port}`, { authorization: 'token x' });
    const answer = await rawExchange(
      proxy.port,
      `${head}GET /user/${session}/smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n`,
      500,
    );
    assert.equal(statusOf(answer), 401);
    assert.ok(!upstream.seen.some(({ url }) => url.includes('smuggled')));
  });
});
