import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../clock.ts';
import { HubError } from '../errors.ts';
import type { ContentLimits } from './content-limits.ts';
import { contentSummary } from './content-notices.ts';
import type { Content, ContentSource, OpenContentOptions } from './content.ts';
import { dirContent } from './dir-content.ts';
import { takeSnapshot, type SnapshotIndex } from './dir-snapshot.ts';
import { evict, temporaryName, type EvictionOptions } from './eviction.ts';
import { listFolder, realFolder } from './folder-files.ts';
import type { Git } from './git-process.ts';
import { SharedWork } from './shared-work.ts';

type DirSource = Extract<ContentSource, { kind: 'dir' }>;

export interface DirContentStoreParts {
  /** The folder of snapshots: `<state>/dir`. */
  readonly folder: string;
  readonly git: Git;
  /** Whether the machine has a git that can be used. */
  readonly hasGit: () => Promise<boolean>;
  readonly clock: Clock;
  readonly limits: ContentLimits;
}

const INDEX = 'index.json';
const DATA = 'data';
const MAX_REMEMBERED = 1_000;
/** A change right after another may leave the file's times as they were; only what has rested this long is trusted. */
const SETTLED_MS = 2_000;

/** Keeps snapshots of folders: `<digest of the folder's path>.<digest of the content>/{index.json,data}`. */
export class DirContentStore {
  readonly #parts: DirContentStoreParts;
  /** What a folder looked like when its last snapshot was taken: while it does, nothing is read again. */
  readonly #last = new Map<string, { signature: string; digest: string }>();
  readonly #taking = new SharedWork<SnapshotIndex>();

  constructor(parts: DirContentStoreParts) {
    this.#parts = parts;
  }

  /** Takes a snapshot of what a folder holds now and returns its digest. Throws HubError `repo_not_found`, `clone_limit`, `policy` or `disk_full`. */
  async snapshot(folder: string, signal: AbortSignal): Promise<string> {
    const real = await realFolder(folder);
    return (await this.#taking.join(real, (shared) => this.#take(real, shared), signal)).digest;
  }

  /** Whether a folder's snapshot of this digest is kept. */
  async has(folder: string, digest: string): Promise<boolean> {
    return (await this.#index(await realFolder(folder), digest)) !== undefined;
  }

  async open(source: DirSource, { signal, log }: OpenContentOptions): Promise<Content> {
    const folder = await realFolder(source.folder);
    let index = await this.#index(folder, source.digest);
    if (index === undefined && (await this.snapshot(folder, signal)) === source.digest)
      index = await this.#index(folder, source.digest);
    if (index === undefined)
      throw new HubError(
        'ref_not_found',
        `The folder has changed since ${source.digest.slice(0, 12)}…, which is kept no longer; use HEAD for what it holds now.`,
      );
    const now = this.#parts.clock.now() / 1_000;
    await utimes(join(this.#path(folder, source.digest), INDEX), now, now).catch(() => {});
    log(`Reading the folder as of ${source.digest}.`);
    log(`${contentSummary(index.entries.length, index.bytes)}.`);
    return dirContent(join(this.#path(folder, source.digest), DATA), source, index);
  }

  /** Deletes snapshots as GitContentStore.gc deletes commits. */
  gc(options: EvictionOptions = {}): Promise<void> {
    return evict(this.#parts.folder, (name) => join(this.#parts.folder, name, INDEX), this.#parts.clock, options);
  }

  // The folder's path is in the name, so that the digest of one root's content opens nothing through another root.
  #path(folder: string, digest: string): string {
    const id = createHash('sha256').update(folder).digest('hex').slice(0, 32);
    return join(this.#parts.folder, `${id}.${digest}`);
  }

  async #index(folder: string, digest: string): Promise<SnapshotIndex | undefined> {
    if (!/^[0-9a-f]{64}$/.test(digest)) return undefined;
    const text = await readFile(join(this.#path(folder, digest), INDEX), 'utf8').catch(() => undefined);
    return text === undefined ? undefined : (JSON.parse(text) as SnapshotIndex);
  }

  async #take(folder: string, signal: AbortSignal): Promise<SnapshotIndex> {
    const { limits, git, hasGit } = this.#parts;
    await mkdir(this.#parts.folder, { recursive: true, mode: 0o700 });
    const usable = (await hasGit()) ? git : undefined;
    const listedMs = this.#parts.clock.now();
    const files = await listFolder(usable, folder, limits.maxFiles, signal);
    const last = this.#last.get(folder);
    const same = last?.signature === files.signature ? await this.#index(folder, last.digest) : undefined;
    if (same !== undefined) return same;
    const into = join(this.#parts.folder, temporaryName());
    try {
      await mkdir(into, { mode: 0o700 });
      const request = { folder, limits, signal, files, ...(usable === undefined ? {} : { git: usable }) };
      const index = await takeSnapshot(request, join(into, DATA));
      await writeFile(join(into, INDEX), JSON.stringify(index), { mode: 0o600 });
      await rename(into, this.#path(folder, index.digest)).catch((error: NodeJS.ErrnoException) => {
        // The same content is kept already.
        if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
      });
      if (this.#last.size >= MAX_REMEMBERED) this.#last.clear();
      if (files.changedMs < listedMs - SETTLED_MS)
        this.#last.set(folder, { signature: files.signature, digest: index.digest });
      return index;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ENOSPC' || code === 'EDQUOT')
        throw new HubError('disk_full', "The hub's disk is full; its owner has to free some space.", { cause: error });
      throw error;
    } finally {
      await rm(into, { recursive: true, force: true, maxRetries: 3 });
    }
  }
}
