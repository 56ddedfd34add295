import type { World } from './world.ts';

/** How long to wait between tries; each is asked once per failure. */
export interface Backoff {
  /** Failures since the last success. */
  readonly attempt: number;
  /** The next pause in milliseconds; never shorter than what the other side asked for. */
  next(retryAfterMs?: number): number;
  reset(): void;
}

export interface BackoffOptions {
  /** Default 500. */
  readonly firstMs?: number;
  /** Default 8,000, before jitter. */
  readonly maxMs?: number;
}

/**
 * Doubles up to `maxMs`, times a jitter of 0.5–1.5, so that many pages do not come back at once. The longest pause is
 * short, for a hub that restarts is back within seconds.
 */
export const createBackoff = (
  world: Pick<World, 'random'>,
  { firstMs = 500, maxMs = 8_000 }: BackoffOptions = {},
): Backoff => {
  let attempt = 0;
  return {
    get attempt() {
      return attempt;
    },
    next: (retryAfterMs = 0) => {
      const pauseMs = Math.min(firstMs * 2 ** attempt, maxMs) * (0.5 + world.random());
      attempt += 1;
      return Math.max(pauseMs, retryAfterMs);
    },
    reset: () => {
      attempt = 0;
    },
  };
};

/** Waits; a page that wakes ends the pause early. Rejects with the signal's reason when aborted. */
export const pause = (
  world: Pick<World, 'setTimeout' | 'clearTimeout' | 'onWake'>,
  durationMs: number,
  signal?: AbortSignal,
): Promise<void> =>
  new Promise((resolve, reject) => {
    const end = () => {
      world.clearTimeout(timer);
      stopWaking();
      signal?.removeEventListener('abort', onAbort);
    };
    const onAbort = () => {
      end();
      reject(signal?.reason);
    };
    const onEnd = () => {
      end();
      resolve();
    };
    const timer = world.setTimeout(onEnd, durationMs);
    const stopWaking = world.onWake(onEnd);
    if (signal?.aborted) onAbort();
    else signal?.addEventListener('abort', onAbort);
  });

/** Rejects with `late` where a promise has not settled in time. */
export const withDeadline = <T>(
  world: Pick<World, 'setTimeout' | 'clearTimeout'>,
  promise: Promise<T>,
  deadlineMs: number,
  late: Error,
): Promise<T> =>
  new Promise((resolve, reject) => {
    const timer = world.setTimeout(() => reject(late), deadlineMs);
    promise.then(resolve, reject).finally(() => world.clearTimeout(timer));
  });
