import type { IncomingMessage, ServerResponse } from 'node:http';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';

import { Pool, type Dispatcher } from 'undici';

import { HubError } from '../errors.ts';
import type { Upstream } from '../spawners/spawner.ts';
import { answerProblem } from './problem-answer.ts';
import { requestHeaders, responseHeaders } from './proxied-headers.ts';
import type { ProxyLimits, ProxyLog } from './proxy-limits.ts';
import type { Admission } from './session-gate.ts';
import { placeHeaders } from './session-origin.ts';

/** Sends admitted requests to sessions' servers over kept connections, streaming both ways. */
export interface HttpProxy {
  forward(request: IncomingMessage, response: ServerResponse, admission: Extract<Admission, { kind: 'proxy' }>): void;
  /** Cuts every connection to a session's server. */
  closeSession(session: string): void;
  closeAll(): Promise<void>;
}

interface SessionPool {
  readonly address: string;
  readonly pool: Pool;
  requests: number;
}

const TIMEOUTS = new Set(['UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT', 'UND_ERR_CONNECT_TIMEOUT']);

const tooLarge = (maxBytes: number): HubError =>
  new HubError('policy', `The upload is too large; one request may carry at most ${maxBytes >> 20} MiB.`);

/** Lets a body of unknown length pass until it is too long. */
const bounded = (maxBytes: number): Transform => {
  let passed = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      passed += chunk.length;
      if (passed > maxBytes) done(tooLarge(maxBytes));
      else done(null, chunk);
    },
  });
};

const brokenUpstream = (error: Error & { code?: string }): HubError =>
  error instanceof HubError
    ? error
    : TIMEOUTS.has(error.code ?? '')
      ? new HubError('unhealthy', "The session's server did not answer in time; try again, or launch again.")
      : new HubError('session_crashed', "The session's server broke off; try again, or launch again.", {
          cause: error,
        });

export const createHttpProxy = ({ limits, log }: { limits: ProxyLimits; log: ProxyLog }): HttpProxy => {
  const pools = new Map<string, SessionPool>();

  const closeSession = (session: string): void => {
    const entry = pools.get(session);
    pools.delete(session);
    // Rejects only for what was in flight, and each of those requests is told by itself.
    entry?.pool.destroy().catch(() => undefined);
  };

  const poolOf = (session: string, { socketPath, origin }: Upstream): SessionPool => {
    const address = socketPath ?? origin ?? '';
    const known = pools.get(session);
    if (known?.address === address) return known;
    closeSession(session);
    const pool = new Pool(origin ?? 'http://localhost', {
      ...(socketPath === undefined ? {} : { socketPath }),
      connections: limits.maxConnectionsPerSession,
      pipelining: 1,
      connectTimeout: limits.connectTimeoutMs,
      headersTimeout: limits.answerTimeoutMs,
      bodyTimeout: limits.stallTimeoutMs,
      keepAliveTimeout: 30_000,
      maxHeaderSize: limits.maxHeaderBytes * 4,
    });
    const entry = { address, pool, requests: 0 };
    pools.set(session, entry);
    return entry;
  };

  /** The request's body for the upstream, or the reason why it is not taken. */
  const bodyOf = (request: IncomingMessage): Dispatcher.DispatchOptions['body'] | HubError => {
    const length = request.headers['content-length'];
    if (length !== undefined) {
      if (Number(length) > limits.maxUploadBytes) return tooLarge(limits.maxUploadBytes);
      return length === '0' ? null : request;
    }
    if (request.headers['transfer-encoding'] === undefined) return null;
    const body = bounded(limits.maxUploadBytes);
    // The outcome reaches the exchange through the body itself.
    pipeline(request, body).catch(() => undefined);
    return body;
  };

  const forward: HttpProxy['forward'] = (request, response, { route, place, upstream, headers }) => {
    const { session } = route;
    const fail = (error: HubError): void => {
      log.warn({ session, method: request.method, code: error.code }, 'a proxied request failed');
      // What is left of the body is not waited for.
      if (!request.complete && !response.headersSent) response.setHeader('connection', 'close');
      answerProblem(response, error, headers);
    };
    const body = bodyOf(request);
    if (body instanceof HubError) return fail(body);
    const entry = poolOf(session, upstream);
    if (entry.requests >= limits.maxRequestsPerSession)
      return fail(
        new HubError('rate_limited', 'Too many requests to this session wait for an answer; try again in a moment.', {
          retryAfterMs: 1000,
        }),
      );

    entry.requests += 1;
    let controller: Dispatcher.DispatchController | undefined;
    let stall: NodeJS.Timeout | undefined;
    let ended = false;
    const abandoned = new Error('the client left');
    const end = (): void => {
      if (ended) return;
      ended = true;
      entry.requests -= 1;
      clearTimeout(stall);
    };
    response.once('close', () => {
      if (!ended) controller?.abort(abandoned);
    });
    const goOn = (): void => {
      clearTimeout(stall);
      stall = undefined;
      controller?.resume();
    };

    entry.pool.dispatch(
      {
        method: request.method as Dispatcher.HttpMethod,
        path: route.query === '' ? route.path : `${route.path}?${route.query}`,
        headers: requestHeaders(request.headers, upstream.token),
        body,
      },
      {
        onRequestStart: (started) => {
          controller = started;
          if (response.destroyed) started.abort(abandoned);
        },
        onResponseStart: (_, status, answered, reason) => {
          if (status < 200) return;
          const cleaned = responseHeaders(answered, { ...headers, ...placeHeaders(place) });
          if (route.queryToken !== undefined) cleaned['cache-control'] = 'no-store';
          if (!request.complete && body !== null) response.setHeader('connection', 'close');
          response.writeHead(status, reason ?? '', cleaned);
          response.flushHeaders();
        },
        onResponseData: (_, chunk) => {
          if (response.write(chunk) || stall !== undefined) return;
          controller?.pause();
          response.once('drain', goOn);
          stall = setTimeout(() => response.destroy(), limits.stallTimeoutMs);
        },
        onResponseEnd: () => {
          end();
          response.end();
        },
        onResponseError: (_, error) => {
          const left = response.destroyed;
          end();
          if (!left) fail(brokenUpstream(error));
        },
      },
    );
  };

  return {
    forward,
    closeSession,
    closeAll: async () => {
      const all = [...pools.values()];
      pools.clear();
      await Promise.all(all.map(({ pool }) => pool.destroy().catch(() => undefined)));
    },
  };
};
