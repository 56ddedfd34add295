import { globalWorld, type World } from '../../sdk/world.ts';

/** What registers a suite: node:test, or mocha in a browser. */
export interface SuiteTools {
  describe(name: string, body: () => void): void;
  it(name: string, body: () => Promise<void>): void;
  after(body: () => Promise<void>): void;
  /** The address of a server of `test/helpers/browser-test-servers.ts`. */
  addressOf(server: 'fakeHub' | 'binderHub' | 'kernelLab'): string;
}

/** The world with time so many times as fast, for pauses and deadlines; the network stays as it is. */
export const fastWorld = (factor: number): World => {
  const world = globalWorld();
  const start = Date.now();
  return {
    ...world,
    now: () => start + (Date.now() - start) * factor,
    setTimeout: (callback, durationMs) => world.setTimeout(callback, durationMs / factor),
  };
};

export const readAll = async <T>(items: AsyncIterable<T>): Promise<T[]> => {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
};

/** The error that a promise rejects with. */
export const rejection = async (promise: Promise<unknown>): Promise<Error & { code?: string }> =>
  promise.then(
    (value) => {
      throw new Error(`resolved with ${JSON.stringify(value)}`);
    },
    (error: unknown) => error as Error,
  );

export const getJson = async <T>(address: string, method = 'GET'): Promise<T> =>
  (await fetch(address, { method })).json() as Promise<T>;
