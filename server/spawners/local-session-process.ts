import { spawn } from 'node:child_process';
import { open, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../clock.ts';
import { endProcess } from '../processes/end-process.ts';
import { markedProcesses } from '../processes/marked-processes.ts';
import { identify, isAlive, type ProcessIdentity } from '../processes/process-identity.ts';
import { writeAtomically, type SessionFolder } from './local-session-folder.ts';

/** Names the session in the environment of all its processes. */
const MARK_VARIABLE = 'LIVELEAF_SESSION';

/** What `monitor.py` does; written beside the session's record. Holds no secret. */
interface SessionJob {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly isolated: boolean;
  /** Folders that are covered, and what is shown in them again with whether it can be written. */
  readonly masked: readonly string[];
  readonly shown: readonly (readonly [path: string, writable: boolean])[];
  readonly limits: {
    readonly dataBytes: number;
    readonly openFiles: number;
    readonly fileBytes: number;
    readonly coreBytes: number;
  };
}

/** How a session's server ended by itself. */
export interface SessionExit {
  readonly code?: number;
  readonly signal?: number;
}

const MAX_LOG_BYTES = 2 ** 20;
/** Lines of a session's log that go into an error. */
const TAIL_LINES = 20;
const TAIL_BYTES = 8 * 1024;

const readJson = async <T>(path: string): Promise<T | undefined> => {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as T;
  } catch {
    return undefined;
  }
};

/** The process of a session that lives, whoever started it. */
export const liveProcess = async (folder: SessionFolder): Promise<ProcessIdentity | undefined> => {
  const identity = await readJson<ProcessIdentity>(folder.process);
  return identity !== undefined && (await isAlive(identity)) ? identity : undefined;
};

export const readExit = (folder: SessionFolder): Promise<SessionExit | undefined> => readJson<SessionExit>(folder.exit);

/** The last lines of a session's log. */
export const logTail = async (folder: SessionFolder): Promise<readonly string[]> => {
  const file = await open(folder.log, 'r').catch(() => undefined);
  if (file === undefined) return [];
  try {
    const { size } = await file.stat();
    const start = Math.max(0, size - TAIL_BYTES);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(TAIL_BYTES), 0, TAIL_BYTES, start);
    const lines = buffer.toString('utf8', 0, bytesRead).split('\n');
    return lines.filter((line) => line.trim() !== '').slice(-TAIL_LINES);
  } finally {
    await file.close();
  }
};

export interface StartSessionProcessOptions {
  readonly folder: SessionFolder;
  readonly python: string;
  /** The folder of `monitor.py`. */
  readonly scripts: string;
  readonly job: SessionJob;
  readonly clock: Clock;
}

/** Starts a session's process, which outlives the hub; resolves when it has written who it is. Throws when it ended before. */
export const startSessionProcess = async (options: StartSessionProcessOptions): Promise<ProcessIdentity> => {
  const { folder, clock } = options;
  for (const path of [folder.process, folder.exit, folder.socket]) await rm(path, { force: true });
  const { process: processFile, exit: exitFile, log: logFile } = folder;
  await writeAtomically(
    folder.job,
    JSON.stringify({ ...options.job, processFile, exitFile, logFile, logMaxBytes: MAX_LOG_BYTES }),
  );
  const child = spawn(options.python, ['-I', '-S', join(options.scripts, 'monitor.py'), folder.job], {
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe'],
    cwd: '/',
    env: { PATH: '/usr/bin:/bin' },
  });
  let ended: string | undefined;
  let complaint = '';
  child.once('error', (error) => (ended = error.message));
  child.once('exit', (code, signal) => (ended = `it ended with ${signal ?? code}`));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (complaint = (complaint + text).slice(-2000)));
  child.unref();
  for (let pauseMs = 2; ; pauseMs = Math.min(20, pauseMs * 2)) {
    const identity = await readJson<ProcessIdentity>(folder.process);
    // Whoever wrote it first: another hub over the same folder may have been faster.
    if (identity !== undefined && (await isAlive(identity))) return identity;
    if (ended !== undefined) throw new Error(`The session's process did not start: ${ended}. ${complaint}`.trim());
    await clock.sleep(pauseMs);
  }
};

/** Ends a session's whole process tree: its first process ends all of it. Without namespaces we look for what got away. */
export const endSessionProcess = async (
  folder: SessionFolder,
  isolated: boolean,
  mark: string,
  clock: Clock,
): Promise<void> => {
  const identity = await liveProcess(folder);
  if (identity !== undefined) await endProcess(identity, { clock, graceMs: 6_000 });
  if (isolated) return;
  await endMarked(mark, clock);
};

/** Ends every process that carries a mark beginning so. */
export const endMarked = async (
  mark: string,
  clock: Clock,
  keep: (mark: string) => boolean = () => false,
): Promise<void> => {
  for (const found of await markedProcesses(MARK_VARIABLE, mark)) {
    if (keep(found.mark) || found.pid === process.pid) continue;
    const identity = await identify(found.pid);
    if (identity !== undefined) await endProcess(identity, { clock, graceMs: 0 });
  }
};
