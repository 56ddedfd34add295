import { execFile, spawn } from 'node:child_process';
import { open, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Clock } from '../clock.ts';
import { isAlive, type ProcessIdentity } from '../processes/process-identity.ts';

const run = promisify(execFile);

/** A program and arguments that run what follows so that its whole tree dies with it. */
const NAMESPACES = [
  'unshare',
  '--user',
  '--map-current-user',
  '--pid',
  '--mount',
  '--fork',
  '--kill-child',
  '--mount-proc',
];

/** The command that isolates builds on this machine, or undefined where namespaces cannot be had. */
export const probeBuildIsolation = async (): Promise<readonly string[] | undefined> => {
  if (process.platform !== 'linux') return undefined;
  try {
    await run(NAMESPACES[0] as string, [...NAMESPACES.slice(1), '--', 'true'], { timeout: 5000 });
    return [...NAMESPACES, '--'];
  } catch {
    return undefined;
  }
};

const WRAPPER = join(import.meta.dirname, '..', 'python', 'build', 'liveleaf_build.py');

/** Starts the detached process that runs a generation's `request.json`; it writes its own record. */
export const startBuildProcess = async (options: {
  readonly python: string;
  readonly folder: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly onExit: () => void;
}): Promise<void> => {
  const errors = await open(join(options.folder, 'wrapper.log'), 'a', 0o600);
  try {
    const child = spawn(options.python, ['-IB', WRAPPER, options.folder], {
      cwd: options.folder,
      detached: true,
      env: { ...options.environment },
      stdio: ['ignore', errors.fd, errors.fd],
    });
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', reject);
    });
    child.once('exit', options.onExit);
    child.unref();
  } finally {
    await errors.close();
  }
};

const kill = (pid: number): void => {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // Gone already.
  }
};

/** Ends what carries the build's marker: what left the process group where there is no namespace. */
const sweep = async (marker: string): Promise<number> => {
  if (process.platform !== 'linux') return 0;
  let found = 0;
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name) || Number(name) === process.pid) continue;
    const environment = await readFile(`/proc/${name}/environ`, 'latin1').catch(() => '');
    if (!environment.split('\0').includes(`LIVELEAF_BUILD=${marker}`)) continue;
    kill(Number(name));
    found += 1;
  }
  return found;
};

/** Ends a build's whole process tree and resolves when it is gone. */
export const endBuildProcess = async (
  identity: ProcessIdentity | undefined,
  marker: string,
  clock: Clock,
): Promise<void> => {
  if (identity && (await isAlive(identity))) {
    kill(-identity.pid);
    kill(identity.pid);
  }
  for (let round = 0; round < 50; round += 1) {
    const swept = await sweep(marker);
    const alive = identity !== undefined && (await isAlive(identity));
    if (swept === 0 && !alive) return;
    await clock.sleep(20);
  }
};
