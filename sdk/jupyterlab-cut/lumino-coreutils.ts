import { randomUuid } from '../random-uuid.ts';

/** Stands in for @lumino/coreutils: what a kernel connection uses of it. */
export class PromiseDelegate<T> {
  readonly promise: Promise<T>;
  resolve!: (value: T | PromiseLike<T>) => void;
  reject!: (reason: unknown) => void;

  constructor() {
    this.promise = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
  }
}

export const JSONExt = { deepCopy: <T>(value: T): T => structuredClone(value) };

export const UUID = { uuid4: randomUuid };
