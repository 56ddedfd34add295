import { randomBytes } from 'node:crypto';
import { readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Clock } from '../clock.ts';

export interface EvictionOptions {
  /** What was not used for this long goes. Default 14 days. */
  readonly maxAgeMs?: number;
  /** The most that all may take together; the longest unused goes first. Default 10 GiB. */
  readonly maxBytes?: number;
  /** What was used within this time stays in any case. Default 1 h. */
  readonly keepMs?: number;
}

const LEFTOVER = /^(?:tmp|gone)-(\d+)-/;

const STALE_MS = 3_600_000;

/** A name for what is not complete yet (`tmp`) or no longer (`gone`); it tells which process works on it. */
export const temporaryName = (kind: 'tmp' | 'gone' = 'tmp'): string =>
  `${kind}-${process.pid}-${randomBytes(8).toString('hex')}`;

const isRunning = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
};

/** Whether a path is a temporary name's whose process is gone, so that nobody will ever finish it. */
export const isOrphaned = (path: string): boolean => {
  const worker = LEFTOVER.exec(basename(path))?.[1];
  return worker !== undefined && !isRunning(Number(worker));
};

/** What a folder or file takes, in bytes; links are counted, not followed. */
const sizeOf = async (path: string): Promise<number> => {
  const info = await stat(path).catch(() => undefined);
  if (info === undefined) return 0;
  if (!info.isDirectory()) return info.size;
  let bytes = 0;
  for (const entry of await readdir(path, { withFileTypes: true })) {
    if (!entry.isSymbolicLink()) bytes += await sizeOf(join(path, entry.name));
  }
  return bytes;
};

/**
 * Deletes what was unused for long from a folder of kept things, and leftovers of a hub that was killed.
 * `mark` names the file whose modification time says when an entry was last used.
 */
export const evict = async (
  folder: string,
  mark: (name: string) => string,
  clock: Clock,
  { maxAgeMs = 14 * 86_400_000, maxBytes = 10 * 1024 ** 3, keepMs = 3_600_000 }: EvictionOptions,
): Promise<void> => {
  const now = clock.now();
  const kept: { name: string; idleMs: number; bytes: number }[] = [];
  const remove = async (name: string): Promise<void> => {
    // Renamed first: an entry is either whole or gone, even when the hub is killed meanwhile.
    const gone = join(folder, temporaryName('gone'));
    await rename(join(folder, name), gone).catch(() => {});
    await rm(gone, { recursive: true, force: true, maxRetries: 3 });
  };
  for (const name of await readdir(folder).catch(() => [])) {
    const worker = LEFTOVER.exec(name)?.[1];
    if (worker !== undefined) {
      const begun = await stat(join(folder, name)).catch(() => undefined);
      // In a container every hub has the same pid, so age counts too.
      const isStale = begun !== undefined && now - begun.mtimeMs > STALE_MS;
      if (isStale || !isRunning(Number(worker))) await remove(name);
      continue;
    }
    const used = await stat(mark(name)).catch(() => undefined);
    if (used === undefined) continue;
    const idleMs = now - used.mtimeMs;
    if (idleMs > maxAgeMs && idleMs > keepMs) await remove(name);
    else kept.push({ name, idleMs, bytes: await sizeOf(join(folder, name)) });
  }
  let total = kept.reduce((sum, { bytes }) => sum + bytes, 0);
  for (const { name, idleMs, bytes } of kept.toSorted((a, b) => b.idleMs - a.idleMs)) {
    if (total <= maxBytes || idleMs <= keepMs) break;
    await remove(name);
    total -= bytes;
  }
};
