import assert from 'node:assert/strict';
import { readdir, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { socketFolder } from '../../server/state/state-folder.ts';

/** Everything of a hub that a test could leave on the machine, found from outside: by process table and folders. */
export interface Traces {
  /** Processes that name the hub's state in their arguments or environment: hub, monitors, servers, kernels, builds, git. */
  readonly processes: readonly { readonly pid: number; readonly command: string }[];
  /** Sessions that hold more than the record of a failure, which stays a minute for those who ask why. */
  readonly sessions: readonly string[];
  readonly sockets: readonly string[];
  /** Builds that were put aside or half made. */
  readonly unfinished: readonly string[];
}

const list = (folder: string): Promise<string[]> => readdir(folder).catch(() => []);

const read = (path: string): Promise<string> => readFile(path, 'latin1').catch(() => '');

/** Processes with the hub's state in their arguments or environment, except those of the given pids. */
export const processesOf = async (stateDir: string, except: readonly number[] = []): Promise<Traces['processes']> => {
  const found = await Promise.all(
    (await readdir('/proc'))
      .filter((name) => /^\d+$/.test(name) && !except.includes(Number(name)))
      .map(async (name) => {
        const [command, environment] = await Promise.all([
          read(`/proc/${name}/cmdline`),
          read(`/proc/${name}/environ`),
        ]);
        const mine = command.includes(stateDir) || environment.includes(stateDir);
        return mine ? { pid: Number(name), command: command.replaceAll('\0', ' ').slice(0, 600) } : undefined;
      }),
  );
  return found.filter((each) => each !== undefined);
};

const isOnlyFailure = async (folder: string): Promise<boolean> => {
  const names = await list(folder);
  if (names.length !== 1 || names[0] !== 'record.json') return false;
  const record = JSON.parse((await read(join(folder, 'record.json'))) || '{}') as { state?: string };
  return record.state === 'failed';
};

const socketsOf = (stateDir: string): string =>
  socketFolder(stateDir, { uid: process.getuid?.() ?? 0, runtimeDir: process.env['XDG_RUNTIME_DIR'] });

const tracesOf = async (stateDir: string, hubPid: number): Promise<Traces> => {
  const sessions: string[] = [];
  for (const name of await list(join(stateDir, 'sessions')))
    if (!(await isOnlyFailure(join(stateDir, 'sessions', name)))) sessions.push(name);
  const unfinished: string[] = [];
  for (const key of await list(join(stateDir, 'environments')))
    if (!key.startsWith('.'))
      for (const generation of await list(join(stateDir, 'environments', key)))
        if (!/^\d{6}$/.test(generation)) unfinished.push(`${key}/${generation}`);
  return {
    processes: await processesOf(stateDir, [hubPid]),
    sessions,
    sockets: await list(socketsOf(stateDir)),
    unfinished,
  };
};

/** A socket's state in the kernel's table. */
const LISTENING = '0A';

const NOTHING: Traces = { processes: [], sessions: [], sockets: [], unfinished: [] };

/** Asserts that a hub that runs has nothing left of what tests did; what is on its way out gets `timeoutMs`, default 10 s. */
export const assertNothingLeft = async (stateDir: string, hubPid: number, timeoutMs = 10_000): Promise<void> => {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const traces = await tracesOf(stateDir, hubPid);
    const isClean = Object.values(traces).every((left: readonly unknown[]) => left.length === 0);
    if (isClean || Date.now() > deadline) return assert.deepEqual(traces, NOTHING);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
};

/** What a process holds open for itself: files, pipes, sockets to sessions; not the connections that clients keep to it. */
export const openDescriptors = async (pid: number): Promise<number> => {
  const folder = `/proc/${pid}/fd`;
  const connections = new Set<string>();
  for (const table of ['tcp', 'tcp6'])
    for (const line of (await read(`/proc/${pid}/net/${table}`)).split('\n').slice(1)) {
      const fields = line.trim().split(/\s+/);
      if (fields[3] !== LISTENING && fields[9] !== undefined) connections.add(`socket:[${fields[9]}]`);
    }
  const targets = await Promise.all((await list(folder)).map((name) => readlink(join(folder, name)).catch(() => '')));
  return targets.filter((target) => target !== '' && !connections.has(target)).length;
};
