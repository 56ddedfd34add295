/** Growing pauses between attempts. */
export interface BackOff {
  /** Milliseconds until the next attempt. */
  next(): number;
  /** After a success, the next pause is the first one again. */
  reset(): void;
}

export interface BackOffOptions {
  readonly firstMs: number;
  readonly maxMs: number;
  /** A number from 0 to below 1. */
  readonly random?: (() => number) | undefined;
}

/** Each pause is twice the one before, give or take half, so that those who failed together do not come back together. */
export const createBackOff = ({ firstMs, maxMs, random = Math.random }: BackOffOptions): BackOff => {
  let pauseMs = firstMs;
  return {
    next() {
      const jittered = pauseMs * (0.5 + random());
      pauseMs = Math.min(pauseMs * 2, maxMs);
      return jittered;
    },
    reset() {
      pauseMs = firstMs;
    },
  };
};
