import type { Dispatcher } from 'undici';
import type { Clock } from '../clock.ts';
import type { Log } from '../log.ts';
import { createApiConnections } from './api-connections.ts';
import type { ClusterAccess } from './cluster-access.ts';
import { startDeadline } from './deadline.ts';
import { KubernetesError } from './kubernetes-error.ts';
import { retryAfterMs, statusError, transportError, type Refusal } from './transport-errors.ts';
import { untilAborted } from './until-aborted.ts';

export interface KubernetesRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Path below the API's address, encoded. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>;
  /** JSON text. */
  readonly body?: string;
  /** Default `application/json`. */
  readonly contentType?: string;
}

export interface TransportTimeouts {
  /** Default 5 s. */
  readonly connectTimeoutMs: number;
  /** From a call's beginning to the end of its answer, a wait for a connection included; default 15 s. */
  readonly callTimeoutMs: number;
  /** The same, over all that is tried again because the server asked for it; default 30 s. */
  readonly totalTimeoutMs: number;
  /** How long beyond its own time a watch may say nothing; default 5 s. */
  readonly watchGraceMs: number;
}

export const TRANSPORT_TIMEOUTS: TransportTimeouts = {
  connectTimeoutMs: 5_000,
  callTimeoutMs: 15_000,
  totalTimeoutMs: 30_000,
  watchGraceMs: 5_000,
};

/** Enough for a page of the largest pods; more is no answer to anything that the hub asks. */
const MAX_ANSWER_BYTES = 64 * 2 ** 20;
const MAX_REFUSAL_BYTES = 64 * 2 ** 10;

export interface StreamOptions {
  /** Longest wait for the answer to begin; 0 waits as long as the signal lets. */
  readonly headersTimeoutMs: number;
  /** Longest silence within the answer; 0 bears any. */
  readonly silenceTimeoutMs: number;
}

export interface TransportParts {
  readonly access: ClusterAccess;
  readonly clock: Clock;
  readonly log?: Pick<Log, 'debug'> | undefined;
  readonly timeouts: TransportTimeouts;
  /** A number from 0 to below 1. */
  readonly random?: () => number;
}

/** HTTP to one cluster's API, with its credentials. All of it rejects with KubernetesError. */
export interface KubernetesTransport {
  /** One call and its JSON, as parsed. Waits and asks again where the API says when to. */
  call(request: KubernetesRequest): Promise<unknown>;
  /** An answer without an end of its own, as it comes; rejects with the signal's reason once aborted. */
  stream(request: KubernetesRequest, options: StreamOptions, signal: AbortSignal): AsyncGenerator<Buffer, void>;
  /** Lets go of the connections; what is under way is ended. */
  close(): Promise<void>;
}

const pathOf = ({ path, query = {} }: KubernetesRequest): string => {
  const given = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) if (value !== undefined) given.set(key, String(value));
  return given.size === 0 ? path : `${path}?${given}`;
};

const readBody = async (body: AsyncIterable<Buffer>, maxBytes: number): Promise<string> => {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of body) {
    length += chunk.length;
    if (length > maxBytes)
      throw new KubernetesError(0, 'Garbled', `The Kubernetes API sent more than ${maxBytes} bytes.`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, length).toString('utf8');
};

export const createKubernetesTransport = (parts: TransportParts): KubernetesTransport => {
  const { access, clock, log, timeouts, random = Math.random } = parts;
  const { origin, pathname } = new URL(access.server);
  const prefix = pathname.replace(/\/+$/, '');
  const connections = createApiConnections(access, timeouts.connectTimeoutMs);

  /** Sends a request; resolves with the head of its answer. No signal reaches a login, nor a connection that is being made. */
  const send = async (
    kind: 'calls' | 'streams',
    request: KubernetesRequest,
    renew: boolean,
    silenceTimeoutMs: number,
    signal: AbortSignal,
  ): Promise<Dispatcher.ResponseData> => {
    const { headers, tls } = await untilAborted(access.credentials(renew), signal);
    const sent = connections.for(kind, tls).request({
      origin,
      path: `${prefix}${pathOf(request)}`,
      method: request.method,
      headers: {
        ...headers,
        accept: 'application/json, */*',
        'user-agent': 'liveleaf',
        ...(request.body === undefined ? {} : { 'content-type': request.contentType ?? 'application/json' }),
      },
      body: request.body ?? null,
      headersTimeout: 0,
      bodyTimeout: silenceTimeoutMs,
      signal,
    });
    return untilAborted(sent, signal);
  };

  /** One request and its whole answer within `timeoutMs`. */
  const attempt = async (request: KubernetesRequest, renew: boolean, timeoutMs: number): Promise<string | Refusal> => {
    const deadline = startDeadline(timeoutMs, () => tooLate(timeoutMs));
    try {
      const answer = await send('calls', request, renew, 0, deadline.signal);
      const isDone = answer.statusCode < 300;
      const text = await readBody(answer.body, isDone ? MAX_ANSWER_BYTES : MAX_REFUSAL_BYTES);
      return isDone ? text : { status: answer.statusCode, headers: answer.headers, text };
    } catch (error) {
      if (!deadline.signal.aborted) throw transportError(error, access.server);
      // Where one connection died without a word, those that lie idle beside it most likely did too.
      connections.drop();
      throw deadline.signal.reason;
    } finally {
      deadline.end();
    }
  };

  const call = async (request: KubernetesRequest): Promise<unknown> => {
    const { method, path } = request;
    const startedAt = clock.monotonic();
    const leftMs = () => startedAt + timeouts.totalTimeoutMs - clock.monotonic();
    let renew = false;
    let wasCut = false;
    for (;;) {
      let answer: string | Refusal;
      try {
        answer = await attempt(request, renew, Math.max(1, Math.min(timeouts.callTimeoutMs, leftMs())));
      } catch (error) {
        // The connection may have been dead already: a server closes idle ones, and a network forgets them.
        if (method !== 'GET' || wasCut || leftMs() <= 0 || !isCut(error)) throw error;
        wasCut = true;
        continue;
      }
      const status = typeof answer === 'string' ? 200 : answer.status;
      log?.debug({ method, path, status, durationMs: Math.round(clock.monotonic() - startedAt) }, 'kubernetes call');
      if (typeof answer === 'string') return parseAnswer(answer, request);
      if (status === 401 && !renew) {
        renew = true;
        continue;
      }
      const waitMs = retryAfterMs(answer, method);
      if (waitMs === undefined || waitMs >= leftMs()) throw statusError(answer, request);
      // Those who were turned away together must not come back together.
      await clock.sleep(waitMs * (1 + random() / 4));
    }
  };

  const stream: KubernetesTransport['stream'] = async function* (request, options, outer) {
    const { headersTimeoutMs, silenceTimeoutMs } = options;
    let renew = false;
    for (;;) {
      const deadline = startDeadline(headersTimeoutMs, () => tooLate(headersTimeoutMs), outer);
      const { signal } = deadline;
      try {
        const answer = await send('streams', request, renew, silenceTimeoutMs, signal);
        const { statusCode: status, headers, body } = answer;
        if (status < 300) {
          deadline.lift();
          return yield* body as AsyncIterable<Buffer>;
        }
        const text = await readBody(body, MAX_REFUSAL_BYTES);
        if (status !== 401 || renew) throw statusError({ status, headers, text }, request);
        renew = true;
      } catch (error) {
        throw signal.aborted ? signal.reason : transportError(error, access.server);
      } finally {
        deadline.end();
      }
    }
  };

  return { call, stream, close: () => connections.close() };
};

const tooLate = (timeoutMs: number) =>
  new KubernetesError(0, 'Timeout', `The Kubernetes API did not answer within ${timeoutMs} ms.`);

const isCut = (error: unknown): boolean =>
  KubernetesError.is(error, 0) && (error.reason === 'Cut' || error.reason === 'Timeout');

const parseAnswer = (text: string, { method, path }: KubernetesRequest): unknown => {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new KubernetesError(0, 'Garbled', `The Kubernetes API answered ${method} ${path} with what is no JSON.`, {
      cause,
    });
  }
};
