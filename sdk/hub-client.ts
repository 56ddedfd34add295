import { createBackoff, pause } from './backoff.ts';
import { BINDERHUB } from './contract/index.ts';
import { LiveleafError } from './errors.ts';
import { errorOfResponse, isTransient } from './problem.ts';
import type { World } from './world.ts';

/**
 * How long a hub that does not answer is asked again: a few times at the very start, when the address may simply be
 * wrong, and for long once a launch is under way, since the hub may be restarting or the reader on a train.
 */
const PATIENCE = {
  triesAtStart: 5,
  underWayMs: 600_000,
  /** A hub that asks for a longer pause than this is not waited for. */
  retryAfterMs: 60_000,
  /** Without an answer for so long a request is given up. */
  answerMs: 40_000,
} as const;

/** Makes the hub's address canonical: http or https, no trailing slash, no query. Throws LiveleafError. */
const hubAddress = (hub: string): string => {
  let url: URL | undefined;
  try {
    url = new URL(hub);
  } catch {
    url = undefined;
  }
  if (!url || !/^https?:$/.test(url.protocol) || url.username !== '' || url.password !== '') {
    const message = `${JSON.stringify(hub.slice(0, 200))} is no address of a hub; give one like https://hub.example.org.`;
    throw new LiveleafError('hub_unreachable', message, { retryable: false });
  }
  return `${url.origin}${url.pathname.replace(/\/+$/, '')}`;
};

const LOOPBACK = /^(localhost|.*\.localhost|127(\.\d+){3}|\[::1\])$/;

/** One hub, asked on behalf of one launch: retries what may pass, and says why when it will not. */
export class HubClient {
  readonly address: string;
  readonly world: World;
  readonly #signal: AbortSignal;
  readonly #onRetry: (attempt: number) => void;
  readonly #stopListening: () => void;
  #contactAt: number | undefined;
  #failures = 0;
  #blockedByPage = false;
  #answeredOpaquely = false;

  constructor(world: World, hub: string, signal: AbortSignal, onRetry: (attempt: number) => void) {
    this.address = hubAddress(hub);
    this.world = world;
    this.#signal = signal;
    this.#onRetry = onRetry;
    const { origin, protocol, hostname } = new URL(this.address);
    if (world.pageOrigin()?.startsWith('https:') && protocol === 'http:' && !LOOPBACK.test(hostname)) {
      const message = `A page on https may not ask a hub on http (${this.address}); give the hub's https address.`;
      throw new LiveleafError('blocked', message);
    }
    this.#stopListening = world.onBlocked((blocked) => {
      if (blocked.startsWith(origin)) this.#blockedByPage = true;
    });
  }

  dispose(): void {
    this.#stopListening();
  }

  /** Tells that the launch is under way and the hub was heard from just now. */
  contacted(): void {
    this.#contactAt = this.world.now();
    this.#failures = 0;
  }

  /**
   * Counts a failure to reach the hub and tells what is to be done: nothing (ask again), or this error.
   * `cause` is what `fetch` threw, or a refusal that may pass.
   */
  async missed(cause: unknown): Promise<LiveleafError | undefined> {
    this.#failures += 1;
    const refusal = LiveleafError.isInstance(cause) ? cause : undefined;
    if (refusal && (refusal.retryAfterMs ?? 0) > PATIENCE.retryAfterMs) return refusal;
    if (this.#contactAt === undefined) {
      const blocked = refusal ? undefined : await this.#blocked(cause);
      if (blocked) return blocked;
      if (this.#failures < PATIENCE.triesAtStart) return undefined;
    } else if (this.world.now() - this.#contactAt < PATIENCE.underWayMs) return undefined;
    if (refusal) return refusal;
    if (!this.world.isOnline())
      return new LiveleafError('offline', 'This device has no network; connect it and try again.', { cause });
    const message = `The hub ${this.address} cannot be reached; check that it runs and that its address is right.`;
    return new LiveleafError('hub_unreachable', message, { cause });
  }

  /** Asks once more for ever until an answer stands or patience ends; resolves with a 2xx, rejects with LiveleafError. */
  async ask(path: string, init: RequestInit = {}, isAnswer = (response: Response) => response.ok): Promise<Response> {
    const backoff = createBackoff(this.world);
    for (;;) {
      let cause: unknown;
      try {
        const response = await this.#once(path, init);
        if (isAnswer(response)) return response;
        cause = await errorOfResponse(response, this.world.now());
        if (!isTransient(response.status)) throw cause;
      } catch (error) {
        this.#signal.throwIfAborted();
        if (error === cause) throw error;
        cause = error;
      }
      const end = await this.missed(cause);
      if (end) throw end;
      this.#onRetry(backoff.attempt + 1);
      const waitMs = backoff.next(LiveleafError.isInstance(cause) ? cause.retryAfterMs : undefined);
      await pause(this.world, waitMs, this.#signal);
    }
  }

  async #once(path: string, init: RequestInit): Promise<Response> {
    const deadline = new AbortController();
    const giveUp = () => deadline.abort(this.#signal.reason);
    this.#signal.addEventListener('abort', giveUp);
    const timer = this.world.setTimeout(
      () => deadline.abort(new Error(`No answer for ${PATIENCE.answerMs / 1_000} s.`)),
      PATIENCE.answerMs,
    );
    try {
      this.#signal.throwIfAborted();
      const response = await this.world.fetch(this.address + path, {
        credentials: 'omit',
        ...init,
        signal: deadline.signal,
      });
      // An answer that is cut in its body was none: read here, it is asked for again.
      const body = await response.text();
      return new Response(body || null, response);
    } finally {
      this.world.clearTimeout(timer);
      this.#signal.removeEventListener('abort', giveUp);
    }
  }

  /** In a page, tells a hub that refuses this page from one that is not there. */
  async #blocked(cause: unknown): Promise<LiveleafError | undefined> {
    const origin = this.world.pageOrigin();
    if (origin === undefined) return undefined;
    if (this.#blockedByPage) {
      const message = `This page's own security policy forbids asking the hub; add ${this.address} to its connect-src.`;
      return new LiveleafError('blocked', message, { cause });
    }
    if (this.#answeredOpaquely) {
      const message = `The hub ${this.address} does not allow pages of ${origin}; its owner can add that origin.`;
      return new LiveleafError('blocked', message, { cause });
    }
    // Only the next failure decides, since the hub may have come up in between.
    const probe = this.world.fetch(this.address + BINDERHUB.versions, { mode: 'no-cors', credentials: 'omit' });
    this.#answeredOpaquely = await probe.then(
      () => true,
      () => false,
    );
    return undefined;
  }
}
