export interface OnePassQueueOptions<T> {
  /** What is iterated, for the sentence of the error: `A launch`. */
  readonly name: string;
  /** Items that may wait; default unlimited. */
  readonly limit?: number;
  /** What stands for items that were dropped because nobody had begun to read. */
  readonly dropped?: (count: number) => T;
  /** Joins a new item to the last one that waits, where the two can be one. */
  readonly merge?: (last: T, next: T) => T | undefined;
}

/**
 * Items from one writer to one reader, in order. Before the reader begins, the oldest above the limit are dropped
 * and counted; once it has begun nothing is, and `room` tells the writer to wait; after it has left, all are.
 */
export class OnePassQueue<T> implements AsyncIterable<T> {
  readonly #options: OnePassQueueOptions<T>;
  readonly #limit: number;
  #items: T[] = [];
  #droppedCount = 0;
  #reader: 'none' | 'reading' | 'gone' = 'none';
  #ended = false;
  #waiting: (() => void) | undefined;
  #writers: (() => void)[] = [];

  constructor(options: OnePassQueueOptions<T>) {
    this.#options = options;
    this.#limit = options.limit ?? Number.POSITIVE_INFINITY;
  }

  push(item: T): void {
    if (this.#ended || this.#reader === 'gone') return;
    const last = this.#items.at(-1);
    const merged = last === undefined ? undefined : this.#options.merge?.(last, item);
    if (merged === undefined) this.#items.push(item);
    else this.#items[this.#items.length - 1] = merged;
    if (this.#reader === 'none' && this.#items.length > this.#limit) {
      this.#items.shift();
      this.#droppedCount += 1;
    }
    this.#wakeReader();
  }

  /** No more items come; those that wait are still read. */
  end(): void {
    this.#ended = true;
    this.#wakeReader();
    this.#wakeWriters();
  }

  /** Resolves when there is room; undefined when there is some already. */
  room(): Promise<void> | undefined {
    if (this.#ended || this.#reader !== 'reading' || this.#items.length < this.#limit) return undefined;
    return new Promise((resolve) => this.#writers.push(resolve));
  }

  [Symbol.asyncIterator](): AsyncIterator<T> {
    if (this.#reader !== 'none')
      throw new Error(`${this.#options.name} can be iterated only once; keep what you need from the first pass.`);
    this.#reader = 'reading';
    if (this.#droppedCount > 0 && this.#options.dropped) this.#items.unshift(this.#options.dropped(this.#droppedCount));
    return { next: () => this.#next(), return: () => this.#leave() };
  }

  async #next(): Promise<IteratorResult<T>> {
    while (this.#items.length === 0) {
      if (this.#ended || this.#reader === 'gone') return { done: true, value: undefined };
      await new Promise<void>((resolve) => {
        this.#waiting = resolve;
      });
    }
    const value = this.#items.shift()!;
    if (this.#items.length < this.#limit) this.#wakeWriters();
    return { done: false, value };
  }

  async #leave(): Promise<IteratorResult<T>> {
    this.#reader = 'gone';
    this.#items = [];
    this.#wakeReader();
    this.#wakeWriters();
    return { done: true, value: undefined };
  }

  #wakeReader(): void {
    this.#waiting?.();
    this.#waiting = undefined;
  }

  #wakeWriters(): void {
    for (const resolve of this.#writers.splice(0)) resolve();
  }
}
