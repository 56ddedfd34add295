import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..', '..', '..');

interface Ended {
  readonly status: number | null;
  readonly stdout: Buffer;
  readonly stderr: string;
  /** What it left as its termination message; undefined where it left none. */
  readonly result: unknown;
  readonly resultBytes: number;
  readonly durationMs: number;
}

interface Running {
  readonly kill: (signal: NodeJS.Signals) => void;
  /** Resolves once the standard output holds a text. */
  readonly said: (text: string) => Promise<void>;
  readonly ended: Promise<Ended>;
}

/** The scripts of a build pod in one folder, as the image has them, and a scratch folder. */
export interface BuildScripts {
  readonly folder: string;
  readonly scratch: string;
  /** Starts `python3 -I -S <script> …` with only these variables. */
  start(script: string, args?: readonly string[], variables?: Readonly<Record<string, string>>): Running;
  run(script: string, args?: readonly string[], variables?: Readonly<Record<string, string>>): Promise<Ended>;
  /** Runs a piece of Python that may import the scripts, with JSON as its standard input; returns the JSON that it prints. */
  evaluate(code: string, input?: unknown): Promise<unknown>;
  close(): Promise<void>;
}

/** Puts them together. */
export const openBuildScripts = async (): Promise<BuildScripts> => {
  const folder = await mkdtemp(join(tmpdir(), 'liveleaf-scripts-'));
  const scripts = join(folder, 'build');
  const scratch = join(folder, 'scratch');
  for (const from of ['server/python/build', 'images/session/build'])
    await cp(join(root, from), scripts, { recursive: true, filter: (path) => !path.endsWith('__pycache__') });
  await cp(scripts, scratch, { recursive: true, filter: (path) => path === scripts });
  let runs = 0;

  const launch = (args: readonly string[], variables: Readonly<Record<string, string>>, input?: string): Running => {
    const resultFile = join(folder, `result-${++runs}`);
    const startedAt = performance.now();
    const child = spawn('python3', ['-I', '-S', '-B', ...args], {
      env: { PATH: process.env['PATH'], LIVELEAF_RESULT: resultFile, ...variables },
      stdio: ['pipe', 'pipe', 'pipe'],
      cwd: scratch,
    });
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
    const out: Buffer[] = [];
    let stderr = '';
    const waiting = new Set<() => void>();
    child.stdout.on('data', (chunk: Buffer) => {
      out.push(chunk);
      for (const look of waiting) look();
    });
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    const ended = once(child, 'close').then(async ([status]): Promise<Ended> => {
      const durationMs = performance.now() - startedAt;
      const result = await readFile(resultFile).catch(() => undefined);
      return {
        status: status as number | null,
        stdout: Buffer.concat(out),
        stderr,
        result: result && (JSON.parse(result.toString()) as unknown),
        resultBytes: result?.length ?? 0,
        durationMs,
      };
    });
    const said = (text: string) =>
      new Promise<void>((resolve, reject) => {
        const look = () => {
          if (!Buffer.concat(out).includes(text)) return;
          waiting.delete(look);
          resolve();
        };
        waiting.add(look);
        void ended.then(({ stdout }) => reject(new Error(`it ended without saying “${text}”: ${stdout.toString()}`)));
        look();
      });
    return { kill: (signal) => void child.kill(signal), said, ended };
  };

  return {
    folder: scripts,
    scratch,
    start: (script, args = [], variables = {}) => launch([join(scripts, script), ...args], variables),
    run: (script, args = [], variables = {}) => launch([join(scripts, script), ...args], variables).ended,
    evaluate: async (code, input = null) => {
      const program = `import sys, json\nsys.path.insert(0, ${JSON.stringify(scripts)})\ngiven = json.load(sys.stdin)\n${code}`;
      const { status, stdout, stderr } = await launch(['-c', program], {}, JSON.stringify(input)).ended;
      if (status !== 0) throw new Error(stderr);
      return JSON.parse(stdout.toString()) as unknown;
    },
    close: () => rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 }),
  };
};
