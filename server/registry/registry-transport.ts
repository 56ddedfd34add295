import { rootCertificates } from 'node:tls';
import { Agent, request, type Dispatcher } from 'undici';
import type { Clock } from '../clock.ts';
import { HubError } from '../errors.ts';
import type { RegistryAnswer } from './registry-answer.ts';

export interface RegistryRequest {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE';
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Buffer;
  /** A longer answer fails. */
  readonly maxBytes: number;
  readonly timeoutMs: number;
}

/** Nothing usable came back: the connection failed, broke or took too long. The same request may succeed later. */
export class ConnectionLost extends Error {
  override readonly name = 'ConnectionLost';
}

/** One request and its whole answer, whatever the status. Rejects with ConnectionLost, HubError or the signal's reason. */
export type RegistryTransport = (request: RegistryRequest, signal?: AbortSignal) => Promise<RegistryAnswer>;

const CONNECT_TIMEOUT_MS = 10_000;

/** A dispatcher that trusts what the machine trusts, and the certificates of `ca` (PEM) beside it. */
export const registryDispatcher = (ca?: string): Agent =>
  new Agent({
    connect: { timeout: CONNECT_TIMEOUT_MS, ...(ca === undefined ? {} : { ca: [...rootCertificates, ca] }) },
  });

/** What failed below HTTP, in words: `ECONNREFUSED`, else the error's own message. */
const lossOf = (error: unknown): string => {
  const inner = error instanceof AggregateError ? (error.errors[0] as unknown) : error;
  if (!(inner instanceof Error)) return String(inner);
  const code = 'code' in inner && typeof inner.code === 'string' ? inner.code : undefined;
  return code === undefined || code.startsWith('UND_ERR') ? inner.message : code;
};

/** Sends requests; every answer is bounded in bytes and time, and no redirect is followed. */
export const createRegistryTransport =
  (options: {
    readonly dispatcher: Dispatcher;
    readonly allowHttp: boolean;
    readonly clock: Clock;
  }): RegistryTransport =>
  async ({ method, url, headers, body, maxBytes, timeoutMs }, signal) => {
    if (url.protocol !== 'https:' && !(url.protocol === 'http:' && options.allowHttp))
      throw new HubError(
        'policy',
        `The image registry ${url.origin} would be reached without TLS, which only registry.allowHttp allows. Use https, or set it for a registry on a trusted network.`,
      );
    const stop = new AbortController();
    const done = new AbortController();
    let timedOut = false;
    options.clock.sleep(timeoutMs, done.signal).then(
      () => {
        timedOut = true;
        stop.abort();
      },
      () => undefined,
    );
    try {
      const answer = await request(url, {
        method,
        headers: { 'user-agent': 'liveleaf', ...headers },
        body: body ?? null,
        dispatcher: options.dispatcher,
        headersTimeout: 0,
        bodyTimeout: 0,
        signal: signal === undefined ? stop.signal : AbortSignal.any([stop.signal, signal]),
      });
      const chunks: Buffer[] = [];
      let bytes = 0;
      for await (const chunk of answer.body as AsyncIterable<Buffer>) {
        bytes += chunk.length;
        if (bytes > maxBytes)
          throw new HubError(
            'registry_down',
            `The image registry ${url.host} sent more than ${maxBytes} bytes where less was due.`,
          );
        chunks.push(chunk);
      }
      return { status: answer.statusCode, headers: answer.headers, body: Buffer.concat(chunks), url };
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof HubError) throw error;
      throw new ConnectionLost(timedOut ? `no answer within ${timeoutMs / 1_000} s` : lossOf(error), { cause: error });
    } finally {
      done.abort();
    }
  };
