import { lstat, readdir, rmdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../clock.ts';
import type { StateFolder } from '../state/state-folder.ts';
import { removeFolder, type GenerationStore } from './generation-store.ts';

export interface EvictionLimits {
  /** An environment that was not used for so long goes; default 30 days. */
  readonly maxAgeMs: number;
  /** What all environments and the cache may take together; default 20 GiB. */
  readonly maxBytes: number;
  /** An environment that was used so recently stays, whatever the room; default 10 minutes. */
  readonly keepMs: number;
}

const DEFAULT_EVICTION_LIMITS: EvictionLimits = {
  maxAgeMs: 30 * 86_400_000,
  maxBytes: 20 * 1024 ** 3,
  keepMs: 600_000,
};

export interface Evicted {
  readonly keys: readonly string[];
  readonly cacheRemoved: boolean;
  /** What is left. */
  readonly bytes: number;
}

/** Bytes below a folder; a file with several names counts in shares, so that the sum over all folders is right. */
const sizeOf = async (folder: string): Promise<number> => {
  let total = 0;
  const pending = [folder];
  for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
    const entries = await readdir(at, { withFileTypes: true }).catch(() => []);
    const sizes = await Promise.all(
      entries.map(async (entry) => {
        const path = join(at as string, entry.name);
        if (entry.isDirectory()) {
          pending.push(path);
          return 0;
        }
        const found = await lstat(path).catch(() => undefined);
        return found ? (found.blocks * 512) / Math.max(1, found.nlink) : 0;
      }),
    );
    total += sizes.reduce((sum, size) => sum + size, 0);
  }
  return total;
};

export interface EvictOptions {
  readonly state: StateFolder;
  readonly store: GenerationStore;
  readonly clock: Clock;
  readonly inUse: ReadonlySet<string>;
  readonly limits?: Partial<EvictionLimits>;
}

/** Removes what is too old, then the longest unused until the rest fits, then the cache; never what is in use, is being built or was used just now. */
export const evictEnvironments = async ({
  state,
  store,
  clock,
  inUse,
  limits: given,
}: EvictOptions): Promise<Evicted> => {
  const limits = { ...DEFAULT_EVICTION_LIMITS, ...given };
  const names = await readdir(state.environments).catch(() => []);
  const candidates: { key: string; usedAt: number; bytes: number }[] = [];
  let bytes = 0;
  let building = false;
  for (const key of names.filter((name) => !name.startsWith('.'))) {
    const size = await sizeOf(state.environment(key));
    bytes += size;
    const generation = await store.newest(key);
    if (generation === undefined) continue;
    if ((await store.read(key, generation)).state === 'running') {
      building = true;
      continue;
    }
    const used = await stat(store.path(key, generation, 'plan.json')).catch(() => undefined);
    if (!inUse.has(key)) candidates.push({ key, usedAt: used?.mtimeMs ?? 0, bytes: size });
  }
  const cache = join(state.environments, '.cache');
  const cacheBytes = await sizeOf(cache);
  bytes += cacheBytes;

  const keys: string[] = [];
  const now = clock.now();
  for (const { key, usedAt, bytes: size } of candidates.sort((a, b) => a.usedAt - b.usedAt)) {
    const unusedMs = now - usedAt;
    if (unusedMs < limits.keepMs || (unusedMs <= limits.maxAgeMs && bytes <= limits.maxBytes)) continue;
    for (const generation of await store.generations(key)) await removeFolder(state.generation(key, generation));
    // Fails, and rightly, where a build has just begun.
    await rmdir(state.environment(key)).catch(() => undefined);
    keys.push(key);
    bytes -= size;
  }
  // Files that the removed environments shared with the cache are still there; without it only the next builds are slower.
  const cacheRemoved = bytes > limits.maxBytes && cacheBytes > 0 && !building;
  if (cacheRemoved) {
    await removeFolder(cache);
    bytes -= cacheBytes;
  }
  return { keys, cacheRemoved, bytes };
};
