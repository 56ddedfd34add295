import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { probeBuildIsolation } from '../../server/builders/build-process.ts';
import {
  createLocalBuilder,
  type LocalBuilder,
  type LocalBuilderOptions,
} from '../../server/builders/local-builder.ts';
import type { BuildStatus } from '../../server/builders/builder.ts';
import { systemClock } from '../../server/clock.ts';
import { environmentKey } from '../../server/environments/environment-key.ts';
import { findInterpreters, type Interpreter } from '../../server/environments/interpreters.ts';
import type { PythonPlan } from '../../server/environments/plan.ts';
import { stateFolder } from '../../server/state/state-folder.ts';
import { fakeContent } from './fake-content.ts';
import { BASE_PACKAGES, startPackageIndex, type PackageIndex, type TestPackage } from './package-index.ts';
import { pythonSide } from './python-side.ts';

/** A state folder, an index and builders on it, for one test. */
export interface Bench {
  readonly root: string;
  readonly index: PackageIndex;
  readonly interpreter: Interpreter;
  readonly builder: LocalBuilder;
  /** What a builder is made of, for a second one. */
  readonly options: LocalBuilderOptions;
  plan(...requirements: string[]): PythonPlan;
  /** Starts a build and follows it to its end. */
  build(plan: PythonPlan, content?: ReturnType<typeof fakeContent>): Promise<Built>;
  log(key: string, generation: string, skip?: number): Promise<{ line: number; message: string }[]>;
  /** Processes of any build on this state folder. */
  processes(): Promise<number[]>;
  close(): Promise<void>;
}

interface Built {
  readonly key: string;
  readonly generation: string;
  readonly status: BuildStatus;
  readonly messages: readonly string[];
}

export const EMPTY = fakeContent({});

export const openBench = async (
  packages: readonly TestPackage[] = [],
  change: Partial<LocalBuilderOptions> = {},
): Promise<Bench> => {
  // The clock's timers let a process end; a test must not.
  const alive = setInterval(() => undefined, 1000);
  const root = await mkdtemp(join(tmpdir(), 'liveleaf-build-'));
  const index = await startPackageIndex([...BASE_PACKAGES, ...packages]);
  const { python, uv } = await pythonSide();
  const [interpreter] = await findInterpreters({ environment: {}, also: [python] });
  if (!interpreter) throw new Error('the Python side has no interpreter');
  const isolation = await probeBuildIsolation();
  const options: LocalBuilderOptions = {
    state: stateFolder(root),
    python,
    uv,
    interpreter: async (version) => (version === interpreter.version ? interpreter.path : undefined),
    clock: systemClock,
    onError: (error) => {
      throw error;
    },
    index: { defaultIndex: index.url },
    ...(isolation ? { isolation } : {}),
    ...change,
  };
  const builder = createLocalBuilder(options);
  const never = new AbortController().signal;

  const log: Bench['log'] = async (key, generation, skip = 0) => {
    const lines = [];
    for await (const { line, message } of builder.log(key, generation, { building: skip, pushing: 0 }, never))
      lines.push({ line, message });
    return lines;
  };

  return {
    root,
    index,
    interpreter,
    builder,
    options,
    plan: (...requirements) => ({
      kind: 'python',
      python: interpreter.version,
      install:
        requirements.length === 0
          ? { from: 'nothing' }
          : {
              from: 'requirements',
              lines: requirements.map((text, at) => ({ text, file: 'requirements.txt', line: at + 1 })),
              options: [],
            },
      tools: { uv: '0', format: 1 },
      platform: 'test',
    }),
    build: async (plan, content = EMPTY) => {
      const key = environmentKey(plan);
      const generation = await builder.start(key, plan, content);
      const messages = (await log(key, generation)).map(({ message }) => message);
      return { key, generation, messages, status: await builder.wait(key, generation, never) };
    },
    log,
    processes: async () => {
      const found: number[] = [];
      for (const name of await readdir('/proc')) {
        if (!/^\d+$/.test(name)) continue;
        const environment = await readFile(`/proc/${name}/environ`, 'latin1').catch(() => '');
        if (environment.includes(`UV_CACHE_DIR=${root}/`)) found.push(Number(name));
      }
      return found;
    },
    close: async () => {
      try {
        await builder.close();
        await index.close();
        await rm(root, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
      } finally {
        clearInterval(alive);
      }
    },
  };
};
