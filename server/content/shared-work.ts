/**
 * Does the same work once for all who ask at once. Each waiter can stop waiting; the work itself is aborted
 * only when nobody waits any longer, and nothing is kept after its end.
 */
export class SharedWork<T> {
  readonly #running = new Map<string, { result: Promise<T>; waiters: number; stop: AbortController }>();

  /** Joins the work of this key, or begins it. Rejects with the signal's reason when the signal aborts first. */
  async join(key: string, work: (signal: AbortSignal) => Promise<T>, signal: AbortSignal): Promise<T> {
    signal.throwIfAborted();
    const entry = this.#running.get(key) ?? this.#begin(key, work);
    entry.waiters += 1;
    let stop = (): void => {};
    const aborted = new Promise<never>((_, reject) => {
      stop = () => reject(signal.reason);
      signal.addEventListener('abort', stop, { once: true });
    });
    try {
      return await Promise.race([entry.result, aborted]);
    } finally {
      signal.removeEventListener('abort', stop);
      entry.waiters -= 1;
      if (entry.waiters === 0 && this.#running.get(key) === entry) {
        this.#running.delete(key);
        entry.stop.abort(signal.reason);
      }
    }
  }

  #begin(key: string, work: (signal: AbortSignal) => Promise<T>) {
    const stop = new AbortController();
    const entry = { result: work(stop.signal), waiters: 0, stop };
    this.#running.set(key, entry);
    const forget = (): void => {
      if (this.#running.get(key) === entry) this.#running.delete(key);
    };
    entry.result.then(forget, forget);
    return entry;
  }
}
