/** What decides how a repository's environment is made, in repo2docker's order: the first whose file is there wins. */
export interface BuildPack {
  readonly name: 'legacy' | 'docker' | 'julia' | 'julia-require' | 'nix' | 'r' | 'conda' | 'pipfile' | 'python';
  /** Files that choose it, looked up in the configuration folder where there is one, else at the root. */
  readonly files: readonly string[];
  /** Files that choose it only at the root, and only where there is no configuration folder. */
  readonly rootFiles?: readonly string[];
  /** The first word of `runtime.txt` (up to the dash) that chooses it. */
  readonly runtime?: string;
  /** A pattern that the chosen file's content must hold. */
  readonly holds?: RegExp;
  /** What it is, after “declares”. */
  readonly declares: string;
  /** What would work here instead. */
  readonly instead: string;
}

const PYTHON_INSTEAD = 'A requirements.txt or pyproject.toml works here';

export const BUILD_PACKS: readonly BuildPack[] = [
  {
    name: 'legacy',
    files: ['Dockerfile'],
    holds: /^FROM\s+andrewosh\/binder-base/im,
    declares: 'a Dockerfile of the first Binder, which nothing builds any more',
    instead: PYTHON_INSTEAD,
  },
  { name: 'docker', files: ['Dockerfile'], declares: 'a container image', instead: PYTHON_INSTEAD },
  {
    name: 'julia',
    files: ['JuliaProject.toml', 'Project.toml'],
    declares: 'a Julia environment',
    instead: PYTHON_INSTEAD,
  },
  {
    name: 'julia-require',
    files: ['REQUIRE'],
    declares: 'a Julia environment in a form that nothing builds any more',
    instead: PYTHON_INSTEAD,
  },
  { name: 'nix', files: ['default.nix'], declares: 'a Nix environment', instead: PYTHON_INSTEAD },
  {
    name: 'r',
    files: [],
    rootFiles: ['DESCRIPTION'],
    runtime: 'r',
    declares: 'an R environment',
    instead: PYTHON_INSTEAD,
  },
  {
    name: 'conda',
    files: ['environment.yml', 'environment.yaml'],
    declares: 'a conda environment',
    instead: 'The same packages in a requirements.txt work here where they come as Python packages',
  },
  {
    name: 'pipfile',
    files: ['Pipfile.lock', 'Pipfile'],
    declares: 'a Pipenv environment',
    instead: '`pipenv requirements > requirements.txt` makes a file that works here',
  },
  {
    name: 'python',
    files: ['requirements.txt'],
    rootFiles: ['setup.py', 'pyproject.toml'],
    runtime: 'python',
    declares: 'a Python environment',
    instead: PYTHON_INSTEAD,
  },
];

/** Files that repo2docker honours beside a Python environment, and that the fast path cannot. */
export const STEPS_BESIDE_PYTHON: readonly {
  readonly file: string;
  readonly does: string;
  readonly instead: string;
}[] = [
  {
    file: 'apt.txt',
    does: 'asks for Debian packages',
    instead: 'Without it, packages with ready-made files (wheels) work here',
  },
  {
    file: 'postBuild',
    does: 'runs a program after the build',
    instead: 'Without it, what the notebooks need can be computed in a cell',
  },
  { file: 'start', does: 'runs a program before each session', instead: 'Without it, variables can be set in a cell' },
  {
    file: 'requirements3.txt',
    does: 'asks for a second Python beside Python 2',
    instead: 'The same lines in requirements.txt work here',
  },
];
