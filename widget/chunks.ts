/** By name a chunk's address, its integrity, and the names of the chunks that it needs; filled in by the build. */
type ChunkTable = Readonly<Record<string, readonly [url: string, integrity: string, ...needs: string[]]>>;

declare const LIVELEAF_CHUNKS: ChunkTable;

let nonceOfPage: string | undefined;

/** The nonce of the page's script tag, for a policy that goes by nonces. */
export const useNonce = (nonce: string | undefined): void => {
  nonceOfPage = nonce;
};

const checked = new Map<string, Promise<void>>();

/** Fetches a module's file and compares it with its hash; rejects where it differs. A later `import()` takes these bytes. */
export const fetchChecked = (url: string, integrity: string, nonce = nonceOfPage): Promise<void> => {
  const known = checked.get(url);
  if (known) return known;
  const link = document.createElement('link');
  const done = new Promise<void>((resolve, reject) => {
    // Without this kind of link there is nothing to check with.
    if (!link.relList.supports('modulepreload')) return resolve();
    link.rel = 'modulepreload';
    link.integrity = integrity;
    link.crossOrigin = 'anonymous';
    if (nonce) link.nonce = nonce;
    link.onload = () => resolve();
    link.onerror = () => {
      checked.delete(url);
      reject(new Error(`${url} could not be loaded, or is not the file that belongs to this version.`));
    };
    link.href = url;
    document.head.append(link);
  }).finally(() => link.remove());
  checked.set(url, done);
  return done;
};

/** The build puts this around each `import()` of a chunk: nothing runs that was not checked. */
export const importChecked = async <Module>(name: string, load: () => Promise<Module>): Promise<Module> => {
  await fetchAll(name);
  return load();
};

const fetchAll = async (name: string): Promise<void> => {
  const [url, integrity, ...needs] = LIVELEAF_CHUNKS[name]!;
  await Promise.all([fetchChecked(new URL(url, import.meta.url).href, integrity), ...needs.map(fetchAll)]);
};
