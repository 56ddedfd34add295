import type { Content } from '../content/content.ts';
import { HubError } from '../errors.ts';
import { STEPS_BESIDE_PYTHON } from './build-packs.ts';
import { choosePython, type PythonWish } from './choose-python.ts';
import { detectEnvironment, type Detected } from './detect.ts';
import { environmentKey } from './environment-key.ts';
import type { EnvironmentPlanner } from './environment-planner.ts';
import type { Interpreter } from './interpreters.ts';
import { ownCodePrefix } from './own-code.ts';
import type { PythonPlan, RequirementLine } from './plan.ts';
import type { Pyproject } from './pyproject.ts';
import { addressMistake, addressOf } from './requirement-address.ts';
import { requirementMistake, requirementName } from './requirement-syntax.ts';
import { readRequirements } from './requirements.ts';
import { serverSidePackages } from './server-extensions.ts';
import { canonicalName, readUvLock } from './uv-lock.ts';

/** Raised when the same plan is built in another way, so that environments are made anew. */
const PLAN_FORMAT = 1;

/** A lock file lists files for every platform, so it may be larger than other text files. */
const MAX_LOCK_BYTES = 16 * 1024 * 1024;

export interface EnvironmentPlannerOptions {
  /** This machine's interpreters, newest first; asked for each plan. */
  readonly interpreters: () => Promise<readonly Interpreter[]>;
  readonly uvVersion: string;
  /** `linux-x64` */
  readonly platform: string;
  readonly options?: {
    /** Package indexes that repositories may name themselves; default none. */
    readonly allowedIndexes?: readonly string[];
    /** Whether environments may share files, since no session can write to them; default false. */
    readonly linked?: boolean;
    /** The owner's own indexes as they stand in a plan (`indexesForPlan`); default none. */
    readonly indexes?: readonly string[];
    /** The digest of the image that environments are layers of; default none, as on one machine. */
    readonly base?: string;
  };
}

/** What is to be installed, and what it wants of Python. */
interface Wanted {
  readonly install: PythonPlan['install'];
  readonly ownCode: boolean;
  /** Names of packages, to tell what will not load. */
  readonly packages: readonly string[];
  readonly requires?: PythonWish['requires'];
  readonly notices: readonly string[];
}

const unsupported = (message: string, file: string): HubError =>
  new HubError('unsupported_environment', message, { detail: { file } });

/** Refuses what is detected but not built here, naming the file that decided and what would work. */
const refuseOthers = ({ pack, decidedBy, folder, paths }: Detected): void => {
  if (pack.name !== 'python' && decidedBy !== undefined)
    throw unsupported(
      `${decidedBy} declares ${pack.declares}, which this hub does not build. ${pack.instead}.`,
      decidedBy,
    );
  for (const { file, does, instead } of STEPS_BESIDE_PYTHON)
    if (paths.has(folder + file))
      throw unsupported(`${folder}${file} ${does}, which this hub does not do. ${instead}.`, folder + file);
};

const requirementsOf = (lines: readonly RequirementLine[]): PythonPlan['install'] =>
  lines.length === 0 ? { from: 'nothing' } : { from: 'requirements', lines, options: [] };

/** The dependencies of a pyproject.toml as requirement lines, checked like those of a requirements file. */
const pyprojectLines = (pyproject: Pyproject): readonly RequirementLine[] => {
  for (const { text, file, line } of pyproject.dependencies) {
    const address = addressOf(text);
    const wrong = address === undefined ? undefined : addressMistake(address);
    const what = wrong?.what ?? requirementMistake(text);
    const name = requirementName(text);
    if (what !== undefined)
      throw new HubError(wrong?.code ?? 'build_failed', `${file}, line ${line}, “${text.slice(0, 80)}”: ${what}.`, {
        detail: { file, line, ...(name === undefined ? {} : { package: name }) },
      });
  }
  return pyproject.dependencies;
};

const names = (lines: readonly RequirementLine[]): string[] =>
  lines.flatMap(({ text }) => (text.startsWith(ownCodePrefix) ? [] : [canonicalName(requirementName(text) ?? '')]));

/** repo2docker's rule where it has one (requirements.txt, and the repository's own package), else uv.lock, pyproject.toml, nothing. */
const whatIsWanted = async (
  content: Content,
  detected: Detected,
  allowedIndexes: readonly string[],
): Promise<Wanted> => {
  const { folder, paths, pyproject } = detected;
  const ownFile =
    folder !== '' ? undefined : pyproject?.isPackage ? pyproject.file : paths.has('setup.py') ? 'setup.py' : undefined;
  const own: RequirementLine[] = ownFile === undefined ? [] : [{ text: ownCodePrefix, file: ownFile, line: 1 }];
  const requires =
    pyproject?.requiresPython === undefined ? undefined : { specifier: pyproject.requiresPython, file: pyproject.file };
  const wish = requires === undefined ? {} : { requires };

  if (paths.has(`${folder}requirements.txt`)) {
    const file = `${folder}requirements.txt`;
    const { lines, constraints, options, hasOwnCode, notices } = await readRequirements(file, {
      content,
      paths,
      allowedIndexes,
    });
    const all = own.length > 0 && !lines.some(({ text }) => text === ownCodePrefix) ? [...lines, ...own] : lines;
    const ignored = paths.has(`${folder}uv.lock`)
      ? [`${folder}uv.lock is not used: ${file} decides, as in repo2docker.`]
      : [];
    return {
      install:
        all.length === 0
          ? { from: 'nothing' }
          : { from: 'requirements', lines: all, options, ...(constraints.length > 0 ? { constraints } : {}) },
      ownCode: hasOwnCode || own.length > 0,
      packages: names(lines),
      notices: [`Packages from ${file}`, ...ignored, ...notices],
      ...(own.length > 0 ? wish : {}),
    };
  }
  if (pyproject && paths.has(`${folder}uv.lock`)) {
    const file = `${folder}uv.lock`;
    const text = (await content.read(file, MAX_LOCK_BYTES)) ?? '';
    const lock = readUvLock(text, file, pyproject, allowedIndexes);
    const specifier = lock.requiresPython ?? pyproject.requiresPython;
    return {
      install: {
        from: 'uv-lock',
        pyproject: pyproject.text,
        lock: text,
        ...(specifier === undefined ? {} : { requiresPython: specifier }),
      },
      ownCode: lock.hasOwnCode,
      packages: lock.packages.map(canonicalName),
      notices: [`Packages from ${file}`],
      ...(specifier === undefined ? {} : { requires: { specifier, file } }),
    };
  }
  if (pyproject) {
    const { file, sources } = pyproject;
    if (!pyproject.isPackage && pyproject.hasDynamicDependencies)
      throw unsupported(
        `${file} leaves its dependencies to a build system and names none. Add [build-system], or list them in project.dependencies.`,
        file,
      );
    if (own.length === 0 && sources.length > 0)
      throw unsupported(
        `${file} takes ${sources[0]} from elsewhere than the package index ([tool.uv.sources]), which works here only with a uv.lock. Make one with \`uv lock\`.`,
        file,
      );
    // What the package declares stands beside it, so that an error can name its line; where uv takes it from elsewhere the package alone knows.
    const lines = pyproject.hasDynamicDependencies || sources.length > 0 ? [] : pyprojectLines(pyproject);
    return {
      install: requirementsOf([...lines, ...own]),
      ownCode: own.length > 0,
      packages: names(lines),
      notices: lines.length + own.length > 0 ? [`Packages from ${file}`] : [],
      ...wish,
    };
  }
  return {
    install: requirementsOf(own),
    ownCode: own.length > 0,
    packages: [],
    notices: own.length > 0 ? ['Packages from setup.py'] : ['The repository declares no packages: Python alone'],
  };
};

/** Plans Python environments for the fast path, and says precisely why others are not built here. */
export const createEnvironmentPlanner = ({
  interpreters,
  uvVersion,
  platform,
  options = {},
}: EnvironmentPlannerOptions): EnvironmentPlanner => ({
  plan: async (content) => {
    const detected = await detectEnvironment(content);
    refuseOthers(detected);
    const wanted = await whatIsWanted(content, detected, options.allowedIndexes ?? []);
    const { interpreter, notice } = choosePython(await interpreters(), {
      ...(detected.runtime ? { runtime: detected.runtime } : {}),
      ...(wanted.requires ? { requires: wanted.requires } : {}),
    });
    const { source } = content;
    const plan: PythonPlan = {
      kind: 'python',
      python: interpreter.version,
      install: wanted.install,
      ...(wanted.ownCode
        ? {
            ownCode: {
              commit: source.kind === 'git' ? source.commit : source.digest,
              subfolder: wanted.install.from === 'uv-lock' ? detected.folder.replace(/\/$/, '') : '',
            },
          }
        : {}),
      tools: { uv: uvVersion, format: PLAN_FORMAT },
      ...(options.linked ? { files: 'links' as const } : {}),
      ...(options.indexes?.length ? { indexes: options.indexes } : {}),
      platform,
      ...(options.base === undefined ? {} : { base: options.base }),
    };
    const lost = serverSidePackages(wanted.packages);
    const notLoaded =
      lost.length > 0 ? [`Not loaded in sessions, which run the hub’s own Jupyter server: ${lost.join(', ')}`] : [];
    const ownNotice = wanted.ownCode
      ? ['The repository’s own code is installed, so each commit has an environment of its own']
      : [];
    return { plan, key: environmentKey(plan), notices: [...wanted.notices, notice, ...ownNotice, ...notLoaded] };
  },
});
