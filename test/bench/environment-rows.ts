import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { startHubProcess } from '../helpers/hub-process.ts';
import { findPythonOf, launchUntilBuilt } from './environment-launch.ts';
import { median, say, secondsSince, showSpread, type Row } from './table.ts';

const run = promisify(execFile);
const requirements = join(import.meta.dirname, '..', '..', 'demo', 'environments', 'textbook', 'requirements.txt');
const IMPORTS = 'import numpy, pandas, matplotlib.pyplot';

const timed = async (work: () => Promise<unknown>): Promise<number> => {
  const startedAt = performance.now();
  await work();
  return secondsSince(startedAt);
};

/** Time of the first import in a fresh interpreter, with a configuration folder of its own as a session has. */
const firstImport = async (python: string): Promise<number> => {
  const home = await mkdtemp(join(tmpdir(), 'liveleaf-home-'));
  try {
    return await timed(() =>
      run(python, ['-c', IMPORTS], { env: { PATH: '/usr/bin:/bin', HOME: home, MPLBACKEND: 'agg' } }),
    );
  } finally {
    await rm(home, { recursive: true, force: true });
  }
};

/**
 * The textbook's environment with bytecode, wheels cached, against `python -m venv` and `pip install` with pip's cache warm;
 * and the first import of what it is for. The same interpreter and the same versions on both sides.
 */
export const environmentRows = async (rounds: number): Promise<Row[]> => {
  // Nothing is made warm, which would take the processor from the imports.
  const hub = await startHubProcess({ demo: true, config: { pool: { servers: 0, sessions: 0 } } });
  const folder = await mkdtemp(join(tmpdir(), 'liveleaf-pip-'));
  try {
    say('Filling both caches.');
    const first = await launchUntilBuilt(hub, 'dir/demo/textbook/HEAD');
    const interpreter = await findPythonOf(first.prefix);
    const frozen = join(folder, 'requirements.txt');
    // The versions that our resolution chose, so that pip installs the same files.
    await run('sh', ['-c', `'${first.uv}' pip freeze --python '${first.python}' > '${frozen}'`]);
    const pipInstall = async (venv: string): Promise<number> =>
      timed(async () => {
        await run(interpreter, ['-m', 'venv', venv]);
        await run(join(venv, 'bin', 'python'), [
          '-m',
          'pip',
          'install',
          '--quiet',
          '--no-deps',
          '--disable-pip-version-check',
          '-r',
          frozen,
        ]);
      });
    await pipInstall(join(folder, 'fill'));
    const ours: number[] = [];
    const pip: number[] = [];
    const ourImport: number[] = [];
    const pipImport: number[] = [];
    for (let round = 0; round < rounds; round++) {
      say(`Environment round ${round + 1} of ${rounds}.`);
      const venv = join(folder, `venv-${round}`);
      pip.push(await pipInstall(venv));
      pipImport.push(await firstImport(join(venv, 'bin', 'python')));
      const built = await launchUntilBuilt(hub, 'dir/demo/textbook/HEAD', { afresh: true });
      ours.push(built.seconds);
      ourImport.push(await firstImport(built.python));
      await rm(venv, { recursive: true, force: true });
    }
    return [
      {
        name: 'building the textbook environment with bytecode, wheels cached',
        value: median(ours) / median(pip),
        unit: '× venv + pip',
        target: { atMost: 0.25 },
        behind: `${showSpread(ours)} against ${showSpread(pip)}; ${(await readFile(requirements, 'utf8')).trim().split('\n').join(' ')}`,
      },
      {
        name: 'first `import numpy, pandas, matplotlib.pyplot` in it',
        value: median(ourImport) / median(pipImport),
        unit: '× the same in that venv',
        target: { atMost: 1.1 },
        behind: `${showSpread(ourImport)} against ${showSpread(pipImport)}`,
      },
    ];
  } finally {
    await hub.stop();
    await rm(folder, { recursive: true, force: true });
  }
};
