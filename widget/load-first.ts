import { startLoader, type FirstChunk } from './loader.ts';
import { preloadModule } from './preload-module.ts';

/** Filled in by the build. */
declare const LIVELEAF_FIRST: readonly [url: string, integrity: string];

/** Starts the loader with a first chunk that is fetched on intent, checked, and run on a click. */
export const loadFirst = (script: HTMLScriptElement | null, url: string): void => {
  const first = new URL(LIVELEAF_FIRST[0], url).href;
  let fetched: Promise<unknown> | undefined;
  const preload = (): Promise<unknown> => (fetched ??= preloadModule(first, LIVELEAF_FIRST[1], script?.nonce));
  const load = async (): Promise<FirstChunk> => {
    try {
      await preload();
    } catch (error) {
      fetched = undefined;
      throw error;
    }
    return (await import(first)) as FirstChunk;
  };
  startLoader(script, url, load, () => void preload().catch(() => 0));
};
