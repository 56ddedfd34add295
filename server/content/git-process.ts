import { spawn, type ChildProcess } from 'node:child_process';
import { Readable } from 'node:stream';
import { gitEnvironment } from './git-environment.ts';

/** One call of git. */
interface GitCommand {
  /** Subcommand and options: words of ours alone. */
  readonly words: readonly string[];
  /** Whatever came from outside; passed after `--`. */
  readonly operands?: readonly string[];
  readonly folder: string;
  readonly gitDir?: string;
  readonly protocols?: string;
  readonly settings?: Readonly<Record<string, string>>;
  readonly input?: string | Uint8Array;
  readonly signal?: AbortSignal;
  /** Takes the output as it comes; what it throws ends git and is thrown on. Without it, output is collected. */
  readonly onOutput?: (chunk: Buffer) => void;
  /** The largest file that git may write. Default 1 GiB. */
  readonly maxFileBytes?: number;
}

/** Thrown when git fails; `stderr` holds its last 8 KiB. */
export class GitError extends Error {
  override readonly name = 'GitError';
  readonly exitCode: number | null;
  readonly killedBy: NodeJS.Signals | null;
  readonly stderr: string;

  constructor(words: readonly string[], exitCode: number | null, killedBy: NodeJS.Signals | null, stderr: string) {
    super(`git ${words[0] ?? ''} ended with ${exitCode ?? killedBy}: ${stderr.trim().slice(-500)}`);
    this.exitCode = exitCode;
    this.killedBy = killedBy;
    this.stderr = stderr;
  }
}

/** Starts a program; injected, so that a test can see every byte of argv and environment. */
export type Spawn = typeof spawn;

/** Calls git, hardened: see `git-environment.ts`. */
export interface Git {
  /** Runs to the end; returns what was printed. Throws GitError, or the signal's reason after git and its helpers are gone. */
  run(command: GitCommand): Promise<Buffer>;
  /** Output as a stream, which errors when git fails. Git starts with the first read and ends with the stream. */
  stream(command: GitCommand): Readable;
}

export interface GitOptions {
  /** Default `git`, found in `searchPath`. */
  readonly git?: string;
  readonly searchPath?: string;
  readonly spawn?: Spawn;
}

const SEARCH_PATH = '/usr/local/bin:/usr/bin:/bin:/opt/homebrew/bin:/opt/local/bin';
const GIB = 1024 ** 3;
const MAX_STDERR = 8 * 1024;
/** Kibibytes of address space, seconds of processor time. A shell's `ulimit` is in 512-byte blocks for files. */
const MAX_MEMORY_KIB = 2 * 1024 * 1024;
const MAX_CPU_S = 600;

// What a system does not know (macOS has no -v) is left out silently.
const limits = (maxFileBytes: number): string =>
  ['ulimit -c 0', `ulimit -f ${Math.ceil(maxFileBytes / 512)}`, `ulimit -v ${MAX_MEMORY_KIB}`, `ulimit -t ${MAX_CPU_S}`]
    .map((limit) => `${limit} 2>/dev/null;`)
    .join(' ') + ' exec "$@"';

interface Ended {
  readonly code: number | null;
  readonly killedBy: NodeJS.Signals | null;
}

/** Kills a process with the helpers that it started: they share its process group. */
const killTree = (child: ChildProcess): void => {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    child.kill('SIGKILL');
  }
};

export const createGit = ({ git = 'git', searchPath = SEARCH_PATH, spawn: start = spawn }: GitOptions = {}): Git => {
  const begin = (command: GitCommand) => {
    command.signal?.throwIfAborted();
    const child = start(
      '/bin/sh',
      [
        '-c',
        limits(command.maxFileBytes ?? GIB),
        'sh',
        git,
        ...command.words,
        ...(command.operands === undefined ? [] : ['--', ...command.operands]),
      ],
      {
        cwd: command.folder,
        env: gitEnvironment({ ...command, searchPath }),
        // A group of its own, so that its helpers can be ended with it.
        detached: true,
        stdio: ['pipe', 'pipe', 'pipe'],
      },
    );
    let stderr = '';
    child.stderr.on('data', (chunk: Buffer) => {
      stderr = (stderr + chunk.toString()).slice(-MAX_STDERR);
    });
    child.stdin.on('error', () => {});
    child.stdin.end(command.input);
    let isClosed = false;
    // Also when git itself is gone: a helper of its may live on, and hold the pipes that we wait for.
    const stop = (): void => {
      if (!isClosed) killTree(child);
    };
    command.signal?.addEventListener('abort', stop, { once: true });
    const ended = new Promise<Ended>((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (code, killedBy) => {
        isClosed = true;
        resolve({ code, killedBy });
      });
    }).finally(() => command.signal?.removeEventListener('abort', stop));
    ended.catch(() => {});
    const finish = async (): Promise<void> => {
      const { code, killedBy } = await ended;
      command.signal?.throwIfAborted();
      if (code !== 0) throw new GitError(command.words, code, killedBy, stderr);
    };
    return { child, ended, finish, stop };
  };

  return {
    run: async (command) => {
      const { child, ended, finish, stop } = begin(command);
      const chunks: Buffer[] = [];
      let broken: { readonly error: unknown } | undefined;
      child.stdout.on('data', (chunk: Buffer) => {
        if (broken !== undefined) return;
        try {
          if (command.onOutput === undefined) chunks.push(chunk);
          else command.onOutput(chunk);
        } catch (error) {
          broken = { error };
          stop();
        }
      });
      await ended.catch(() => {});
      if (broken !== undefined) throw broken.error;
      await finish();
      return Buffer.concat(chunks);
    },
    stream: (command) => {
      const chunks = async function* () {
        const { child, ended, finish, stop } = begin(command);
        try {
          yield* child.stdout as AsyncIterable<Buffer>;
          await finish();
        } finally {
          stop();
          await ended.catch(() => {});
        }
      };
      return Readable.from(chunks(), { objectMode: false });
    },
  };
};
