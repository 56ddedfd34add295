import { join } from 'node:path';
import type { Builder } from './builders/builder.ts';
import type { Config } from './config/config.ts';
import type { EnvironmentPlanner } from './environments/environment-planner.ts';
import type { HousekeepingParts } from './launches/housekeeping.ts';
import type { Log } from './log.ts';
import { createLocalParts } from './parts.ts';
import { ensurePythonSide } from './python-side.ts';
import type { KeyRing } from './sessions/key-ring.ts';
import type { Sources } from './sources.ts';
import type { Spawner } from './spawners/spawner.ts';
import { stateFolder } from './state/state-folder.ts';

/** What a hub is made of beside its routes: where repositories come from, what builds them, what runs them. */
export interface Backend extends Sources {
  readonly planner: EnvironmentPlanner;
  readonly builder: Builder & HousekeepingParts['builder'];
  readonly spawner: Spawner & HousekeepingParts['spawner'];
  readonly keys: KeyRing;
  /** Why nothing can be launched just now; absent where that cannot be. */
  readonly hindrance?: () => string | undefined;
  readonly watchAgesS?: () => Readonly<Record<string, number>>;
}

export interface BackendOptions {
  readonly log: Log;
  readonly say: (sentence: string) => void;
  /** The hub's own environment. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly uid: number;
  /** The hub's own address, with a trailing slash. */
  readonly hubUrl: string;
}

/** Makes the backend that the configuration names, taking over what an earlier hub left there. */
export const createBackend = async (config: Config, options: BackendOptions): Promise<Backend> => {
  const { log, say, env, uid, hubUrl } = options;
  if (config.backend === 'kubernetes') {
    // Loaded only where it is wanted: the local hub must not pay for a cluster's client.
    const { createKubernetesParts } = await import('./kubernetes-parts.ts');
    return createKubernetesParts({ config, log, env, hubUrl });
  }
  if (uid === 0) say('You are root; so is the code of every session. Use an ordinary user if you can.');
  const python = join(import.meta.dirname, 'python');
  const side = await ensurePythonSide({
    folder: stateFolder(config.stateDir).python,
    requirements: join(python, 'requirements.txt'),
    say,
    env,
  });
  return createLocalParts({ config, ...side, scripts: join(python, 'session'), log, env, uid });
};
