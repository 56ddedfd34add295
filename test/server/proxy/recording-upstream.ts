import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

interface Recorded {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly isUpgrade: boolean;
}

export interface RecordingUpstream {
  readonly socketPath: string;
  readonly seen: Recorded[];
  /** Sockets of clients that are open now. */
  readonly sockets: Set<Duplex>;
  /** Upgraded sockets that are open now. */
  readonly upgraded: Set<Duplex>;
  close(): Promise<void>;
}

export interface RecordingUpstreamOptions {
  readonly onRequest?: (request: IncomingMessage, response: ServerResponse) => void;
  /** Given the socket after a 101; the default echoes bytes back. */
  readonly onUpgrade?: (socket: Duplex, request: IncomingMessage) => void;
  /** Answers the handshake; the default agrees. */
  readonly answerUpgrade?: (socket: Duplex, request: IncomingMessage) => boolean;
}

export const acceptOf = (key: string): string =>
  createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');

/** A server on a Unix socket that remembers everything that reached it. */
export const startRecordingUpstream = async (options: RecordingUpstreamOptions = {}): Promise<RecordingUpstream> => {
  const folder = await mkdtemp(join(tmpdir(), 'll-up-'));
  const socketPath = join(folder, 's');
  const seen: Recorded[] = [];
  const sockets = new Set<Duplex>();
  const upgraded = new Set<Duplex>();
  const record = ({ method = '', url = '', headers }: IncomingMessage, isUpgrade: boolean): void =>
    void seen.push({ method, url, headers, isUpgrade });
  const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
    record(request, false);
    if (options.onRequest) return options.onRequest(request, response);
    request.resume();
    response.writeHead(200, { 'content-type': 'text/plain' }).end('ok');
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket)).on('error', () => undefined);
  });
  server.on('upgrade', (request, socket: Duplex) => {
    record(request, true);
    if (options.answerUpgrade && !options.answerUpgrade(socket, request)) return;
    const offered = request.headers['sec-websocket-protocol']?.split(',')[0];
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSet-Cookie: a=b\r\nSec-WebSocket-Accept: ${acceptOf(
        request.headers['sec-websocket-key'] ?? '',
      )}\r\n${offered === undefined ? '' : `Sec-WebSocket-Protocol: ${offered}\r\n`}\r\n`,
    );
    upgraded.add(socket);
    socket.once('close', () => upgraded.delete(socket));
    if (options.onUpgrade) options.onUpgrade(socket, request);
    else socket.pipe(socket);
  });
  server.listen(socketPath);
  await new Promise((resolve) => server.once('listening', resolve));
  return {
    socketPath,
    seen,
    sockets,
    upgraded,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
      await rm(folder, { recursive: true, force: true });
    },
  };
};
