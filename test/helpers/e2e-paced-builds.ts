import { chmod, copyFile, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pythonSide } from './python-side.ts';

/** What a build does before the real uv installs anything. */
export interface Pace {
  /** Lines `step 1` … that it says; default 20. */
  readonly lines?: number;
  /** The line at which it stands still until `go`; default none. */
  readonly holdAt?: number;
  /** Between two lines; default 0.02. */
  readonly pauseS?: number;
}

/** A Python side whose uv can be slowed down, build by build: a repository that requires `paced==<n>` is built at pace n. */
export interface PacedBuilds {
  /** The folder to give a hub as its Python side. */
  readonly python: string;
  /** Sets a new pace; returns the requirement to write into a repository. */
  set(pace: Pace): Promise<string>;
  /** Lets a build that stands still go on. */
  go(requirement: string): Promise<void>;
  /** How often packages were installed for a requirement: 1 where there was one build. */
  runs(requirement: string): Promise<number>;
  close(): Promise<void>;
}

/** How many paces there can be; the index must have as many versions of `paced`. */
export const PACES = 60;

const script = (uv: string, control: string): string => `#!/bin/sh
input=
for word in "$@"; do case "$word" in */requirements.in) input=$word ;; esac; done
if [ -n "$input" ]; then
  pace=$(sed -n 's/^paced==\\([0-9]*\\)$/\\1/p' "$input")
  if [ -n "$pace" ]; then echo run >> "${control}/$pace.runs"; . "${control}/$pace.sh"; fi
fi
exec '${uv}' "$@"
`;

export const startPacedBuilds = async (): Promise<PacedBuilds> => {
  const { python, uv } = await pythonSide();
  const side = dirname(dirname(python));
  const root = await mkdtemp(join(tmpdir(), 'liveleaf-paced-'));
  const folder = join(root, 'python');
  await mkdir(join(folder, 'bin'), { recursive: true });
  for (const name of ['pyvenv.cfg', 'liveleaf-stamp']) await copyFile(join(side, name), join(folder, name));
  for (const name of ['lib', 'share']) await symlink(join(side, name), join(folder, name));
  for (const name of ['python', 'python3']) await symlink(python, join(folder, 'bin', name));
  await writeFile(join(folder, 'bin', 'uv'), script(uv, root));
  await chmod(join(folder, 'bin', 'uv'), 0o755);
  let last = 0;
  const numberOf = (requirement: string): string => requirement.slice('paced=='.length);
  return {
    python: folder,
    set: async ({ lines = 20, holdAt = 0, pauseS = 0.02 }) => {
      last += 1;
      if (last > PACES) throw new Error(`The index has ${PACES} versions of the paced package.`);
      const hold = `while [ ! -e '${root}/${last}.go' ]; do sleep 0.05; done`;
      const say = `i=$((i+1)); echo "step $i"; if [ $i = ${holdAt} ]; then ${hold}; fi; sleep ${pauseS}`;
      await writeFile(join(root, `${last}.sh`), `i=0\nwhile [ $i -lt ${lines} ]; do ${say}; done\n`);
      return `paced==${last}`;
    },
    go: (requirement) => writeFile(join(root, `${numberOf(requirement)}.go`), ''),
    runs: async (requirement) =>
      (await readFile(join(root, `${numberOf(requirement)}.runs`), 'utf8').catch(() => '')).split('run').length - 1,
    close: () => rm(root, { recursive: true, force: true, maxRetries: 5 }),
  };
};
