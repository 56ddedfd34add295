import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { base32Name } from '../../server/sessions/session-name.ts';
import { API, BINDERHUB } from '../../sdk/contract/index.ts';
import {
  connectKernel,
  launch,
  type Launch,
  type LaunchCreated,
  type LaunchOptions,
  type Server,
} from '../../sdk/index.ts';
import { PACES, startPacedBuilds, type Pace, type PacedBuilds } from './e2e-paced-builds.ts';
import { assertNothingLeft, openDescriptors, processesOf } from './e2e-traces.ts';
import { watchBuild, watchLaunch, type Watcher } from './e2e-watcher.ts';
import type { Files } from './git-repository.ts';
import { startGitServer, type GitServer } from './git-server.ts';
import { startHubProcess, type HubProcess } from './hub-process.ts';
import { startPackageIndex, type PackageIndex, type TestPackage } from './package-index.ts';
import { pythonSide } from './python-side.ts';

const run = promisify(execFile);

/** The hub's process, a git server and a package index of its own; everything real, and everything can be made to fail. */
export interface E2eWorld {
  readonly hub: HubProcess;
  readonly git: GitServer;
  readonly index: PackageIndex;
  readonly builds: PacedBuilds;
  /** Makes a repository `owner/<name>` and returns its spec; without requirements its environment is the same as all such. */
  repo(name: string, requirements?: readonly string[], files?: Files): Promise<string>;
  /** Makes a repository whose build goes at a pace; returns its spec and the requirement that sets the pace. */
  pacedRepo(name: string, pace: Pace): Promise<{ spec: string; paced: string }>;
  /** Launches by the SDK, as a page does. `hub` is another address of the same hub. */
  launch(spec: string, options?: Partial<LaunchOptions>): { launch: Launch; watcher: Watcher };
  /** Launches by BinderHub's address, as curl does. */
  build(spec: string): Watcher;
  /** Launches by the native API. */
  post(spec: string, key?: string): Promise<Response>;
  cancel(created: Pick<LaunchCreated, 'id' | 'token'>): Promise<Response>;
  /** Cancels the launch of a token, if there is one. */
  cancelToken(token: string | undefined): Promise<void>;
  /** Runs code in a launch's kernel as a page does; returns what it printed. */
  output(server: Server, code: string): Promise<string>;
  /** The records of all sessions. */
  records(): Promise<readonly Readonly<Record<string, unknown>>[]>;
  /** Pids of the Jupyter servers of all sessions. */
  servers(): Promise<readonly number[]>;
  /** Stops a session and waits until nothing of any is left. */
  stopAll(): Promise<void>;
  /** Asserts that nothing is left, ends all, and asserts that still nothing is left. */
  end(): Promise<void>;
}

export interface E2eWorldOptions {
  /** Keys of the hub's configuration, beside those that name the world; with a `pool` of its own, what is warm stays until the end. */
  readonly config?: Readonly<Record<string, unknown>>;
  readonly packages?: readonly TestPackage[];
  /** Names that the git server answers as a host does for private repositories. */
  readonly private?: readonly string[];
}

/** The kernel of the shared Python side, borrowed: what is built is small, what runs is a real kernel. */
const basePackages = async (python: string): Promise<TestPackage[]> => {
  const { stdout } = await run(python, ['-c', 'import sysconfig; print(sysconfig.get_path("purelib"))']);
  return [
    { name: 'ipykernel', version: '1.0', files: { 'borrowed.pth': stdout } },
    { name: 'pip', version: '1.0' },
    ...Array.from({ length: PACES }, (_, at) => ({ name: 'paced', version: String(at + 1) })),
  ];
};

/** A launch's id is the digest of its token. */
const idOf = (token: string): string => base32Name(createHash('sha256').update(token).digest());

/** Sentences of the hub's log that say that something went wrong inside it. */
const UNEXPECTED = /"level":(?:50|60)|unexpected error|a request failed|the proxy failed/;

export const startWorld = async (options: E2eWorldOptions = {}): Promise<E2eWorld> => {
  const { python } = await pythonSide();
  const version = (await run(python, ['-c', 'import sys; print("%d.%d" % sys.version_info[:2])'])).stdout.trim();
  const builds = await startPacedBuilds();
  const index = await startPackageIndex([...(await basePackages(python)), ...(options.packages ?? [])]);
  const git = await startGitServer({
    repos: { 'owner/plain': { 'runtime.txt': `python-${version}\n`, 'README.md': 'A repository.\n' } },
    private: options.private ?? [],
  });
  const hub = await startHubProcess({
    python: builds.python,
    config: {
      allow: ['gh/owner/*', `git/${git.address}/owner/*`],
      network: { private: ['127.0.0.1'] },
      providers: { gh: { host: git.address } },
      environments: { defaultIndex: index.url },
      pool: { servers: 0, sessions: 0 },
      ...options.config,
    },
    env: { UV_INDEX: '', UV_EXTRA_INDEX_URL: '', PIP_EXTRA_INDEX_URL: '' },
  });
  const hasPool = options.config?.['pool'] !== undefined;
  const descriptors = await openDescriptors(hub.pid);
  const address = hub.address.replace(/\/$/, '');
  const sessions = join(hub.stateDir, 'sessions');

  const repo: E2eWorld['repo'] = async (name, requirements = [], files = {}) => {
    const lines: Files = requirements.length === 0 ? {} : { 'requirements.txt': `${requirements.join('\n')}\n` };
    await git.commit(`owner/${name}`, { 'runtime.txt': `python-${version}\n`, ...lines, ...files });
    return `gh/owner/${name}/HEAD`;
  };

  const records: E2eWorld['records'] = async () => {
    const texts = await Promise.all(
      (await readdir(sessions)).map((name) => readFile(join(sessions, name, 'record.json'), 'utf8').catch(() => '')),
    );
    return texts.filter((text) => text !== '').map((text) => JSON.parse(text) as Record<string, unknown>);
  };

  /** Ends each launch that was begun. */
  const undo: (() => Promise<unknown>)[] = [];
  const cancel: E2eWorld['cancel'] = ({ id, token }) =>
    fetch(address + API.launch(id), { method: 'DELETE', headers: { authorization: `Bearer ${token}` } });

  const cancelToken: E2eWorld['cancelToken'] = async (token) => {
    if (token !== undefined) await cancel({ id: idOf(token), token });
  };

  const world: E2eWorld = {
    hub,
    git,
    index,
    builds,
    repo,
    pacedRepo: async (name, pace) => {
      const paced = await builds.set(pace);
      return { spec: await repo(name, [paced]), paced };
    },
    launch: (spec, change = {}) => {
      const started = launch(spec, { hub: address, ...change });
      undo.push(() => started.cancel());
      return { launch: started, watcher: watchLaunch(started) };
    },
    build: (spec) => {
      const stop = new AbortController();
      const { watcher, token } = watchBuild(address + BINDERHUB.build(spec), stop.signal);
      undo.push(async () => {
        stop.abort();
        await cancelToken(token());
      });
      return watcher;
    },
    post: (spec, key) =>
      fetch(address + API.launches, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...(key === undefined ? {} : { 'idempotency-key': key }) },
        body: JSON.stringify({ spec }),
      }),
    cancel,
    cancelToken,
    output: async (server, code) => {
      const kernel = await connectKernel(server, { signal: AbortSignal.timeout(60_000) });
      try {
        let printed = '';
        const execution = kernel.execute(code);
        for await (const output of execution) if (output.type === 'stream') printed += output.text;
        await execution.result;
        return printed.trim();
      } finally {
        kernel.dispose();
      }
    },
    records,
    servers: async () =>
      (await processesOf(hub.stateDir, [hub.pid]))
        .filter(({ command }) => command.includes('serve.py'))
        .map(({ pid }) => pid),
    stopAll: async () => {
      const ends = await Promise.allSettled(undo.splice(0).map((end) => end()));
      for (const end of ends) if (end.status === 'rejected') throw end.reason;
      if (!hasPool) await assertNothingLeft(hub.stateDir, hub.pid);
    },
    end: async () => {
      try {
        await world.stopAll();
        // Connections that clients keep for a while are theirs to close.
        const deadline = Date.now() + 10_000;
        while ((await openDescriptors(hub.pid)) > descriptors + 3 && Date.now() < deadline)
          await new Promise((resolve) => setTimeout(resolve, 100));
        const now = await openDescriptors(hub.pid);
        assert.ok(now <= descriptors + 3, `the hub holds ${now} descriptors open, ${descriptors} at its start`);
        await hub.interrupt();
        await assertNothingLeft(hub.stateDir, 0, 2_000);
        assert.deepEqual(await readdir(sessions), []);
        assert.deepEqual(await readdir(join(hub.stateDir, 'launches')), []);
        assert.doesNotMatch(hub.output(), UNEXPECTED);
      } finally {
        await hub.stop();
        await git.close();
        await index.close();
        await builds.close();
      }
    },
  };
  return world;
};
