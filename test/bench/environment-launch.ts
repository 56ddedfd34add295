import { readdir, readFile, realpath, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { launch } from '../../sdk/index.ts';
import type { HubProcess } from '../helpers/hub-process.ts';
import { pythonSide } from '../helpers/python-side.ts';
import { secondsSince } from './table.ts';

export interface Built {
  /** From the start of the build to its end, as the launch's stream tells. */
  readonly seconds: number;
  readonly prefix: string;
  readonly python: string;
  readonly uv: string;
}

/** The interpreter that a virtual environment was made from. */
export const findPythonOf = async (prefix: string): Promise<string> => {
  const home = /^home\s*=\s*(.+)$/m.exec(await readFile(join(prefix, 'pyvenv.cfg'), 'utf8'))?.[1]?.trim();
  return home === undefined ? realpath(join(prefix, 'bin', 'python')) : join(home, 'python3');
};

/** Launches until the environment exists. `afresh` removes an earlier build of it, but no cache. */
export const launchUntilBuilt = async (
  hub: HubProcess,
  spec: string,
  options: { afresh?: boolean } = {},
): Promise<Built> => {
  const environments = join(hub.stateDir, 'environments');
  if (options.afresh) {
    for (const name of await readdir(environments)) {
      if (!name.startsWith('.')) await rm(join(environments, name), { recursive: true, force: true });
    }
  }
  const { uv } = await pythonSide();
  const launched = launch(spec, { hub: hub.address });
  let startedAt: number | undefined;
  let seconds = 0;
  let key = '';
  for await (const event of launched) {
    if (event.phase === 'building') startedAt ??= performance.now();
    if (event.phase !== 'built') continue;
    seconds = startedAt === undefined ? 0 : secondsSince(startedAt);
    key = event.environment;
    break;
  }
  await launched.server.then(() => launched.cancel());
  const generations = (await readdir(join(environments, key))).sort();
  const prefix = join(environments, key, generations.at(-1)!, 'env');
  return { seconds, prefix, python: join(prefix, 'bin', 'python'), uv: join(dirname(uv), 'uv') };
};
