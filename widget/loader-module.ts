import { fetchChecked, useNonce } from './chunks.ts';
import { startLoader, type FirstChunk } from './loader.ts';

/** Filled in by the build. */
declare const LIVELEAF_FIRST: readonly [url: string, integrity: string];

const { url } = import.meta;
const script = [...document.scripts].find(({ src }) => src === url) ?? null;
const [file, integrity] = LIVELEAF_FIRST;
const first = new URL(file, url).href;
const preload = (): Promise<void> => fetchChecked(first, integrity);

useNonce(script?.nonce);

startLoader(
  script,
  url,
  async () => {
    await preload();
    return (await import(first)) as FirstChunk;
  },
  () => void preload().catch(() => 0),
);
