import type { Clock } from '../clock.ts';

/** A moment in the past. */
export interface Moment {
  /** Milliseconds since then, rather too many than too few. */
  elapsedMs(): number;
}

/** Marks this moment by both clocks: one stands still while the machine sleeps, the other may be set back. */
export const markMoment = (clock: Clock): Moment => {
  const monotonic = clock.monotonic();
  const now = clock.now();
  return { elapsedMs: () => Math.max(clock.monotonic() - monotonic, clock.now() - now) };
};
