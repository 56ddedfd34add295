import { join } from 'node:path';
import type { Clock } from '../clock.ts';
import type { AddressPolicy } from '../network/address-policy.ts';
import type { StateFolder } from '../state/state-folder.ts';
import { DEFAULT_LIMITS, type ContentLimits } from './content-limits.ts';
import type { ContentStore } from './content.ts';
import { DirContentStore } from './dir-content-store.ts';
import type { EvictionOptions } from './eviction.ts';
import { GitContentStore } from './git-content-store.ts';
import type { Locate } from './git-fetch.ts';
import { createGit, type GitOptions } from './git-process.ts';

export interface ContentStoreOptions extends GitOptions {
  readonly state: Pick<StateFolder, 'root' | 'git'>;
  /** Which hosts may be reached. */
  readonly network: AddressPolicy;
  /** Finds where a host has moved a repository; `createGitRefClient(…).locate`. Without it a moved repository is `host_down`. */
  readonly locate?: Locate;
  readonly clock: Clock;
  /** Bounds of one version of a repository. Defaults: 1 GiB, 200,000 files, 4,096 bytes a path, 300 s. */
  readonly limits?: Partial<ContentLimits>;
}

/** Content of every kind, and what keeping it needs. */
export interface KeptContentStore extends ContentStore {
  /** Takes a snapshot of a folder and returns its digest. Throws HubError `repo_not_found`, `clone_limit`, `policy` or `disk_full`. */
  snapshot(folder: string, signal: AbortSignal): Promise<string>;
  /** Whether a folder's snapshot of this digest is kept. */
  hasSnapshot(folder: string, digest: string): Promise<boolean>;
  /** Git's version; throws HubError `unhealthy`, with the cure, when it is missing or too old. */
  checkGit(): Promise<string>;
  /** Ends fetches that a hub which was killed left behind. */
  endOrphans(): Promise<void>;
  /** Deletes what was unused for long: 14 days, or the longest unused while commits or snapshots take over 10 GiB each. */
  gc(options?: EvictionOptions): Promise<void>;
}

/** Opens content by the kind of its source. */
export const createContentStore = (options: ContentStoreOptions): KeptContentStore => {
  const { state, network, clock } = options;
  const git = createGit(options);
  const limits: ContentLimits = { ...DEFAULT_LIMITS, ...options.limits };
  const locate: Locate = options.locate ?? (async (url) => url);
  const commits = new GitContentStore({ git, network, locate, clock, limits, folder: state.git });
  const snapshots = new DirContentStore({
    git,
    clock,
    limits,
    folder: join(state.root, 'dir'),
    hasGit: () =>
      commits.checkGit().then(
        () => true,
        () => false,
      ),
  });
  return {
    open: (source, how) => (source.kind === 'git' ? commits.open(source, how) : snapshots.open(source, how)),
    snapshot: (folder, signal) => snapshots.snapshot(folder, signal),
    hasSnapshot: (folder, digest) => snapshots.has(folder, digest),
    checkGit: () => commits.checkGit(),
    endOrphans: () => commits.endOrphans(),
    gc: async (how) => {
      await commits.gc(how);
      await snapshots.gc(how);
    },
  };
};
