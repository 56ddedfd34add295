import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';

import { HubError, toHubError } from '../errors.ts';
import type { Activity } from './activity.ts';
import { createFrameCounter } from './frames.ts';
import { answerUpgrade, answerUpgradeProblem } from './problem-answer.ts';
import { UPSTREAM_HOST, upstreamAuthorization } from './proxied-headers.ts';
import type { ProxyLimits, ProxyLog } from './proxy-limits.ts';
import { isKernelSocket } from './route.ts';
import { readProtocols } from './session-auth.ts';
import type { Admission } from './session-gate.ts';
import { connectUpstream, upstreamHandshake, type UpgradeAnswer } from './upstream-handshake.ts';

type Admitted = Extract<Admission, { kind: 'proxy' }>;

/** Pipes admitted WebSockets to sessions' servers, byte for byte. */
export interface WebSocketProxy {
  open(request: IncomingMessage, client: Duplex, head: Buffer, admission: Admitted): Promise<void>;
  /** Cuts every WebSocket of a session, without a clean close: a client that gets one does not come back. */
  closeSession(session: string): void;
  closeAll(): void;
}

const KEY = /^[A-Za-z0-9+/]{22}==$/;
const KEEP_ALIVE_MS = 30_000;
/** How long a client may take to receive what a lost server wrote last. */
const LAST_BYTES_MS = 5000;

const badHandshake = (): HubError =>
  new HubError('policy', 'This is not a WebSocket handshake of version 13; use a WebSocket client.');

/** The head of the request to the session's server: an allow-list, so that nothing else of the client's gets there. */
const handshakeHead = ({ headers }: IncomingMessage, { route, upstream }: Admitted): string => {
  const { others } = readProtocols(headers['sec-websocket-protocol']);
  const lines = [
    `GET ${route.path}${route.query === '' ? '' : `?${route.query}`} HTTP/1.1`,
    `Host: ${UPSTREAM_HOST}`,
    'Upgrade: websocket',
    'Connection: Upgrade',
    'Sec-WebSocket-Version: 13',
    `Sec-WebSocket-Key: ${headers['sec-websocket-key']}`,
    `Authorization: ${upstreamAuthorization(upstream.token)}`,
    ...(others.length === 0 ? [] : [`Sec-WebSocket-Protocol: ${others.join(', ')}`]),
  ];
  return `${lines.join('\r\n')}\r\n\r\n`;
};

/** The head of the answer to the client, once the session's server agreed; undefined when what it answered is no agreement. */
const agreementHead = ({ headers }: IncomingMessage, answer: UpgradeAnswer): string | undefined => {
  const accept = answer.headers.get('sec-websocket-accept');
  if (answer.headers.get('upgrade')?.toLowerCase() !== 'websocket' || accept === undefined) return undefined;
  // No extension was offered, so none can have been agreed on.
  if (answer.headers.has('sec-websocket-extensions')) return undefined;
  const { tokenProtocol, others } = readProtocols(headers['sec-websocket-protocol']);
  // Browsers close a socket whose offers were all turned down. The token's is taken only where it was the only one.
  const protocol = answer.headers.get('sec-websocket-protocol') ?? (others.length === 0 ? tokenProtocol : undefined);
  const lines = [
    'HTTP/1.1 101 Switching Protocols',
    'Upgrade: websocket',
    'Connection: Upgrade',
    `Sec-WebSocket-Accept: ${accept}`,
    ...(protocol === undefined ? [] : [`Sec-WebSocket-Protocol: ${protocol}`]),
  ];
  return `${lines.join('\r\n')}\r\n\r\n`;
};

export const createWebSocketProxy = (parts: {
  limits: ProxyLimits;
  log: ProxyLog;
  activity: Activity;
}): WebSocketProxy => {
  const { limits, log, activity } = parts;
  const sessions = new Map<string, Set<Duplex>>();

  /** Keeps a client's socket with its session until it closes; undefined when the session has too many. */
  const track = (session: string, client: Duplex): boolean => {
    const sockets = sessions.get(session) ?? new Set<Duplex>();
    if (sockets.size >= limits.maxSocketsPerSession) return false;
    sessions.set(session, sockets.add(client));
    client.once('close', () => {
      sockets.delete(client);
      if (sockets.size === 0 && sessions.get(session) === sockets) sessions.delete(session);
    });
    return true;
  };

  /** One direction: bytes as they come, no faster than the other side takes them. */
  const pump = (from: Duplex, to: Duplex, onChunk: (chunk: Buffer) => boolean): void => {
    let stall: NodeJS.Timeout | undefined;
    from.on('data', (chunk: Buffer) => {
      if (!onChunk(chunk)) {
        from.destroy();
        return;
      }
      if (to.write(chunk) || stall !== undefined) return;
      from.pause();
      stall = setTimeout(() => to.destroy(), limits.stallTimeoutMs);
    });
    to.on('drain', () => {
      clearTimeout(stall);
      stall = undefined;
      from.resume();
    });
    to.once('close', () => clearTimeout(stall));
    from.resume();
  };

  /** Joins both sockets until one is gone; then both are. */
  const join = (client: Duplex, server: Socket, session: string, isKernel: boolean): void => {
    const frames = createFrameCounter();
    const disconnected = isKernel ? activity.clientConnected(session) : undefined;
    client.once('close', () => {
      disconnected?.();
      server.destroy();
    });
    // What the server wrote last still reaches the client; a close frame of the proxy's own never follows it.
    server.once('end', () => client.end());
    server.once('close', () => {
      const cut = setTimeout(() => client.destroy(), LAST_BYTES_MS);
      client.once('close', () => clearTimeout(cut));
      if (client.writableFinished || !client.writable) client.destroy();
      else client.end(() => client.destroy());
    });
    client.once('end', () => server.destroySoon());
    pump(client, server, (chunk) => {
      const { data, broken } = frames.push(chunk);
      if (isKernel && data > 0) activity.clientFrame(session);
      return !broken;
    });
    pump(server, client, () => true);
  };

  const open: WebSocketProxy['open'] = async (request, client, head, admission) => {
    const { session, suffix } = admission.route;
    const { headers } = request;
    const refuse = (error: HubError): void => answerUpgradeProblem(client, error, admission.headers);
    const isHandshake =
      request.method === 'GET' &&
      headers.upgrade?.toLowerCase() === 'websocket' &&
      headers['sec-websocket-version'] === '13' &&
      KEY.test(headers['sec-websocket-key'] ?? '') &&
      head.length === 0;
    if (!isHandshake) return refuse(badHandshake());
    if (!track(session, client))
      return refuse(
        new HubError('rate_limited', 'This session has too many open sockets; close some and try again.', {
          retryAfterMs: 5000,
        }),
      );
    const left = new AbortController();
    // A client that speaks before it is answered, or hangs up, is not waited for.
    const leave = (): void => {
      left.abort(new Error('the client left'));
      client.destroy();
    };
    client.once('close', leave).once('end', leave).once('data', leave);
    if (client.destroyed) return;
    const server = connectUpstream(admission.upstream);
    try {
      const answer = await upstreamHandshake(server, handshakeHead(request, admission), {
        timeoutMs: limits.answerTimeoutMs,
        maxHeaderBytes: limits.maxHeaderBytes,
        signal: left.signal,
      });
      server.on('error', () => undefined);
      if (answer.status !== 101) {
        server.destroy();
        answerUpgrade(client, answer.status, 'Refused', { ...admission.headers, 'content-length': '0' });
        return;
      }
      const agreement = agreementHead(request, answer);
      if (agreement === undefined) {
        server.destroy();
        return refuse(new HubError('session_crashed', "The session's server answered the handshake wrongly."));
      }
      client.off('close', leave).off('end', leave).off('data', leave);
      const socket = client as Socket;
      socket.setNoDelay?.(true);
      socket.setKeepAlive?.(true, KEEP_ALIVE_MS);
      socket.setTimeout?.(0);
      client.write(agreement, 'latin1');
      if (answer.rest.length > 0) client.write(answer.rest);
      join(client, server, session, isKernelSocket(suffix));
    } catch (error) {
      server.destroy();
      if (left.signal.aborted) return;
      const failure = toHubError(error);
      log.warn({ session, code: failure.code }, 'a WebSocket could not be opened');
      refuse(failure);
    }
  };

  return {
    open,
    closeSession: (session) => {
      for (const client of sessions.get(session) ?? []) client.destroy();
    },
    closeAll: () => {
      for (const sockets of sessions.values()) for (const client of sockets) client.destroy();
    },
  };
};
