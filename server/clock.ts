import { setTimeout as delay } from 'node:timers/promises';

/** Time, injected wherever something waits or expires. */
export interface Clock {
  /** Wall-clock time in milliseconds since 1970: for records and expiry. */
  now(): number;
  /** Milliseconds of a clock that never jumps: for deadlines and durations. */
  monotonic(): number;
  /** Waits; rejects with the signal's reason when aborted. Never keeps the process alive. */
  sleep(durationMs: number, signal?: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  sleep: async (durationMs, signal) => {
    await delay(durationMs, undefined, { ref: false, ...(signal === undefined ? {} : { signal }) });
  },
};
