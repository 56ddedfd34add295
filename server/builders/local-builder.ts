import { access, mkdir, writeFile } from 'node:fs/promises';
import { createWriteStream } from 'node:fs';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Clock } from '../clock.ts';
import type { Content } from '../content/content.ts';
import type { EnvironmentPlan } from '../environments/plan.ts';
import { HubError, toHubError } from '../errors.ts';
import type { StateFolder } from '../state/state-folder.ts';
import { buildEnvironment, type IndexOptions } from './build-environment.ts';
import { BuildLogFollower } from './build-log-follower.ts';
import { endBuildProcess, startBuildProcess } from './build-process.ts';
import { DEFAULT_BUILD_LIMITS, type BuildLimits } from './build-result.ts';
import { buildRecipe } from './build-steps.ts';
import type { Builder, BuildLogLine, BuildStatus } from './builder.ts';
import { evictEnvironments, type EvictionLimits, type Evicted } from './environment-eviction.ts';
import { createGenerationStore, removeFolder } from './generation-store.ts';
import { buildError } from './uv-errors.ts';

const POLL_MS = 30;

export interface LocalBuilderOptions {
  readonly state: StateFolder;
  /** The hub's own Python, which runs the build's wrapper; absolute. */
  readonly python: string;
  /** uv, absolute. */
  readonly uv: string;
  /** The path of the interpreter of a version, such as `3.13.0`, that this machine has. */
  readonly interpreter: (version: string) => Promise<string | undefined>;
  readonly clock: Clock;
  /** Told of what only the owner should see. */
  readonly onError: (error: unknown) => void;
  readonly limits?: Partial<BuildLimits>;
  /** The command that gives a build its own namespaces (`probeBuildIsolation`); default none. */
  readonly isolation?: readonly string[];
  readonly index?: IndexOptions;
  /** Variables that builds are given (`carriedVariables`). */
  readonly carried?: Readonly<Record<string, string>>;
}

/** The builder of one machine, with what only a machine has: room that runs out. */
export interface LocalBuilder extends Builder {
  /** Removes environments that are old or for which there is no room, the longest unused first; never a key that is in use. */
  evict(options: { readonly inUse: ReadonlySet<string>; readonly limits?: Partial<EvictionLimits> }): Promise<Evicted>;
}

/** Builds environments in detached processes on this machine; any number of hubs may share the state folder. */
export const createLocalBuilder = (options: LocalBuilderOptions): LocalBuilder => {
  const { state, clock } = options;
  const store = createGenerationStore(state);
  const limits: BuildLimits = { ...DEFAULT_BUILD_LIMITS, ...options.limits };
  const followers = new Map<string, BuildLogFollower>();
  /** A build that began while the cache goes would lose it under its feet. */
  let evicting: Promise<unknown> = Promise.resolve();
  const starting = new Map<string, Promise<string>>();
  /** Builds that this builder started or met, to be ended with it. */
  const met = new Set<string>();

  const statusOf = async (key: string, generation: string): Promise<BuildStatus> => {
    const found = await store.read(key, generation);
    if (found.state === 'absent') return { state: 'absent' };
    if (found.state === 'running') {
      met.add(key);
      return { state: 'running', generation };
    }
    if (found.state === 'lost') {
      const message = 'The build’s process ended before it was done, perhaps with the machine. Try again.';
      return { state: 'failed', generation, error: new HubError('build_lost', message) };
    }
    const { result, plan } = found;
    if (!result.ok) return { state: 'failed', generation, error: buildError(result, plan) };
    const prefix = store.path(key, generation, 'env');
    const python = join(prefix, 'bin', 'python');
    // Also where the interpreter beneath was removed from the machine.
    if (
      !(await access(python).then(
        () => true,
        () => false,
      ))
    ) {
      const message = 'The environment’s files are no longer on the hub’s disk. Starting it again builds it anew.';
      return { state: 'failed', generation, error: new HubError('build_lost', message) };
    }
    const displayName = `Python ${plan.python.split('.').slice(0, 2).join('.')}`;
    return {
      state: 'built',
      generation,
      environment: { key, generation, prefix, python, displayName },
    };
  };

  const status = async (key: string): Promise<BuildStatus> => {
    const generation = await store.newest(key);
    return generation === undefined ? { state: 'absent' } : statusOf(key, generation);
  };

  const noteExit = async (key: string, generation: string): Promise<void> => {
    if ((await store.recordOf(key, generation)) === undefined) await store.giveUp(key, generation);
  };

  /** Fills a claimed generation and starts its process. */
  const launch = async (key: string, generation: string, marker: string, plan: EnvironmentPlan, content: Content) => {
    const folder = state.generation(key, generation);
    const interpreter = await options.interpreter(plan.python);
    if (interpreter === undefined)
      throw new HubError(
        'unsupported_environment',
        `The environment wants Python ${plan.python}, which this machine no longer has.`,
      );
    const cache = join(state.environments, '.cache', plan.python.split('.').slice(0, 2).join('.'));
    await mkdir(cache, { recursive: true, mode: 0o700 });
    if (plan.ownCode)
      await pipeline(content.archive(), createWriteStream(join(folder, 'source.tar'), { mode: 0o600, flags: 'wx' }));
    const { files, steps } = buildRecipe(plan, {
      folder,
      uv: options.uv,
      interpreter,
      link: plan.files === 'links' ? 'hardlink' : 'copy',
    });
    for (const [name, text] of Object.entries(files)) {
      await mkdir(dirname(join(folder, name)), { recursive: true, mode: 0o700 });
      await writeFile(join(folder, name), text, { mode: 0o600 });
    }
    const request = { marker, limits, cache, steps, isolation: options.isolation ?? [] };
    await writeFile(join(folder, 'request.json'), JSON.stringify(request), { mode: 0o600 });
    const environment = buildEnvironment({
      folder,
      cache,
      marker,
      carried: options.carried ?? {},
      index: options.index ?? {},
    });
    await startBuildProcess({
      python: options.python,
      folder,
      environment,
      // A process that dies before it has a record would else count as being prepared while this hub lives.
      onExit: () => void noteExit(key, generation).catch(options.onError),
    });
  };

  const startOnce = async (key: string, plan: EnvironmentPlan, content: Content): Promise<string> => {
    for (;;) {
      const previous = await store.newest(key);
      if (previous !== undefined) {
        const { state: was } = await statusOf(key, previous);
        if (was === 'running' || was === 'built') return previous;
      }
      await evicting;
      const claim = await store.claim(key, previous, plan);
      if (claim === undefined) continue;
      const { generation, marker } = claim;
      met.add(key);
      try {
        await launch(key, generation, marker, plan, content);
        for (const old of (await store.generations(key)).filter((name) => name < generation))
          await removeFolder(state.generation(key, old));
      } catch (error) {
        await removeFolder(state.generation(key, generation));
        const full = ['ENOSPC', 'EDQUOT'].includes((error as NodeJS.ErrnoException).code ?? '');
        throw full
          ? new HubError('disk_full', 'The hub’s disk is full. Its owner can make room with `liveleaf gc`.', {
              cause: error,
            })
          : toHubError(error);
      }
      return generation;
    }
  };

  const cancel = async (key: string): Promise<void> => {
    await starting.get(key)?.catch(() => undefined);
    const generation = await store.newest(key);
    if (generation === undefined || (await store.read(key, generation)).state !== 'running') return;
    const claim = await store.claimOf(key, generation);
    await store.giveUp(key, generation);
    const record = await store.recordOf(key, generation);
    // Out of sight first, so that nobody takes the end that follows for a failure.
    const discard = await store.putAside(key, generation);
    if (claim) await endBuildProcess(record, claim.marker, clock);
    await discard();
    // What the build wrote under its old name before it died; a claimed folder is a new build's.
    if ((await store.claimOf(key, generation)) === undefined) await removeFolder(state.generation(key, generation));
  };

  return {
    status,

    start: (key, plan, content) => {
      const running = starting.get(key);
      if (running) return running;
      const mine = startOnce(key, plan, content).finally(() => starting.delete(key));
      starting.set(key, mine);
      return mine;
    },

    log: async function* (key, generation, after, signal): AsyncGenerator<BuildLogLine> {
      const file = store.path(key, generation, 'log.ndjson');
      let follower = followers.get(file);
      if (!follower) {
        const isRunning = async () => (await store.read(key, generation)).state === 'running';
        follower = new BuildLogFollower({ file, isRunning, clock, onIdle: () => followers.delete(file) });
        followers.set(file, follower);
      }
      for await (const line of follower.read(after.building, signal)) yield { phase: 'building', ...line };
    },

    wait: async (key, generation, signal) => {
      for (;;) {
        signal.throwIfAborted();
        const now = await statusOf(key, generation);
        if (now.state !== 'running') return now;
        await clock.sleep(POLL_MS, signal);
      }
    },

    cancel,

    touch: async (key) => {
      const generation = await store.newest(key);
      if (generation !== undefined) await store.touch(key, generation);
    },

    evict: async ({ inUse, limits: bounds }) => {
      await evicting;
      await Promise.allSettled(starting.values());
      const done = evictEnvironments({ state, store, clock, inUse, ...(bounds ? { limits: bounds } : {}) });
      evicting = done.catch(() => undefined);
      return done;
    },

    close: async () => {
      await Promise.all([...met].map((key) => cancel(key)));
      met.clear();
    },
  };
};
