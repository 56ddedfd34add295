/** An append-only list with one producer and any number of readers, who ask for what is new when they are told. */
export class EventFeed<Item> {
  readonly #items: Item[] = [];
  readonly #listeners = new Set<() => void>();
  #ended = false;

  get items(): readonly Item[] {
    return this.#items;
  }

  /** True when nothing will be appended any more. */
  get ended(): boolean {
    return this.#ended;
  }

  append(item: Item): void {
    if (this.#ended) return;
    this.#items.push(item);
    this.#tell();
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#tell();
  }

  /** Calls back after every change. Returns how to stop. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  /** Hands over every item from the first on, in order; resolves at the end, rejects with the signal's reason. */
  forEach(take: (item: Item) => void, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      let next = 0;
      const finish = (settle: () => void) => {
        stop();
        signal.removeEventListener('abort', abort);
        settle();
      };
      const advance = () => {
        while (next < this.#items.length) take(this.#items[next++]!);
        if (this.#ended) finish(resolve);
      };
      const abort = () => finish(() => reject(signal.reason as Error));
      const stop = this.onChange(advance);
      signal.addEventListener('abort', abort, { once: true });
      if (signal.aborted) abort();
      else advance();
    });
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }
}
