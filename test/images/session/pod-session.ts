import { spawn, type ChildProcess } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RECEIVED_PARAMETER, sessionPath } from '../../../sdk/contract/index.ts';
import { askStatus, putContent, startKernel, type SessionAddress } from '../../../server/spawners/session-client.ts';
import { pythonSide } from '../../helpers/python-side.ts';
import {
  filesContent,
  makeEnvironment,
  newName,
  runCode,
  SCRIPTS,
  until,
} from '../../server/spawners/session-world.ts';

/** A session started as in a pod, but on this machine: HOME and TMPDIR are temporary folders, the port a free one. */
export interface PodSession {
  readonly address: SessionAddress & { readonly origin: string };
  /** The folder of HOME and TMPDIR. */
  readonly folder: string;
  readonly home: string;
  readonly prefix: string;
  readonly first: ChildProcess;
  /** What it wrote to stdout and stderr. */
  log(): string;
  /** Fills it and runs code in its kernel. */
  fill(files: Readonly<Record<string, string>>, path?: string): Promise<readonly string[]>;
  kernel(path?: string, variables?: Readonly<Record<string, string>>): Promise<string>;
  run(kernelId: string, code: string): Promise<string>;
  /** Every process below the first, and the first. */
  processes(): Promise<readonly number[]>;
  end(): Promise<void>;
}

const signal = () => AbortSignal.timeout(60_000);

const freePort = async (): Promise<number> => {
  const server = createServer();
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  await once(server.close(), 'close');
  return port;
};

const descendants = async (root: number): Promise<readonly number[]> => {
  const parents = new Map<number, number>();
  for (const pid of (await readdir('/proc')).filter((entry) => /^\d+$/.test(entry))) {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
    if (stat !== '') parents.set(Number(pid), Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]));
  }
  const found = new Set([root]);
  for (let size = 0; size !== found.size;) {
    size = found.size;
    for (const [pid, parent] of parents) if (found.has(parent)) found.add(pid);
  }
  return [...found].filter((pid) => parents.has(pid));
};

export interface PodSessionOptions {
  /** `null` starts the server without a kernel. */
  readonly kernel?: { path?: string; variables?: Readonly<Record<string, string>> } | null;
  /** In front of the command, such as a change of namespaces. `$FOLDER` is the folder that can be written. */
  readonly wrapper?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
}

export const startPodSession = async (options: PodSessionOptions = {}): Promise<PodSession> => {
  const { python } = await pythonSide();
  const folder = await mkdtemp(join(tmpdir(), 'll-pod-'));
  const [home, temporary, prefix] = ['home', 'tmp', 'env'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  for (const path of [home, temporary]) await mkdir(path);
  await makeEnvironment(python, prefix);
  const name = newName();
  const token = randomBytes(32).toString('base64url');
  const port = await freePort();
  const { kernel } = options;
  const interpreter = { prefix, python: join(prefix, 'bin', 'python'), displayName: 'Python (pod)' };
  const session = {
    baseUrl: sessionPath(name),
    tokenSha256: createHash('sha256').update(token).digest('hex'),
    features: { lab: true, terminals: false },
    limits: { contentBytes: 2 ** 30, contentEntries: 1_000 },
    received: RECEIVED_PARAMETER,
    listen: { address: '127.0.0.1', port },
    kernel: kernel === null ? null : { ...interpreter, path: kernel?.path ?? '', variables: kernel?.variables ?? {} },
  };
  const command = [...(options.wrapper ?? []), python, '-E', '-s', join(SCRIPTS, 'start.py')];
  const first = spawn(command[0] as string, command.slice(1), {
    env: {
      PATH: '/usr/local/bin:/usr/bin:/bin',
      LANG: 'C.UTF-8',
      HOME: home,
      TMPDIR: temporary,
      FOLDER: folder,
      LIVELEAF_SESSION: JSON.stringify(session),
      ...options.environment,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let log = '';
  for (const stream of [first.stdout, first.stderr]) stream.setEncoding('utf8').on('data', (text) => (log += text));
  const ended = once(first, 'exit');
  const address = { name, origin: `http://127.0.0.1:${port}`, token };

  const end = async (): Promise<void> => {
    const all = await descendants(first.pid ?? 0);
    first.kill('SIGTERM');
    await ended;
    await until(async () => (await Promise.all(all.map(descendants))).flat().length === 0);
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await until(async () => {
      if (first.exitCode !== null) throw new Error(`It ended with ${first.exitCode}: ${log}`);
      return askStatus(address, signal()).catch(() => false);
    }, 30_000);
  } catch (error) {
    if (first.exitCode === null) await end();
    throw error;
  }
  return {
    address,
    folder,
    home,
    prefix,
    first,
    log: () => log,
    fill: (files, path = '') => putContent(address, filesContent(files).archive(signal()), path, signal()),
    async kernel(path = '', variables = {}) {
      const request = { path, environment: 'e/1', variables, warm: false };
      return (await startKernel(address, request, signal())).id;
    },
    run: (kernelId, code) => runCode(name, address, kernelId, code),
    processes: () => descendants(first.pid ?? 0),
    end,
  };
};
