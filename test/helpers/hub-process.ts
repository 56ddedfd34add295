import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { stringify } from 'yaml';
import { pythonSide } from './python-side.ts';

const root = join(import.meta.dirname, '..', '..');
const READY = /^Liveleaf is ready at (http:\/\/\S+\/)$/m;

export interface HubProcess {
  /** The hub's address, ending in a slash. */
  readonly address: string;
  /** Where sessions are reached, ending in a slash. */
  readonly sessionAddress: string;
  readonly stateDir: string;
  readonly pid: number;
  /** All that it printed, of every life. */
  readonly output: () => string;
  /** Ends it as a crash would; what it started lives on. */
  kill(): Promise<void>;
  /** Starts it again on the same port and state. */
  start(): Promise<void>;
  /** Ends it as Ctrl-C does, and keeps its state for whoever looks at what is left. */
  interrupt(): Promise<void>;
  /** Ends it as Ctrl-C does, and removes its state. */
  stop(): Promise<void>;
}

/** Two neighbouring free ports: the hub's and its sessions'. */
const freePorts = async (): Promise<number> => {
  for (;;) {
    const first = createServer().listen(0, '127.0.0.1');
    await once(first, 'listening');
    const { port } = first.address() as { port: number };
    const second = createServer();
    const free = await new Promise<boolean>((resolve) => {
      second.once('error', () => resolve(false)).listen(port + 1, '127.0.0.1', () => resolve(true));
    });
    await new Promise((resolve) => first.close(resolve));
    if (free) await new Promise((resolve) => second.close(resolve));
    if (free && port < 65_000) return port;
  }
};

export interface HubOptions {
  /** Keys of the configuration file. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** Serve the demo pages; default false. */
  readonly demo?: boolean;
  readonly env?: NodeJS.ProcessEnv;
  /** The folder of another Python side; default the shared one. */
  readonly python?: string;
  /** The keys of another hub, to be a replica of it; default keys of its own. */
  readonly keysFile?: string;
}

/** Runs the built hub (dist/) as a process of its own, with its own state and the shared Python side. */
export const startHubProcess = async (options: HubOptions = {}): Promise<HubProcess> => {
  const { python } = await pythonSide();
  const folder = await mkdtemp(join(tmpdir(), 'liveleaf-hub-'));
  const stateDir = join(folder, 'state');
  await mkdir(stateDir, { mode: 0o700 });
  await symlink(options.python ?? dirname(dirname(python)), join(stateDir, 'python'));
  if (options.keysFile !== undefined) await copyFile(options.keysFile, join(stateDir, 'keys.json'));
  let port = 0;
  const configFile = join(folder, 'liveleaf.yaml');
  const args = [join(root, 'dist', 'server', 'main.js'), '--config', configFile];
  if (options.demo) args.push('--demo', join(root, 'demo'));

  let child: ChildProcess | undefined;
  let output = '';
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    const ended = child;
    child = undefined;
    if (!ended || ended.exitCode !== null || ended.signalCode !== null) return;
    const exit = once(ended, 'exit');
    ended.kill(signal);
    await exit;
  };
  const start = async (): Promise<void> => {
    const started = spawn(process.execPath, args, {
      cwd: folder,
      env: { ...process.env, ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    child = started;
    let printed = '';
    await new Promise<void>((resolve, reject) => {
      const take = (chunk: Buffer): void => {
        printed += chunk.toString();
        output += chunk.toString();
        if (READY.test(printed)) resolve();
      };
      started.stdout?.on('data', take);
      started.stderr?.on('data', take);
      started.once('exit', (code) => reject(new Error(`The hub ended with ${code} before it was ready:\n${printed}`)));
    });
  };
  for (let tries = 5; ; tries -= 1) {
    port = await freePorts();
    await writeFile(configFile, stringify({ port, stateDir, ...options.config }));
    try {
      await start();
      break;
    } catch (error) {
      // Tests that run beside this one look for free ports too.
      if (tries === 0 || !String(error).includes('is in use')) throw error;
    }
  }
  return {
    address: `http://127.0.0.1:${port}/`,
    sessionAddress: `http://127.0.0.1:${port + 1}/`,
    stateDir,
    get pid() {
      return child?.pid ?? 0;
    },
    output: () => output,
    kill: () => end('SIGKILL'),
    start,
    interrupt: () => end('SIGINT'),
    stop: async () => {
      await end('SIGINT');
      await rm(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
};
