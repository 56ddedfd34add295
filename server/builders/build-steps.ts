import { join } from 'node:path';
import type { PythonPlan, RequirementLine } from '../environments/plan.ts';
import { PRERELEASES } from '../environments/requirement-options.ts';
import { ownCodePrefix } from '../environments/own-code.ts';

/** How files come from uv's cache into an environment; `copy` shares nothing, `hardlink` is fast and safe only where environments are read-only for sessions. */
type LinkMode = 'hardlink' | 'copy';

/** One step of a build, as `liveleaf_build.py` reads it. `ifCompiled` steps run only when new bytecode came into the cache. */
type BuildStep = { readonly say?: string; readonly ifCompiled?: boolean } & (
  | {
      readonly kind: 'run';
      readonly name: string;
      readonly argv: readonly string[];
      readonly cwd?: string;
      readonly save?: string;
    }
  | { readonly kind: 'unpack'; readonly archive: string; readonly into: string }
  | { readonly kind: 'compile-cache' | 'compile-rest'; readonly python: string }
  | { readonly kind: 'remove'; readonly path: string }
);

export interface BuildPlaces {
  /** The generation's folder, absolute. */
  readonly folder: string;
  readonly uv: string;
  /** The interpreter that the environment is made from, absolute. */
  readonly interpreter: string;
  readonly link: LinkMode;
}

/** Files that the build reads, by name in the generation's folder, and its steps. */
export interface BuildRecipe {
  readonly files: Readonly<Record<string, string>>;
  readonly steps: readonly BuildStep[];
}

/** What every environment needs beside its own packages; pip so that `%pip install` works in it. */
const BASE_REQUIREMENTS = ['ipykernel', 'pip'] as const;

const SMOKE_TEST = 'import ipykernel.kernelapp';

/** The steps that make a plan's environment. The same key gives the same steps: lines are taken in the key's order. */
export const buildRecipe = (plan: PythonPlan, places: BuildPlaces): BuildRecipe => {
  const { folder, uv } = places;
  const python = join(folder, 'env', 'bin', 'python');
  const source = join(folder, 'source');
  const run = (
    name: string,
    argv: readonly string[],
    more: { cwd?: string; save?: string; ifCompiled?: boolean; say?: string } = {},
  ) => ({ kind: 'run', name, argv, ...more }) as const;
  const install = (...rest: string[]) => [
    uv,
    'pip',
    'install',
    '--python',
    python,
    '--link-mode',
    places.link,
    ...rest,
  ];
  const venv = [uv, 'venv', '--quiet', '--no-project', '--clear', '--python', places.interpreter, join(folder, 'env')];
  const freeze = (save: string) => run('freeze', [uv, 'pip', 'freeze', '--quiet', '--python', python], { save });
  const files: Record<string, string> = { 'base.in': `${BASE_REQUIREMENTS.join('\n')}\n` };
  const steps: BuildStep[] = [];
  /** Makes the same environment once more, now with the bytecode that came into the cache. */
  const again: BuildStep[] = [];

  if (plan.ownCode)
    steps.push({ kind: 'unpack', archive: 'source.tar', into: 'source', say: 'Unpacking the repository’s own code' });
  steps.push(run('venv', venv, { say: `Making an environment with Python ${plan.python}` }));

  if (plan.install.from === 'uv-lock') {
    const project = plan.ownCode ? join(source, plan.ownCode.subfolder) : join(folder, 'project');
    if (!plan.ownCode) {
      files['project/pyproject.toml'] = plan.install.pyproject;
      files['project/uv.lock'] = plan.install.lock;
    }
    const own = plan.ownCode ? ['--no-editable'] : ['--no-install-project'];
    const sync = [uv, 'sync', '--frozen', '--no-dev', '--inexact', ...own, '--link-mode', places.link];
    const kernel = install('-r', join(folder, 'base.in'), '-c', join(folder, 'locked.txt'));
    steps.push(
      run('sync', sync, { say: 'Installing the packages of uv.lock', cwd: project }),
      freeze('locked.txt'),
      run('install', kernel, { say: 'Installing the kernel' }),
    );
    // What a lock file names is in the cache by address alone, so it can be found again only in the same way.
    again.push(
      run('link', [...sync, '--quiet', '--offline'], { ifCompiled: true, cwd: project }),
      run('link', [...kernel, '--quiet', '--offline'], { ifCompiled: true }),
    );
  } else {
    const argv = ['-r', join(folder, 'base.in')];
    if (plan.install.from === 'requirements') {
      argv.push('-r', join(folder, 'requirements.in'));
      if (plan.install.constraints?.length) {
        files['constraints.in'] = inKeyOrder(plan.install.constraints, source);
        argv.push('-c', join(folder, 'constraints.in'));
      }
      const { options } = plan.install;
      if (options.includes(PRERELEASES)) argv.push(PRERELEASES);
      const inFile = [...new Set(options)].filter((option) => option !== PRERELEASES).sort();
      files['requirements.in'] =
        inFile.map((option) => `${option}\n`).join('') + inKeyOrder(plan.install.lines, source);
    }
    const cwd = plan.ownCode ? source : folder;
    const exactly = install('--quiet', '--offline', '--no-deps', '-r', join(folder, 'requirements.lock'));
    steps.push(run('install', install(...argv), { say: 'Installing packages', cwd }));
    again.push(run('link', exactly, { ifCompiled: true, cwd }));
  }

  steps.push(
    freeze('requirements.lock'),
    { kind: 'compile-cache', python },
    run('venv', venv, { ifCompiled: true }),
    ...again,
    { kind: 'compile-rest', python },
    run('check', [python, '-I', '-c', SMOKE_TEST], { say: 'Checking that the kernel starts' }),
    { kind: 'remove', path: 'project' },
  );
  return { files, steps };
};

/** Requirement lines as a file for uv, in the order of the key; the repository's own paths point into its unpacked copy. */
const inKeyOrder = (lines: readonly RequirementLine[], source: string): string =>
  [...new Set(lines.map((line) => line.text))]
    .sort()
    .map((text) => `${text.startsWith(ownCodePrefix) ? join(source, text.slice(ownCodePrefix.length)) : text}\n`)
    .join('');
