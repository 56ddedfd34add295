/** A signal with an end of its own. */
export interface Deadline {
  /** Aborted with `late()` when the time is over, or with the other signal's reason. */
  readonly signal: AbortSignal;
  /** The time no longer counts. */
  lift(): void;
  /** Nor does the other signal: nothing is left behind. */
  end(): void;
}

/** Begins now; 0 sets no time. */
export const startDeadline = (timeoutMs: number, late: () => Error, other?: AbortSignal): Deadline => {
  const controller = new AbortController();
  const follow = () => controller.abort(other?.reason);
  const timeout = timeoutMs > 0 ? setTimeout(() => controller.abort(late()), timeoutMs) : undefined;
  if (other?.aborted) follow();
  other?.addEventListener('abort', follow, { once: true });
  return {
    signal: controller.signal,
    lift: () => clearTimeout(timeout),
    end() {
      clearTimeout(timeout);
      other?.removeEventListener('abort', follow);
    },
  };
};
