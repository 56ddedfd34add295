import { startLoader, type FirstChunk } from './loader.ts';
import { preloadModule } from './preload-module.ts';

/** Filled in by the build. */
declare const LIVELEAF_FIRST: readonly [url: string, integrity: string];

/** Starts the loader with a first chunk that is fetched on intent, checked, and run on a click. */
export const loadFirst = (script: HTMLScriptElement | null | undefined, url: string): void => {
  const first = new URL(LIVELEAF_FIRST[0], url).href;
  let fetched: Promise<unknown> | undefined;
  // One that failed may be tried again.
  const preload = (): Promise<unknown> =>
    (fetched ??= preloadModule(first, LIVELEAF_FIRST[1], script?.nonce).catch((error: unknown) => {
      fetched = undefined;
      throw error;
    }));
  const load = async (): Promise<FirstChunk> => {
    await preload();
    return (await import(first)) as FirstChunk;
  };
  startLoader(script, url, load, () => void preload().catch(() => 0));
};
