import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { isFullCommit } from '../../sdk/contract/index.ts';
import { buildApp, type HubApp, type HubParts } from '../../server/app.ts';
import { systemClock } from '../../server/clock.ts';
import type { Config } from '../../server/config/config.ts';
import { checkConfig } from '../../server/config/load-config.ts';
import type { Settings } from '../../server/config/config-values.ts';
import type { Content, ContentStore } from '../../server/content/content.ts';
import type { EnvironmentPlanner } from '../../server/environments/environment-planner.ts';
import { HubError } from '../../server/errors.ts';
import { createLog } from '../../server/log.ts';
import type { RepoProvider } from '../../server/providers/repo-provider.ts';
import { createOriginPolicy } from '../../server/proxy/origins.ts';
import { keyRing } from '../../server/sessions/key-ring.ts';
import { launchTokens } from '../../server/sessions/launch-tokens.ts';
import { newSessionName } from '../../server/sessions/session-name.ts';
import { sessionTokens } from '../../server/sessions/session-tokens.ts';
import { createFakeSpawner, type FakeSpawner } from '../../server/spawners/fake-spawner.ts';
import { createFakeBuilder, type FakeBuilder } from './fake-builder.ts';

const KEYS = keyRing([{ id: 'k1', secret: Buffer.alloc(32, 7).toString('base64url'), createdAt: 1 }]);

const digest = (text: string): string => createHash('sha1').update(text).digest('hex');

/** A source whose refs `absent`, `private` and `slow` do what they say; everything else resolves at once. */
const fakeProvider = (id: RepoProvider['id']): RepoProvider => ({
  id,
  display: {
    id,
    displayName: id === 'gh' ? 'GitHub' : id,
    spec: { validateRegex: '.+' },
    repo: { label: 'Repository', placeholder: 'owner/name' },
    ref: { enabled: true, default: 'HEAD' },
  },
  resolve: async (spec, signal) => {
    if (spec.ref === 'absent') throw new HubError('ref_not_found', 'There is no such ref.');
    if (spec.ref === 'private') throw new HubError('repo_not_found', 'The repository is absent or private.');
    if (spec.ref === 'slow') await systemClock.sleep(60_000, signal);
    if (spec.ref === 'bug') throw new TypeError('a secret detail of the implementation');
    const commit = isFullCommit(spec.ref) ? spec.ref : digest(`${spec.repo} ${spec.ref}`);
    return {
      spec,
      resolvedRef: commit,
      source: { kind: 'git', url: `https://example.org/${spec.repo}`, commit },
      repoUrl: `https://example.org/${spec.repo}`,
      refUrl: `https://example.org/${spec.repo}/tree/${commit}`,
    };
  },
});

const fakeContent: ContentStore = {
  open: async (source, { log }): Promise<Content> => {
    log('Fetching the repository');
    return {
      source,
      notices: ['The submodule data is absent'],
      list: async () => [],
      read: async () => undefined,
      archive: () => Readable.from([]),
    };
  },
};

/** One environment for each repository, whatever the commit. */
const fakePlanner: EnvironmentPlanner = {
  plan: async (content) => ({
    plan: {
      kind: 'python',
      python: '3.13.0',
      install: { from: 'nothing' },
      tools: { uv: '1', format: 1 },
      platform: 'test',
    },
    key: digest(content.source.kind === 'git' ? content.source.url : content.source.folder)
      .replace(/[^a-f2-7]/g, 'x')
      .padEnd(52, 'a'),
    notices: ['Using Python 3.13'],
  }),
};

/** Two neighbouring ports that are free now. */
const freePorts = async (): Promise<number> => {
  for (;;) {
    const first = createServer().listen(0, '127.0.0.1');
    await once(first, 'listening');
    const { port } = first.address() as { port: number };
    await new Promise((resolve) => first.close(resolve));
    if (port < 65_000) return port;
  }
};

export interface TestHubOptions {
  readonly settings?: Settings;
  readonly spawner?: FakeSpawner;
  readonly builder?: FakeBuilder;
  readonly parts?: Partial<HubParts>;
}

export interface TestHub {
  readonly address: string;
  readonly port: number;
  readonly config: Config;
  readonly app: HubApp;
  readonly spawner: FakeSpawner;
  readonly builder: FakeBuilder;
  /** Everything that was logged. */
  readonly logged: () => string;
  /** Stops this hub as a crash would and starts another over the same sessions and builds, on the same port. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

export const fakeSpawner = (options: Partial<Parameters<typeof createFakeSpawner>[0]> = {}): FakeSpawner =>
  createFakeSpawner({ clock: systemClock, newName: newSessionName, ...options });

/** A hub over fakes, on a port of its own. */
export const startTestHub = async (options: TestHubOptions = {}): Promise<TestHub> => {
  const port = await freePorts();
  const folder = await mkdtemp(join(tmpdir(), 'liveleaf-test-'));
  const spawner = options.spawner ?? fakeSpawner();
  const builder = options.builder ?? createFakeBuilder();
  let logged = '';
  const config = checkConfig({
    port,
    stateDir: folder,
    allow: ['gh/*', 'git/*'],
    log: { level: 'trace' },
    ...options.settings,
  });
  const hosts = [`127.0.0.1:${port}`, `localhost:${port}`];
  const parts: HubParts = {
    providers: [fakeProvider('gh'), fakeProvider('git')],
    content: fakeContent,
    planner: fakePlanner,
    builder,
    spawner,
    launchTokens: launchTokens(KEYS),
    sessionTokens: sessionTokens(KEYS, systemClock),
    policy: createOriginPolicy({
      hosts,
      origins: [...hosts.map((host) => `http://${host}`), ...config.origins],
    }),
    clock: systemClock,
    log: createLog('trace', { write: (line: string) => void (logged += line) }),
    version: '0.1.0',
    folders: { dist: join(folder, 'dist'), assets: join(import.meta.dirname, '..', '..', 'server', 'pages', 'assets') },
    addresses: {
      hub: `http://127.0.0.1:${port}/`,
      sessions: `http://127.0.0.1:${port + 1}/`,
      sessionHostSuffix: `localhost:${port + 1}`,
    },
    isolation: await spawner.describe(),
    ...options.parts,
  };
  const start = async (): Promise<HubApp> => {
    const app = await buildApp(config, parts);
    await app.server.listen({ host: '127.0.0.1', port, backlog: 8_192 });
    return app;
  };
  let app = await start();
  const hub: TestHub = {
    address: `http://127.0.0.1:${port}`,
    port,
    config,
    get app() {
      return app;
    },
    spawner,
    builder,
    logged: () => logged,
    restart: async () => {
      app.launcher.close();
      app.server.server.closeAllConnections();
      await app.close();
      app = await start();
      await app.launcher.resumeAll();
    },
    close: async () => {
      await app.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
  return hub;
};
