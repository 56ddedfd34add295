import { preloadModule } from './preload-module.ts';

/** By name a chunk's address, its integrity, and the names of the chunks that it needs; filled in by the build. */
type ChunkTable = Readonly<Record<string, readonly [url: string, integrity: string, ...needs: string[]]>>;

declare const LIVELEAF_CHUNKS: ChunkTable;

let nonceOfPage: string | undefined;

/** The nonce of the page's script tag, for a policy that goes by nonces. */
export const useNonce = (nonce: string | undefined): void => {
  nonceOfPage = nonce;
};

const checked = new Map<string, Promise<unknown>>();

/** The build puts this around each `import()` of a chunk: nothing runs that was not checked. */
export const importChecked = async <Module>(name: string, load: () => Promise<Module>): Promise<Module> => {
  await check(name);
  return load();
};

/** Fetches and checks a chunk and what it needs, without running any of it. */
const check = (name: string): Promise<unknown> => {
  const known = checked.get(name);
  if (known) return known;
  const [file, integrity, ...needs] = LIVELEAF_CHUNKS[name]!;
  const own = preloadModule(new URL(file, import.meta.url).href, integrity, nonceOfPage);
  const all = Promise.all([own, ...needs.map(check)]).catch(() => {
    checked.delete(name);
    throw new Error(`${file} was not loaded, or was altered.`);
  });
  checked.set(name, all);
  return all;
};
