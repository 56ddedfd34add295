import { execFile, spawn } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { extract } from 'tar-stream';
import { systemClock, type Clock } from '../../server/clock.ts';
import type { ContentLimits } from '../../server/content/content-limits.ts';
import { createContentStore, type KeptContentStore } from '../../server/content/content-store.ts';
import type { Content } from '../../server/content/content.ts';
import type { Spawn } from '../../server/content/git-process.ts';
import { HubError } from '../../server/errors.ts';
import { createAddressPolicy, type HostLookup } from '../../server/network/address-policy.ts';
import { createGitRefClient, type GitRefClient } from '../../server/providers/git-ref-client.ts';
import { stateFolder } from '../../server/state/state-folder.ts';

export interface ContentWorldOptions {
  readonly private?: readonly string[];
  readonly lookup?: HostLookup;
  readonly limits?: Partial<ContentLimits>;
  readonly clock?: Clock;
  readonly git?: string;
}

/** What one program was started with. */
export interface Started {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly pid: number | undefined;
}

/** A content store on a temporary state folder, with every program that it starts noted. */
export interface ContentWorld {
  readonly root: string;
  readonly store: KeptContentStore;
  readonly client: GitRefClient;
  readonly started: Started[];
  /** Names in `<state>/git`. */
  kept(): Promise<readonly string[]>;
  /** Programs of ours that still run, or whose helpers do. */
  running(): Promise<readonly number[]>;
  open(url: string, commit: string, signal?: AbortSignal): Promise<Content>;
  /** A store on the same state, as after a restart of the hub. */
  again(options?: ContentWorldOptions): KeptContentStore;
  close(): Promise<void>;
}

/** The process groups that have a living member; a dead one that init has not reaped yet is none. */
const livingGroups = async (): Promise<ReadonlySet<number>> => {
  const { stdout } = await promisify(execFile)('ps', ['-eo', 'pgid=,stat=']);
  const lines = stdout
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/));
  return new Set(lines.flatMap(([group, state = '']) => (state.startsWith('Z') ? [] : [Number(group)])));
};

export const createContentWorld = async (options: ContentWorldOptions = {}): Promise<ContentWorld> => {
  const root = await mkdtemp(join(tmpdir(), 'liveleaf-content-'));
  const started: Started[] = [];
  const spy = ((command: string, argv: readonly string[], how: { env: NodeJS.ProcessEnv }) => {
    const child = spawn(command, argv, how);
    started.push({ argv: [command, ...argv], env: how.env, pid: child.pid });
    return child;
  }) as unknown as Spawn;
  const make = (how: ContentWorldOptions) => {
    const network = createAddressPolicy({ private: how.private ?? ['127.0.0.1'] }, how.lookup);
    const client = createGitRefClient({ policy: network });
    const store = createContentStore({
      state: stateFolder(root),
      network,
      locate: client.locate,
      clock: how.clock ?? systemClock,
      spawn: spy,
      ...(how.limits === undefined ? {} : { limits: how.limits }),
      ...(how.git === undefined ? {} : { git: how.git }),
    });
    return { client, store };
  };
  const { client, store } = make(options);
  return {
    root,
    store,
    client,
    started,
    kept: () => readdir(join(root, 'git')).catch(() => []),
    running: async () => {
      const living = await livingGroups();
      return started.flatMap(({ pid }) => (pid !== undefined && living.has(pid) ? [pid] : []));
    },
    open: (url, commit, signal = new AbortController().signal) =>
      store.open({ kind: 'git', url, commit }, { signal, log: () => {} }),
    again: (how) => make({ ...options, ...how }).store,
    close: () => rm(root, { recursive: true, force: true, maxRetries: 5 }),
  };
};

/** The code that work fails with, or `ok`. */
export const codeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'ok',
    (error: unknown) => (error instanceof HubError ? error.code : `no code: ${String(error)}`),
  );

/** A tar's files by path: their content, or `-> target` for a link; folders end in `/`. */
export const untar = async (content: Content): Promise<Record<string, string>> => {
  const files: Record<string, string> = {};
  const tar = extract();
  tar.end(await buffer(content.archive()));
  for await (const entry of tar) {
    const { name, type, linkname } = entry.header;
    const body = await buffer(entry as AsyncIterable<Buffer>);
    files[name] = type === 'symlink' ? `-> ${linkname}` : body.toString();
  }
  return files;
};
