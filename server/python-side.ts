import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { withFolderLock } from './processes/folder-lock.ts';

const run = promisify(execFile);

/** The oldest Python that the pinned Jupyter server runs on. */
const OLDEST_MINOR = 10;
const NEWEST_MINOR = 20;

export interface PythonSide {
  /** The interpreter that has Jupyter; absolute. */
  readonly python: string;
  readonly uv: string;
}

export interface PythonSideOptions {
  /** Where the virtual environment lives; made with mode 0700. */
  readonly folder: string;
  /** The requirements file with every package pinned. */
  readonly requirements: string;
  /** Takes sentences for the person who waits. */
  readonly say: (sentence: string) => void;
  /** The environment of the programs that are run. */
  readonly env: NodeJS.ProcessEnv;
}

/** Something that the machine lacks; `message` names the command that cures it. */
export class MissingPrerequisite extends Error {
  override readonly name = 'MissingPrerequisite';
}

const PYTHON_CURE =
  'install it (Debian and Ubuntu: `sudo apt install python3 python3-venv`; Fedora: `sudo dnf install python3`; macOS: `brew install python`) and start again.';
const GIT_CURE =
  'install it (Debian and Ubuntu: `sudo apt install git`; Fedora: `sudo dnf install git`; macOS: `xcode-select --install`) and start again.';

/** The newest Python of the PATH that is new enough, as a command. Throws MissingPrerequisite. */
export const findPython = async (env: NodeJS.ProcessEnv): Promise<{ command: string; version: string }> => {
  const numbered = Array.from(
    { length: NEWEST_MINOR - OLDEST_MINOR + 1 },
    (_, index) => `python3.${NEWEST_MINOR - index}`,
  );
  let tooOld: string | undefined;
  // The plain name first: it is the one the person uses, and the one whose packages (venv) they keep up.
  for (const command of ['python3', 'python', ...numbered]) {
    const version = await run(command, ['-I', '-c', 'import sys; print("%d.%d.%d" % sys.version_info[:3])'], {
      env,
    }).then(
      ({ stdout }) => stdout.trim(),
      () => undefined,
    );
    if (version === undefined) continue;
    const [major = 0, minor = 0] = version.split('.').map(Number);
    if (major === 3 && minor >= OLDEST_MINOR) return { command, version };
    tooOld ??= version;
  }
  const found = tooOld === undefined ? 'was not found' : `is needed, and only ${tooOld} was found`;
  throw new MissingPrerequisite(`Python 3.${OLDEST_MINOR} or newer ${found}; ${PYTHON_CURE}`);
};

/** Throws MissingPrerequisite where there is no git. */
export const requireGit = async (env: NodeJS.ProcessEnv): Promise<void> => {
  await run('git', ['--version'], { env }).catch(() => {
    throw new MissingPrerequisite(`git was not found; ${GIT_CURE}`);
  });
};

const venvFailure = (error: unknown, python: { command: string; version: string }): Error => {
  const output =
    error instanceof Error && 'stdout' in error
      ? `${String(error.stdout)}${String((error as { stderr?: unknown }).stderr ?? '')}`
      : String(error);
  if (/ensurepip|No module named '?venv/i.test(output)) {
    const minor = python.version.split('.').slice(0, 2).join('.');
    return new MissingPrerequisite(
      `Python ${python.version} has no venv module; install it (Debian and Ubuntu: \`sudo apt install python${minor}-venv\`) and start again.`,
    );
  }
  return new Error(`Making the virtual environment failed: ${output.trim().slice(-2_000)}`, { cause: error });
};

/** What tells a finished environment of exactly these requirements from any other. */
const stampOf = async (requirements: string): Promise<string> =>
  createHash('sha256')
    .update(await readFile(requirements))
    .digest('hex');

const readStamp = (folder: string): Promise<string> => readFile(join(folder, 'liveleaf-stamp'), 'utf8').catch(() => '');

const locate = async (folder: string): Promise<PythonSide> => {
  const bin = join(await realpath(folder), 'bin');
  return { python: join(bin, 'python'), uv: join(bin, 'uv') };
};

/**
 * Makes the hub's own Python side once: a virtual environment with the pinned Jupyter server, JupyterLab, ipykernel and uv.
 * A finished one of the same requirements is used as it is (milliseconds); of several starts at once one makes it and the others wait.
 * Throws MissingPrerequisite where Python or its venv module is absent.
 */
export const ensurePythonSide = async ({ folder, requirements, say, env }: PythonSideOptions): Promise<PythonSide> => {
  const stamp = await stampOf(requirements);
  if ((await readStamp(folder)) === stamp) return locate(folder);
  await mkdir(join(folder, '..'), { recursive: true, mode: 0o700 });
  return withFolderLock(`${folder}.lock`, async () => {
    if ((await readStamp(folder)) === stamp) return locate(folder);
    const python = await findPython(env);
    say(`Making the Python side with Python ${python.version}; this happens once and takes about half a minute.`);
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder, { mode: 0o700 });
    await run(python.command, ['-m', 'venv', folder], { env }).catch((error: unknown) => {
      throw venvFailure(error, python);
    });
    const { python: interpreter, uv } = await locate(folder);
    const pinnedUv = /^uv==\S+/m.exec(await readFile(requirements, 'utf8'))?.[0];
    if (pinnedUv === undefined) throw new Error(`${requirements} pins no uv.`);
    say('Installing uv.');
    await run(interpreter, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', pinnedUv], { env });
    say('Installing Jupyter.');
    await run(uv, ['pip', 'install', '--quiet', '--compile-bytecode', '--python', interpreter, '-r', requirements], {
      env,
    });
    await writeFile(join(folder, 'liveleaf-stamp'), stamp);
    return locate(folder);
  });
};
