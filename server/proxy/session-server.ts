import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { Duplex } from 'node:stream';

import { systemClock, type Clock } from '../clock.ts';
import { toHubError } from '../errors.ts';
import type { SessionTokens } from '../sessions/session-tokens.ts';
import type { Spawner } from '../spawners/spawner.ts';
import type { Activity } from './activity.ts';
import { createHttpProxy } from './http-proxy.ts';
import type { OriginPolicy } from './origins.ts';
import { answerProblem, answerUpgrade, answerUpgradeProblem } from './problem-answer.ts';
import { PROXY_LIMITS, type ProxyLimits, type ProxyLog } from './proxy-limits.ts';
import { createSessionGate } from './session-gate.ts';
import { createSessionOrigins } from './session-origin.ts';
import { createWebSocketProxy } from './websocket-proxy.ts';

export interface SessionServerOptions {
  readonly spawner: Pick<Spawner, 'get' | 'upstream' | 'onLost'>;
  readonly tokens: SessionTokens;
  /** Hosts of the shared kind, and the origins whose pages may use sessions. */
  readonly policy: OriginPolicy;
  readonly activity: Activity;
  readonly log: ProxyLog;
  /** What follows `<session>.` in a session's own host, port included, such as `localhost:8586`; without it there are none. */
  readonly sessionHostSuffix?: string | undefined;
  /** Scheme that browsers use to reach sessions; default `http`. */
  readonly scheme?: 'http' | 'https' | undefined;
  readonly clock?: Clock;
  readonly limits?: Partial<ProxyLimits>;
  /** How often connections to sessions that ended are looked for; default 2 s. */
  readonly sweepIntervalMs?: number;
}

export type SessionServer = Server & {
  /** Cuts everything that leads to a session that was stopped; what is forgotten here the sweep finds. */
  closeSession(session: string): void;
  /** Stops listening and destroys every socket. */
  closeAll(): Promise<void>;
};

/** The HTTP server of the sessions' origin: every request and every upgrade passes the same gate. */
export const createSessionServer = (options: SessionServerOptions): SessionServer => {
  const { spawner, tokens, policy, activity, log, clock = systemClock, sweepIntervalMs = 2000 } = options;
  const limits: ProxyLimits = { ...PROXY_LIMITS, ...options.limits };
  const origins = createSessionOrigins(options);
  const gate = createSessionGate({ spawner, tokens, policy, origins, clock });
  const http = createHttpProxy({ limits, log });
  const sockets = createWebSocketProxy({ limits, log, activity });
  /** Sessions that something may still lead to. */
  const served = new Set<string>();
  const clients = new Set<Duplex>();

  const server = createServer({
    maxHeaderSize: limits.maxHeaderBytes,
    headersTimeout: limits.headersTimeoutMs,
    requestTimeout: limits.requestTimeoutMs,
    keepAliveTimeout: limits.keepAliveTimeoutMs,
    connectionsCheckingInterval: Math.min(5000, limits.headersTimeoutMs),
    noDelay: true,
  });
  server.maxConnections = limits.maxConnections;
  server.on('connection', (socket: Duplex) => {
    clients.add(socket);
    socket.once('close', () => clients.delete(socket));
  });

  const failed = (error: unknown, request: IncomingMessage) => {
    const failure = toHubError(error);
    log.error({ err: failure.cause ?? failure, method: request.method }, 'the proxy failed');
    return failure;
  };

  server.on('request', (request, response) => {
    gate
      .admit(request, false)
      .then((admission) => {
        if (response.destroyed) return;
        switch (admission.kind) {
          case 'proxy':
            served.add(admission.route.session);
            return http.forward(request, response, admission);
          case 'preflight':
            return void response.writeHead(204, admission.headers).end();
          case 'redirect':
            return void response
              .writeHead(302, { ...admission.headers, location: admission.location, 'content-length': 0 })
              .end();
          case 'refuse':
            // A small body is read and dropped; a large one would only keep the connection busy.
            if (
              !(Number(request.headers['content-length'] ?? 0) <= limits.maxHeaderBytes) ||
              request.headers['transfer-encoding']
            )
              response.setHeader('connection', 'close');
            return answerProblem(response, admission.error, admission.headers);
        }
      })
      .catch((error: unknown) => answerProblem(response, failed(error, request)));
  });

  server.on('upgrade', (request, client, head) => {
    client.on('error', () => client.destroy());
    gate
      .admit(request, true)
      .then((admission) => {
        if (admission.kind === 'proxy') {
          served.add(admission.route.session);
          return sockets.open(request, client, head, admission);
        }
        if (admission.kind === 'refuse') return answerUpgradeProblem(client, admission.error, admission.headers);
        return answerUpgrade(client, 400, 'Bad Request', admission.headers);
      })
      .catch((error: unknown) => answerUpgradeProblem(client, failed(error, request)));
  });

  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    if (error.code === 'ECONNRESET' || !socket.writable) socket.destroy();
    else answerUpgrade(socket, error.code === 'HPE_HEADER_OVERFLOW' ? 431 : 400, 'Bad Request', {});
  });

  const closeSession = (session: string): void => {
    served.delete(session);
    http.closeSession(session);
    sockets.closeSession(session);
    activity.forget(session);
    gate.forget(session);
  };
  const sweep = setInterval(() => {
    for (const session of served) if (!spawner.upstream(session)) closeSession(session);
  }, sweepIntervalMs);
  sweep.unref();
  const unsubscribe = spawner.onLost(closeSession);

  const closeAll = async (): Promise<void> => {
    clearInterval(sweep);
    unsubscribe();
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    sockets.closeAll();
    for (const client of clients) client.destroy();
    await http.closeAll();
    await closed;
  };
  return Object.assign(server, { closeSession, closeAll });
};
