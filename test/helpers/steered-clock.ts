import type { Clock } from '../../server/clock.ts';

/** A clock that stands still until a test moves it. */
export interface SteeredClock extends Clock {
  /** Moves on by so many milliseconds, waking sleepers in the order of their times and letting what they do settle. */
  advance(durationMs: number): Promise<void>;
  /** How many sleeps wait. */
  readonly sleepers: number;
}

interface Sleeper {
  readonly at: number;
  readonly wake: () => void;
}

/** Lets everything run that waits for no clock. */
export const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
};

/** Starts at a wall-clock time in milliseconds since 1970. */
export const createSteeredClock = (startsAt = 1_800_000_000_000): SteeredClock => {
  let now = startsAt;
  const sleepers = new Set<Sleeper>();
  return {
    now: () => now,
    monotonic: () => now - startsAt,
    sleep: (durationMs, signal) =>
      new Promise((resolve, reject) => {
        if (signal?.aborted) return reject(signal.reason as Error);
        const sleeper = { at: now + durationMs, wake: () => end(resolve) };
        const onAbort = () => end(() => reject(signal?.reason as Error));
        const end = (settleIt: () => void) => {
          sleepers.delete(sleeper);
          signal?.removeEventListener('abort', onAbort);
          settleIt();
        };
        signal?.addEventListener('abort', onAbort, { once: true });
        sleepers.add(sleeper);
      }),
    async advance(durationMs) {
      const until = now + durationMs;
      await settle();
      for (;;) {
        const next = [...sleepers].filter(({ at }) => at <= until).sort((a, b) => a.at - b.at)[0];
        if (next === undefined) break;
        now = Math.max(now, next.at);
        next.wake();
        await settle();
      }
      now = until;
      await settle();
    },
    get sleepers() {
      return sleepers.size;
    },
  };
};
