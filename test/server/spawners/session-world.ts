import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { createHmac, randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { pack } from 'tar-stream';
import { WebSocket } from 'ws';
import { sessionPath } from '../../../sdk/contract/index.ts';
import type { BuiltEnvironment } from '../../../server/builders/builder.ts';
import { systemClock } from '../../../server/clock.ts';
import type { Content } from '../../../server/content/content.ts';
import { createLocalSpawner, type LocalSpawner } from '../../../server/spawners/local-spawner.ts';
import type { LocalSpawnerOptions } from '../../../server/spawners/local-spawner-options.ts';
import type { Launchable, SessionSeed, Upstream } from '../../../server/spawners/spawner.ts';
import { stateFolder } from '../../../server/state/state-folder.ts';
import { pythonSide } from '../../helpers/python-side.ts';

export const SCRIPTS = join(import.meta.dirname, '..', '..', '..', 'server', 'python', 'session');

/** A hub key of the test, from which upstream tokens follow: the same in every process of one test. */
const KEY = 'key-of-this-test';
export const upstreamToken = (session: string): string => createHmac('sha256', KEY).update(session).digest('base64url');

const ALPHABET = 'abcdefghijklmnopqrstuvwxyz234567';
export const newName = (): string => [...randomBytes(26)].map((byte) => ALPHABET[byte & 31]).join('');

/** Content of plain files, and raw entries of a tar beside them. */
export const filesContent = (
  files: Readonly<Record<string, string>>,
  raw: readonly { name: string; type?: 'symlink' | 'link'; linkname?: string; text?: string }[] = [],
): Content => ({
  source: { kind: 'dir', folder: '/nonexistent', digest: '0'.repeat(64) },
  notices: [],
  list: async () => [],
  read: async (path) => files[path],
  archive: () => {
    const archive = pack();
    for (const [name, text] of Object.entries(files)) archive.entry({ name }, text);
    for (const { name, type, linkname, text } of raw)
      if (type === undefined) archive.entry({ name }, text ?? '');
      else archive.entry({ name, type, linkname: linkname ?? '' });
    archive.finalize();
    return archive as unknown as ReturnType<Content['archive']>;
  },
});

export const seed = (change: Partial<SessionSeed> = {}): SessionSeed => ({
  launchId: randomBytes(12).toString('hex'),
  spec: 'dir/demo/./HEAD',
  resolvedRef: '0'.repeat(64),
  source: { kind: 'dir', folder: '/nonexistent', digest: '0'.repeat(64) },
  repoUrl: '',
  refUrl: '',
  repo: 'dir/demo/.',
  environment: {
    plan: {
      kind: 'python',
      python: '3.11',
      install: { from: 'nothing' },
      tools: { uv: '0', format: 1 },
      platform: 'linux',
    },
    key: 'k'.repeat(52),
    notices: [],
  },
  kernel: 'python3',
  path: '',
  profile: '',
  fetchLog: [],
  createdAt: Date.now(),
  ...change,
});

export interface SessionWorld {
  readonly folder: string;
  readonly options: LocalSpawnerOptions;
  readonly environment: BuiltEnvironment;
  launchable(files?: Readonly<Record<string, string>>, variables?: Readonly<Record<string, string>>): Launchable;
  spawner(change?: Partial<LocalSpawnerOptions>): Promise<LocalSpawner>;
  /** Ends every spawner and removes every file. */
  end(): Promise<void>;
}

const run = promisify(execFile);

/** An environment of its own without pip, which borrows its packages from the Python side. */
export const makeEnvironment = async (python: string, prefix: string): Promise<void> => {
  await run(python, ['-m', 'venv', '--without-pip', prefix]);
  const [version] = await readdir(join(prefix, 'lib'));
  const site = (root: string) => join(root, 'lib', version ?? '', 'site-packages');
  await writeFile(join(site(prefix), 'borrowed.pth'), `${site(dirname(dirname(python)))}\n`);
};

/** A temporary state folder with one small environment. `folder` continues in an earlier world. */
export const sessionWorld = async (given?: string): Promise<SessionWorld> => {
  const { python } = await pythonSide();
  const folder = given ?? (await mkdtemp(join(tmpdir(), 'll-')));
  const options: LocalSpawnerOptions = {
    state: stateFolder(join(folder, 'state')),
    sockets: join(folder, 'k'),
    python,
    scripts: SCRIPTS,
    clock: systemClock,
    log: { info: () => undefined, warn: () => undefined },
    newName,
    upstreamToken,
    warmServers: 0,
    warmSessions: 0,
    environment: { LANG: 'C.UTF-8', HUB_SECRET: 'must-stay-outside' },
  };
  const prefix = join(options.state.generation('k'.repeat(52), '1'), 'env');
  if (given === undefined) {
    await mkdir(options.state.root, { mode: 0o700 });
    await writeFile(options.state.keys, 'the keys of the hub', { mode: 0o600 });
    await makeEnvironment(python, prefix);
  }
  const environment: BuiltEnvironment = {
    key: 'k'.repeat(52),
    generation: '1',
    prefix,
    python: join(prefix, 'bin', 'python'),
    displayName: 'Python 3.11 (test)',
  };
  const spawners: LocalSpawner[] = [];
  // The clock's sleeps keep no process alive; a test's must.
  const awake = setInterval(() => undefined, 1_000);
  return {
    folder,
    options,
    environment,
    launchable: (files = { 'hello.txt': 'hello' }, variables = {}) => ({
      environment,
      content: filesContent(files),
      variables,
    }),
    async spawner(change = {}) {
      const spawner = await createLocalSpawner({ ...options, ...change });
      spawners.push(spawner);
      return spawner;
    },
    async end() {
      clearInterval(awake);
      for (const spawner of spawners) await spawner.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
};

const placeOf = ({ socketPath, origin }: Upstream) =>
  origin === undefined ? { socketPath } : { host: new URL(origin).hostname, port: new URL(origin).port };

/** One request to a session's server, as the proxy makes it. */
export const askSession = (
  name: string,
  upstream: Upstream,
  path: string,
  init: { method?: string; body?: string; token?: string } = {},
): Promise<{ status: number; text: string; location: string | undefined }> =>
  new Promise((resolve, reject) => {
    const asked = request(
      {
        ...placeOf(upstream),
        path: `${sessionPath(name)}${path}`,
        method: init.method ?? 'GET',
        agent: false,
        headers: { host: 'localhost', authorization: `token ${init.token ?? upstream.token}` },
      },
      (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (part: string) => (text += part));
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, text, location: response.headers.location }),
        );
      },
    );
    asked.on('error', reject);
    asked.end(init.body);
  });

/** Runs code in a kernel through the session's server; returns what it printed, or the error's name and text. */
export const runCode = (name: string, upstream: Upstream, kernelId: string, code: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const place = upstream.origin?.replace('http', 'ws') ?? `ws+unix:${upstream.socketPath}:`;
    const socket = new WebSocket(`${place}${sessionPath(name)}api/kernels/${kernelId}/channels`, {
      headers: { authorization: `token ${upstream.token}`, host: 'localhost' },
      handshakeTimeout: 30_000,
    });
    const id = randomBytes(8).toString('hex');
    let printed = '';
    const timer = setTimeout(() => socket.terminate(), 60_000);
    const header = { msg_id: id, username: '', session: id, msg_type: 'execute_request', version: '5.3' };
    const content = { code, silent: false, store_history: false, user_expressions: {}, allow_stdin: false };
    socket.on('open', () =>
      socket.send(JSON.stringify({ header, parent_header: {}, metadata: {}, content, channel: 'shell' })),
    );
    socket.on('message', (data) => {
      const message = JSON.parse(String(data)) as {
        parent_header: { msg_id?: string };
        header: { msg_type: string };
        content: { text?: string; ename?: string; evalue?: string; execution_state?: string };
      };
      if (message.parent_header.msg_id !== id) return;
      const { text, ename, evalue, execution_state } = message.content;
      if (message.header.msg_type === 'stream') printed += text;
      if (message.header.msg_type === 'error') printed += `${ename}: ${evalue}`;
      if (message.header.msg_type === 'status' && execution_state === 'idle') {
        clearTimeout(timer);
        socket.close();
        resolve(printed.trim());
      }
    });
    socket.on('error', reject);
    socket.on('close', () => {
      clearTimeout(timer);
      reject(new Error(`The kernel's socket closed; until then: ${printed}`));
    });
  });

/** Reserves, starts and returns a session that can be run in. */
export const launch = async (
  spawner: LocalSpawner,
  launchable: Launchable,
  change: Partial<SessionSeed> = {},
): Promise<{ name: string; upstream: Upstream; kernel: string; run: (code: string) => Promise<string> }> => {
  const { name } = await spawner.reserve(seed(change));
  const record = await spawner.start(name, launchable, () => undefined, new AbortController().signal);
  const upstream = spawner.upstream(name);
  if (upstream === undefined) throw new Error('The session is not running.');
  const kernel = record.kernelSession?.id ?? '';
  return { name, upstream, kernel, run: (code) => runCode(name, upstream, kernel, code) };
};

/** Waits until something holds; fails after `timeoutMs`. */
export const until = async (what: () => Promise<boolean> | boolean, timeoutMs = 10_000): Promise<void> => {
  const deadline = Date.now() + timeoutMs;
  while (!(await what())) {
    if (Date.now() > deadline) throw new Error(`Not so within ${timeoutMs} ms: ${String(what)}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
};

/** Pids of everything that runs for the sessions of a world: monitors by their argument, the rest by its mark. */
export const processesOf = async (folder: string): Promise<readonly number[]> => {
  const found: number[] = [];
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const [command, environment] = await Promise.all(
      ['cmdline', 'environ'].map((file) => readFile(`/proc/${name}/${file}`, 'utf8').catch(() => '')),
    );
    const monitor = command?.includes('monitor.py') && command.includes(folder);
    if (monitor || (environment?.includes('LIVELEAF_SESSION=') && environment.includes(folder)))
      found.push(Number(name));
  }
  return found;
};
