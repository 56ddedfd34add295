import { execFile } from 'node:child_process';
import { access, constants, readdir, realpath } from 'node:fs/promises';
import { basename, delimiter, dirname, isAbsolute, join } from 'node:path';
import { promisify } from 'node:util';

/** A Python that environments can be made from. */
export interface Interpreter {
  /** `3.13.0` */
  readonly version: string;
  /** Absolute, and no virtual environment's. */
  readonly path: string;
}

/** Versions that a current kernel and uv support: minor versions of Python 3. */
const SUPPORTED_MINORS = { oldest: 8, newest: 14 } as const;

const run = promisify(execFile);

/** Prints version and the interpreter beneath a virtual environment; fails on Python 2 and on what is no CPython. */
const PROBE = `
import json, os, sys
base = getattr(sys, "_base_executable", None) or sys.executable
json.dump({"version": "%d.%d.%d" % sys.version_info[:3], "final": sys.version_info[3] == "final",
           "implementation": sys.implementation.name, "path": base, "threads": not hasattr(sys, "_is_gil_enabled") or sys._is_gil_enabled()}, sys.stdout)
`;

const PROBE_TIMEOUT_MS = 10_000;

const inspect = async (
  path: string,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<Interpreter | undefined> => {
  try {
    const { stdout } = await run(path, ['-I', '-S', '-c', PROBE], {
      timeout: PROBE_TIMEOUT_MS,
      env: { PATH: environment['PATH'] ?? '/usr/bin:/bin', HOME: environment['HOME'] ?? '/' },
    });
    const found = JSON.parse(stdout) as {
      version: string;
      final: boolean;
      implementation: string;
      path: string;
      threads: boolean;
    };
    const minor = Number(found.version.split('.')[1]);
    const fits =
      found.final &&
      found.threads &&
      found.implementation === 'cpython' &&
      isAbsolute(found.path) &&
      found.version.startsWith('3.') &&
      minor >= SUPPORTED_MINORS.oldest &&
      minor <= SUPPORTED_MINORS.newest;
    return fits ? { version: found.version, path: await realpath(found.path) } : undefined;
  } catch {
    return undefined;
  }
};

const NAME = /^python3(\.\d+)?$/;

const list = async (folder: string): Promise<string[]> => {
  try {
    return await readdir(folder);
  } catch {
    return [];
  }
};

/** Programs named like an interpreter in the folders of PATH; a folder of shims stands for the versions beside it. */
const candidates = async (path: string): Promise<string[]> => {
  const found: string[] = [];
  for (const folder of path.split(delimiter).filter(isAbsolute)) {
    if (basename(folder) === 'shims') {
      const versions = join(dirname(folder), 'versions');
      for (const version of (await list(versions)).sort()) found.push(join(versions, version, 'bin', 'python3'));
      continue;
    }
    for (const name of (await list(folder)).filter((entry) => NAME.test(entry)).sort()) found.push(join(folder, name));
  }
  return found;
};

/** Interpreters that uv installed itself, which need not be on PATH. */
const fromUv = async (uv: string, environment: Readonly<Record<string, string | undefined>>): Promise<string[]> => {
  try {
    const argv = [
      'python',
      'list',
      '--only-installed',
      '--managed-python',
      '--no-config',
      '--offline',
      '--output-format',
      'json',
    ];
    const { stdout } = await run(uv, argv, {
      timeout: PROBE_TIMEOUT_MS,
      env: { PATH: environment['PATH'] ?? '', HOME: environment['HOME'] ?? '/' },
    });
    return (JSON.parse(stdout) as { path: string | null }[]).flatMap(({ path }) => (path ? [path] : []));
  } catch {
    return [];
  }
};

export interface FindInterpretersOptions {
  /** The hub's own environment: PATH and HOME are used. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly uv?: string;
  /** Further interpreters to look at, such as the hub's own Python. */
  readonly also?: readonly string[];
}

/** The interpreters that this machine has, newest first, one of each version; PATH's order decides between two of a version. */
export const findInterpreters = async ({
  environment,
  uv,
  also = [],
}: FindInterpretersOptions): Promise<readonly Interpreter[]> => {
  const paths = [
    ...(await candidates(environment['PATH'] ?? '')),
    ...also,
    ...(uv ? await fromUv(uv, environment) : []),
  ];
  const real = new Map<string, string>();
  for (const path of paths) {
    try {
      await access(path, constants.X_OK);
      const key = await realpath(path);
      if (!real.has(key)) real.set(key, path);
    } catch {
      // A broken link, or not ours to run.
    }
  }
  const found = await Promise.all([...real.values()].map((path) => inspect(path, environment)));
  const byVersion = new Map<string, Interpreter>();
  for (const interpreter of found)
    if (interpreter && !byVersion.has(interpreter.version)) byVersion.set(interpreter.version, interpreter);
  return [...byVersion.values()].sort((a, b) => compareVersions(b.version, a.version));
};

/** Compares dotted numbers. */
export const compareVersions = (a: string, b: string): number => {
  const left = a.split('.').map(Number);
  const right = b.split('.').map(Number);
  for (let index = 0; index < Math.max(left.length, right.length); index += 1) {
    const difference = (left[index] ?? 0) - (right[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
};
