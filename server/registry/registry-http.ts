import type { Clock } from '../clock.ts';
import { HubError } from '../errors.ts';
import { answerError, headerOf, isTransient, retryAfterOf, type RegistryAnswer } from './registry-answer.ts';
import type { RegistryAuth, Scope } from './registry-auth.ts';
import { ConnectionLost, type RegistryRequest, type RegistryTransport } from './registry-transport.ts';

export interface RegistryCall extends Pick<RegistryRequest, 'method' | 'body'> {
  readonly url: URL;
  /** What the call is about; the scope of its token and the login to use follow from them. */
  readonly repository: string;
  readonly scope: Scope;
  /** Completes “while …” in errors: `reading a manifest of name`. */
  readonly doing: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Default 64 KiB. */
  readonly maxBytes?: number;
  /** Of one try; default 20 s. */
  readonly timeoutMs?: number;
  /** Whether a failure is one of writing. Default false. */
  readonly isWrite?: boolean;
}

/**
 * Calls a registry: logs in as it asks, follows redirects of reads, and tries again what failed in passing. Resolves with the
 * first answer that a repetition would not change; rejects with HubError `registry_down` or `push_failed` where there is none.
 */
export type RegistryHttp = (call: RegistryCall, signal?: AbortSignal) => Promise<RegistryAnswer>;

const TRIES = 4;
const FIRST_WAIT_MS = 250;
/** A registry that asks for more patience is down as far as a waiting reader is concerned. */
const MAX_WAIT_MS = 10_000;
const MAX_REDIRECTS = 5;
const DEFAULT_MAX_BYTES = 64 * 1024;
const DEFAULT_TIMEOUT_MS = 20_000;
const REDIRECTS = [301, 302, 303, 307, 308];

export interface RegistryHttpOptions {
  readonly transport: RegistryTransport;
  readonly auth: RegistryAuth;
  readonly clock: Clock;
  /** Told of what is tried again. */
  readonly onRetry: (what: { readonly url: string; readonly why: string; readonly waitMs: number }) => void;
  /** From 0 to 1; default Math.random. */
  readonly random?: () => number;
}

/** Where an answer points to; a registry behind a TLS proxy may give its own address as plain http. */
export const locationOf = (answer: RegistryAnswer): URL | undefined => {
  const location = headerOf(answer, 'location');
  if (location === undefined || !URL.canParse(location, answer.url.href)) return undefined;
  const url = new URL(location, answer.url);
  if (url.hostname === answer.url.hostname && answer.url.protocol === 'https:' && url.protocol === 'http:')
    return new URL(`${answer.url.origin}${url.pathname}${url.search}`);
  return url;
};

export const createRegistryHttp = (options: RegistryHttpOptions): RegistryHttp => {
  const { transport, auth, clock, onRetry, random = Math.random } = options;

  const once = async (call: RegistryCall, signal: AbortSignal | undefined): Promise<RegistryAnswer> => {
    const { method, body, headers = {}, scope, repository } = call;
    const bounds = { maxBytes: call.maxBytes ?? DEFAULT_MAX_BYTES, timeoutMs: call.timeoutMs ?? DEFAULT_TIMEOUT_MS };
    const send = (url: URL, authorization: string | undefined) =>
      transport(
        {
          method,
          url,
          ...(body === undefined ? {} : { body }),
          headers: { ...headers, ...(authorization === undefined ? {} : { authorization }) },
          ...bounds,
        },
        signal,
      );
    const { origin } = call.url;
    let authorization = auth.known(origin, scope);
    let answer = await send(call.url, authorization);
    if (answer.status === 401) {
      const better = await auth.answer({ unauthorized: answer, scope, repository, refused: authorization });
      if (better !== undefined) {
        authorization = better;
        answer = await send(call.url, authorization);
      }
    }
    const reads = method === 'GET' || method === 'HEAD';
    for (let hops = 0; reads && REDIRECTS.includes(answer.status); hops += 1) {
      const next = locationOf(answer);
      if (next === undefined || hops === MAX_REDIRECTS)
        throw new HubError(
          'registry_down',
          `The image registry ${call.url.host} redirects without an end while ${call.doing}; check registry.url.`,
        );
      if (answer.url.protocol === 'https:' && next.protocol !== 'https:')
        throw new HubError(
          'registry_down',
          `The image registry ${call.url.host} redirects to ${next.host} without TLS while ${call.doing}, which the hub does not follow.`,
        );
      // Storage has its own signature in the address; the registry's credentials are none of its business.
      answer = await send(next, next.origin === origin ? authorization : undefined);
    }
    return answer;
  };

  return async (call, signal) => {
    for (let tried = 1; ; tried += 1) {
      let why: string;
      let askedMs: number | undefined;
      let failure: HubError;
      try {
        const answer = await once(call, signal);
        if (!isTransient(answer)) return answer;
        why = `status ${answer.status}`;
        askedMs = retryAfterOf(answer, clock.now());
        failure = answerError(answer, call.doing, call.isWrite ?? false, clock.now());
      } catch (error) {
        if (!(error instanceof ConnectionLost)) throw error;
        why = error.message;
        failure = new HubError(
          'registry_down',
          `The image registry ${call.url.host} cannot be reached (${why}) while ${call.doing}. Try again later; if it lasts, check registry.url.`,
          { cause: error },
        );
      }
      if (tried === TRIES || (askedMs ?? 0) > MAX_WAIT_MS) throw failure;
      // Between half and the whole of a time that doubles, so that many who failed at once do not come back at once.
      const waitMs = Math.round(Math.max(askedMs ?? 0, FIRST_WAIT_MS * 2 ** (tried - 1) * (0.5 + random() / 2)));
      onRetry({ url: `${call.url.origin}${call.url.pathname}`, why, waitMs });
      await clock.sleep(waitMs, signal);
    }
  };
};
