import { createHash } from 'node:crypto';
import { mkdir, readdir, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../clock.ts';
import { HubError } from '../errors.ts';
import { markedProcesses } from '../processes/marked-processes.ts';
import { contentSummary } from './content-notices.ts';
import type { Content, ContentSource, OpenContentOptions } from './content.ts';
import { evict, isOrphaned, temporaryName, type EvictionOptions } from './eviction.ts';
import { gitContent, inspectCommit, type Inspection } from './git-content.ts';
import { fetchError } from './git-fetch-errors.ts';
import { fetchCommit, type GitFetchParts } from './git-fetch.ts';
import { GitError } from './git-process.ts';
import { checkGitVersion } from './git-version.ts';
import { SharedWork } from './shared-work.ts';

type GitSource = Extract<ContentSource, { kind: 'git' }>;

export interface GitContentStoreParts extends GitFetchParts {
  /** The folder of bare repositories, one for each commit: `<state>/git`. */
  readonly folder: string;
  readonly clock: Clock;
}

const MARK = 'liveleaf.json';
/** How many paths of all commits looked at lately are kept in memory. */
const MAX_KEPT_PATHS = 200_000;
const FULL_COMMIT = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/;

const canonical = (url: string): string => {
  if (!URL.canParse(url)) throw new HubError('bad_spec', `${JSON.stringify(url.slice(0, 120))} is no address.`);
  return new URL(url).href.replace(/\/+$/, '');
};

/** Keeps commits of git repositories: `<digest of the address>.<commit>.git`, complete as soon as it has that name. */
export class GitContentStore {
  readonly #parts: GitContentStoreParts;
  readonly #opening = new SharedWork<Inspection>();
  readonly #inspected = new Map<string, Inspection>();
  #version: Promise<string> | undefined;

  constructor(parts: GitContentStoreParts) {
    this.#parts = parts;
  }

  async open(source: GitSource, { signal, log }: OpenContentOptions): Promise<Content> {
    const url = canonical(source.url);
    if (!FULL_COMMIT.test(source.commit))
      throw new HubError('ref_not_found', `${JSON.stringify(source.commit)} is no whole commit id.`);
    log(`Fetching ${url} at ${source.commit}.`);
    const repo = createHash('sha256').update(url).digest('hex').slice(0, 32);
    const id = `${repo}.${source.commit}`;
    const exact: GitSource = { kind: 'git', url, commit: source.commit };
    const inspection = await this.#opening.join(id, (shared) => this.#find(repo, id, exact, shared), signal);
    log(`${contentSummary(inspection.entries.length, inspection.bytes)}.`);
    return gitContent(this.#parts.git, this.#path(id), exact, inspection);
  }

  /** Deletes commits unused for long, and the longest unused while all take too much; never one used just now. */
  gc(options: EvictionOptions = {}): Promise<void> {
    return evict(this.#parts.folder, (name) => join(this.#parts.folder, name, MARK), this.#parts.clock, options);
  }

  /** Ends fetches that a killed hub left: they would go on for as long as their host sends something now and then. */
  async endOrphans(): Promise<void> {
    for (const { pid, mark } of await markedProcesses('GIT_DIR', join(this.#parts.folder, 'tmp-'))) {
      if (!isOrphaned(mark)) continue;
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It has ended by itself.
      }
    }
  }

  /** Throws HubError `unhealthy` when git is missing or too old; looks once, and again after a failure. */
  async checkGit(): Promise<string> {
    const { folder, git } = this.#parts;
    await mkdir(folder, { recursive: true, mode: 0o700 });
    this.#version ??= checkGitVersion(git, folder);
    try {
      return await this.#version;
    } catch (error) {
      this.#version = undefined;
      throw error;
    }
  }

  #path(id: string): string {
    return join(this.#parts.folder, `${id}.git`);
  }

  async #find(repo: string, id: string, source: GitSource, signal: AbortSignal): Promise<Inspection> {
    const gitDir = this.#path(id);
    const mark = join(gitDir, MARK);
    const isThere = await this.#touch(mark);
    const known = this.#inspected.get(id);
    this.#inspected.delete(id);
    if (!isThere) await this.checkGit();
    const inspection = isThere
      ? (known ?? (await inspectCommit(this.#parts.git, gitDir, this.#parts.limits, signal)))
      : await this.#fetch(repo, id, source, signal);
    this.#inspected.set(id, inspection);
    let paths = [...this.#inspected.values()].reduce((sum, { entries }) => sum + entries.length, 0);
    for (const [oldest, { entries }] of this.#inspected) {
      if (paths <= MAX_KEPT_PATHS) break;
      this.#inspected.delete(oldest);
      paths -= entries.length;
    }
    return inspection;
  }

  async #touch(mark: string): Promise<boolean> {
    const now = this.#parts.clock.now() / 1_000;
    return utimes(mark, now, now).then(
      () => true,
      () => false,
    );
  }

  async #fetch(repo: string, id: string, source: GitSource, signal: AbortSignal): Promise<Inspection> {
    const base = await this.#newest(repo);
    try {
      return await this.#fetchOnto(base, id, source, signal);
    } catch (error) {
      // An earlier commit can only help; should it be what is broken, the fetch begins without it.
      if (base === undefined || !(error instanceof GitError)) throw fetchError(error, source.url, source.commit);
    }
    return this.#fetchOnto(undefined, id, source, signal).catch((error: unknown) => {
      throw fetchError(error, source.url, source.commit);
    });
  }

  async #fetchOnto(base: string | undefined, id: string, source: GitSource, signal: AbortSignal) {
    const { folder, git, limits, clock } = this.#parts;
    const into = join(folder, `${temporaryName()}.git`);
    try {
      await fetchCommit(this.#parts, { ...source, into, signal, ...(base === undefined ? {} : { base }) });
      const inspection = await inspectCommit(git, into, limits, signal);
      const { url, commit } = source;
      await writeFile(
        join(into, MARK),
        JSON.stringify({ url, commit, bytes: inspection.bytes, fetchedAt: clock.now() }),
        {
          mode: 0o600,
        },
      );
      await rename(into, this.#path(id)).catch((error: NodeJS.ErrnoException) => {
        // Another hub on the same state was as fast: its copy is the same.
        if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
      });
      return inspection;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOSPC' || (error as NodeJS.ErrnoException).code === 'EDQUOT')
        throw new HubError('disk_full', "The hub's disk is full; its owner has to free some space.", { cause: error });
      throw error;
    } finally {
      await rm(into, { recursive: true, force: true, maxRetries: 3 });
    }
  }

  /** The commit of this repository that was used last. */
  async #newest(repo: string): Promise<string | undefined> {
    const names = (await readdir(this.#parts.folder)).filter((name) => name.startsWith(`${repo}.`));
    const used = await Promise.all(
      names.map(async (name) => ({
        name,
        at: await stat(join(this.#parts.folder, name, MARK)).then(
          ({ mtimeMs }) => mtimeMs,
          () => 0,
        ),
      })),
    );
    const newest = used.filter(({ at }) => at > 0).toSorted((a, b) => b.at - a.at)[0];
    return newest === undefined ? undefined : join(this.#parts.folder, newest.name);
  }
}
