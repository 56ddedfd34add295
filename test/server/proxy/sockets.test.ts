import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { after, afterEach, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';

import { WebSocket, WebSocketServer } from 'ws';

import type { ProxyLimits } from '../../../server/proxy/proxy-limits.ts';
import { PAGE_ORIGIN, rawExchange, startProxy, statusOf, until, upgradeHead, type Proxy } from './harness.ts';
import { opened } from './kernel-socket.ts';
import { acceptOf, startRecordingUpstream, type RecordingUpstream } from './recording-upstream.ts';

const MIB = 1024 * 1024;
const limits: Partial<ProxyLimits> = { answerTimeoutMs: 1500, stallTimeoutMs: 1000, maxSocketsPerSession: 600 };

describe('WebSockets through the proxy', () => {
  let proxy: Proxy;
  let upstream: RecordingUpstream;
  let session = '';
  /** What the server does with the next handshake and socket. */
  let answer: (socket: Duplex, key: string) => boolean = () => true;
  let serve: (socket: Duplex) => void = (socket) => void socket.pipe(socket);

  before(async () => {
    upstream = await startRecordingUpstream({
      answerUpgrade: (socket, request) => answer(socket, request.headers['sec-websocket-key'] ?? ''),
      onUpgrade: (socket) => serve(socket),
    });
    proxy = await startProxy({ limits, sweepIntervalMs: 100 });
    session = proxy.spawner.add({ socketPath: upstream.socketPath });
  });
  afterEach(() => {
    answer = () => true;
    serve = (socket) => void socket.pipe(socket);
  });
  after(async () => {
    await proxy.close();
    await upstream.close();
  });

  const target = (name = session): string => `/user/${name}/api/kernels/1/channels`;
  const authorization = (name = session): Record<string, string> => ({ authorization: `token ${proxy.token(name)}` });
  const head = (name = session, extra: Record<string, string> = {}): string =>
    upgradeHead(target(name), `127.0.0.1:${proxy.port}`, { ...authorization(name), ...extra });
  /** A raw client that got its 101. */
  const rawSocket = (name = session): Promise<Socket> =>
    new Promise((resolve, reject) => {
      const socket = connect(proxy.port, '127.0.0.1');
      socket.once('data', () => resolve(socket)).on('error', reject);
      socket.write(head(name));
    });
  /** A masked binary frame. */
  const frame = (payload: Buffer): Buffer =>
    Buffer.concat([
      Buffer.from([0x82, 0x80 | 127]),
      Buffer.from(BigInt(payload.length).toString(16).padStart(16, '0'), 'hex'),
      Buffer.alloc(4),
      payload,
    ]);

  it('open 500 at once, and leave nothing behind when they are dropped', async () => {
    const descriptors = process.getActiveResourcesInfo().length;
    const sockets = await Promise.all(Array.from({ length: 500 }, () => rawSocket()));
    assert.equal(upstream.upgraded.size, 500);
    assert.equal(proxy.activity.clients(session), 500);
    for (const [index, socket] of sockets.entries()) {
      if (index % 3 === 0) socket.end();
      else if (index % 3 === 1) socket.destroy();
      else socket.resetAndDestroy();
    }
    await until(() => upstream.upgraded.size === 0, 'the server sees every one leave');
    await until(() => proxy.activity.clients(session) === 0, 'no client is counted');
    await until(() => process.getActiveResourcesInfo().length <= descriptors + 2, 'no socket or timer is left');
  });

  it('carry large messages both ways, byte for byte', async () => {
    const wss = new WebSocketServer({ noServer: true, maxPayload: 64 * MIB });
    const echo = await startRecordingUpstream({
      answerUpgrade: (socket, request) => {
        wss.handleUpgrade(request, socket, Buffer.alloc(0), (peer) =>
          peer.on('message', (data, isBinary) => peer.send(data, { binary: isBinary })),
        );
        return false;
      },
    });
    const name = proxy.spawner.add({ socketPath: echo.socketPath });
    const url = `ws://127.0.0.1:${proxy.port}${target(name)}`;
    const socket = await opened(new WebSocket(url, { headers: authorization(name), maxPayload: 64 * MIB }));
    assert.equal(socket.extensions, '', 'nothing is compressed');
    for (const size of [0, 1, 125, 126, 65_535, 65_536, 20 * MIB]) {
      const sent = randomBytes(size);
      const back = new Promise<Buffer>((resolve) => socket.once('message', resolve));
      socket.send(sent);
      assert.ok((await back).equals(sent), `${size} bytes`);
    }
    const closed = new Promise<number>((resolve) => socket.once('close', resolve));
    socket.close(4321, 'bye');
    assert.equal(await closed, 4321, 'a close of the peers passes');
    await until(() => echo.sockets.size === 0, 'both sides are closed');
    await echo.close();
  });

  it('are destroyed without a close frame when the server is lost, after its last bytes', async () => {
    serve = (socket) => {
      socket.write('last');
      socket.end();
    };
    const socket = connect(proxy.port, '127.0.0.1');
    let received = '';
    socket.on('data', (data: Buffer) => (received += data.toString('latin1')));
    const closed = new Promise((resolve) => socket.once('close', resolve));
    socket.write(head());
    await closed;
    assert.ok(received.endsWith('\r\n\r\nlast'), 'no frame of our own follows');
  });

  it('are answered only after the server agreed, and never wait for ever', async () => {
    const rows: readonly [string, typeof answer, number][] = [
      ['silent', () => false, 502],
      ['hanging up', (socket) => (socket.destroy(), false), 502],
      ['refusing', (socket) => (socket.end('HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnope'), false), 404],
      ['not speaking HTTP', (socket) => (socket.end('220 mail\r\n\r\n'), false), 502],
      ['never ending its head', (socket) => (socket.write(`HTTP/1.1 101 x\r\nX: ${'y'.repeat(20_000)}`), false), 502],
      ['agreeing to nothing', (socket) => (socket.write('HTTP/1.1 101 x\r\nUpgrade: h2c\r\n\r\n'), false), 502],
      [
        'agreeing to an extension nobody offered',
        (socket, key) => (
          socket.write(
            `HTTP/1.1 101 x\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${acceptOf(key)}\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n`,
          ),
          false
        ),
        502,
      ],
    ];
    for (const [what, next, status] of rows) {
      answer = next;
      const startedAt = performance.now();
      assert.equal(statusOf(await rawExchange(proxy.port, head())), status, what);
      assert.ok(performance.now() - startedAt < 8000, what);
    }
    answer = () => true;
    const absent = proxy.spawner.add({ socketPath: `${upstream.socketPath}-not` });
    assert.equal(statusOf(await rawExchange(proxy.port, head(absent))), 502);
    await until(() => upstream.upgraded.size === 0 && proxy.activity.clients(session) === 0, 'nothing is left');
  });

  it('let go of the server when the client leaves during the handshake, or speaks before it is answered', async () => {
    for (const leave of [
      (socket: Socket) => socket.end(),
      (socket: Socket) => socket.destroy(),
      (socket: Socket) => socket.write('x'),
    ]) {
      let left = false;
      answer = (socket) => {
        socket.resume();
        socket.once('close', () => (left = true)).once('end', () => socket.destroy());
        return false;
      };
      const socket = connect(proxy.port, '127.0.0.1');
      socket.on('error', () => undefined);
      socket.write(head());
      await delay(50);
      leave(socket);
      await until(() => left, 'the server is let go', 1200);
      socket.destroy();
    }
  });

  it('refuse what is no handshake', async () => {
    const seen = upstream.seen.length;
    const valid = head();
    for (const wrong of [
      valid.replace('Version: 13', 'Version: 8'),
      valid.replace('Upgrade: websocket', 'Upgrade: h2c'),
      valid.replace(/Sec-WebSocket-Key: .*/, 'Sec-WebSocket-Key: short'),
      valid.replace('GET ', 'POST '),
      `${valid}early`,
    ])
      assert.equal(statusOf(await rawExchange(proxy.port, wrong, 1000)), 403, wrong.split('\r\n')[0]);
    assert.equal(upstream.seen.length, seen);
  });

  it('cut a client that sends what no client may send', async () => {
    for (const bytes of [
      Buffer.from([0x81, 0x01, 0x41]),
      Buffer.from('GET / HTTP/1.1\r\n\r\n'),
      Buffer.from([0xff, 0xff]),
    ]) {
      const socket = await rawSocket();
      const closed = new Promise((resolve) => socket.once('close', resolve));
      socket.write(bytes);
      await closed;
    }
    await until(() => upstream.upgraded.size === 0, 'the server is let go');
  });

  it('go no faster than a slow client, and give up on one that takes nothing', async () => {
    let written = 0;
    let closed = false;
    const chunk = Buffer.alloc(64 * 1024);
    serve = (socket) => {
      socket.once('close', () => (closed = true)).on('error', () => undefined);
      const more = (): void => {
        while (written < 96 * MIB && !socket.destroyed) {
          written += chunk.length;
          if (!socket.write(chunk)) return void socket.once('drain', more);
        }
      };
      more();
    };
    const before = process.memoryUsage().rss;
    const socket = await rawSocket();
    socket.pause();
    await delay(300);
    assert.ok(written < 24 * MIB, `${written} bytes were taken for a client that reads nothing`);
    assert.ok(process.memoryUsage().rss - before < 80 * MIB);
    await until(() => closed, 'the server is let go');
    socket.destroy();
  });

  it('go no faster than a slow server', async () => {
    serve = (socket) => void socket.pause();
    const before = process.memoryUsage().rss;
    const socket = await rawSocket();
    socket.on('error', () => undefined);
    const payload = frame(Buffer.alloc(64 * 1024));
    let accepted = 0;
    const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
    for (let count = 0; count < 800 && !socket.destroyed; count += 1) {
      if (!socket.write(payload)) {
        const drained = new Promise<boolean>((resolve) => socket.once('drain', () => resolve(true)));
        if (!(await Promise.race([drained, closed.then(() => false), delay(900).then(() => false)]))) break;
      }
      accepted += payload.length;
    }
    assert.ok(accepted < 24 * MIB, `${accepted} bytes were taken for a server that reads nothing`);
    assert.ok(process.memoryUsage().rss - before < 80 * MIB);
    await closed;
    for (const peer of upstream.upgraded) peer.destroy();
  });

  it('count as activity by data frames on a kernel socket alone', async () => {
    serve = (socket) => void socket.once('end', () => socket.end()).resume();
    const name = proxy.spawner.add({ socketPath: upstream.socketPath });
    const url = (suffix: string): string => `ws://127.0.0.1:${proxy.port}/user/${name}/${suffix}`;
    const kernel = await opened(new WebSocket(url('api/kernels/1/channels'), { headers: authorization(name) }));
    const other = await opened(new WebSocket(url('api/events/subscribe'), { headers: authorization(name) }));
    other.send('x');
    kernel.ping();
    kernel.pong();
    await fetch(`${proxy.origin}/user/${name}/api/status`, { headers: authorization(name) });
    await delay(100);
    assert.equal(proxy.activity.lastFrameAt(name), undefined);
    assert.equal(proxy.activity.clients(name), 1);
    kernel.send('x');
    await until(() => proxy.activity.lastFrameAt(name) !== undefined, 'the frame counts');
    kernel.terminate();
    other.terminate();
    await until(() => proxy.activity.clients(name) === 0, 'the client is gone');
  });

  it('end with their session, whoever stopped it, and no other does', async () => {
    const name = proxy.spawner.add({ socketPath: upstream.socketPath });
    const [doomed, staying] = [await rawSocket(name), await rawSocket()];
    const closed = new Promise((resolve) => doomed.once('close', resolve));
    await proxy.spawner.stop(name);
    await closed;
    assert.equal(staying.destroyed, false);
    assert.equal(proxy.activity.clients(session), 1);
    staying.destroy();
    await until(() => upstream.upgraded.size === 0, 'nothing is left');
  });

  it('have a bound for each session', async () => {
    const tight = await startProxy({ spawner: proxy.spawner, limits: { maxSocketsPerSession: 2 } });
    const open = (): Promise<string> =>
      rawExchange(
        tight.port,
        upgradeHead(target(), `127.0.0.1:${tight.port}`, { ...authorization(), origin: PAGE_ORIGIN }),
      );
    const sockets = [1, 2].map(() => {
      const socket = connect(tight.port, '127.0.0.1');
      socket.write(upgradeHead(target(), `127.0.0.1:${tight.port}`, authorization()));
      return socket;
    });
    await until(() => tight.activity.clients(session) === 2, 'two are open');
    const refused = await open();
    assert.equal(statusOf(refused), 429);
    assert.match(refused, /retry-after: 5\r\n/);
    sockets[0]!.destroy();
    await until(() => tight.activity.clients(session) === 1, 'one is gone');
    assert.equal(statusOf(await open()), 101);
    await tight.close();
    await until(() => upstream.upgraded.size === 0, 'closing destroys every socket');
  });
});
