import type { Clock } from '../clock.ts';
import type { Spawner } from '../spawners/spawner.ts';

export interface HousekeepingParts {
  readonly spawner: Pick<Spawner, 'list'> & { environmentsInUse(): Promise<readonly { readonly key: string }[]> };
  readonly builder: {
    evict(options: {
      readonly inUse: ReadonlySet<string>;
      readonly limits: { readonly maxBytes: number; readonly maxAgeMs: number };
    }): Promise<unknown>;
  };
  readonly content: { gc(): Promise<void> };
  readonly clock: Clock;
  readonly limits: { readonly maxBytes: number; readonly maxAgeMs: number };
  readonly onError: (error: unknown) => void;
}

const EVERY_MS = 10 * 60_000;

/** Removes environments and fetched content that are old or for which there is no room; never what is in use. */
const tidyOnce = async ({ spawner, builder, content, limits }: HousekeepingParts): Promise<void> => {
  const inUse = new Set((await spawner.environmentsInUse()).map(({ key }) => key));
  for (const { environment } of await spawner.list()) inUse.add(environment.key);
  await builder.evict({ inUse, limits });
  await content.gc();
};

/** Tidies now and then. Returns how to stop, which waits for what is under way. */
export const startHousekeeping = (parts: HousekeepingParts): (() => Promise<void>) => {
  const stop = new AbortController();
  const run = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      // Not at once: the first readers come first.
      await parts.clock.sleep(EVERY_MS, stop.signal).catch(() => undefined);
      if (!stop.signal.aborted) await tidyOnce(parts).catch(parts.onError);
    }
  };
  const running = run();
  return async () => {
    stop.abort();
    await running;
  };
};
