import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { probeBuildIsolation } from './builders/build-process.ts';
import { carriedVariables, indexesForPlan } from './builders/build-environment.ts';
import { createLocalBuilder, type LocalBuilder } from './builders/local-builder.ts';
import { systemClock } from './clock.ts';
import type { Config } from './config/config.ts';
import { findInterpreters, type Interpreter } from './environments/interpreters.ts';
import { createEnvironmentPlanner } from './environments/python-environment-planner.ts';
import type { EnvironmentPlanner } from './environments/environment-planner.ts';
import type { Log } from './log.ts';
import { loadKeyRing, type KeyRing } from './sessions/key-ring.ts';
import { newSessionName } from './sessions/session-name.ts';
import { upstreamToken } from './sessions/session-tokens.ts';
import { createSources, indexOptions, type Sources } from './sources.ts';
import { createLocalSpawner, type LocalSpawner } from './spawners/local-spawner.ts';
import { socketFolder, stateFolder } from './state/state-folder.ts';

/** What a hub on this machine is made of. */
export interface LocalParts extends Sources {
  readonly planner: EnvironmentPlanner;
  readonly builder: LocalBuilder;
  readonly spawner: LocalSpawner;
  readonly keys: KeyRing;
}

export interface LocalPartsOptions {
  readonly config: Config;
  /** The Python side. */
  readonly python: string;
  readonly uv: string;
  /** The folder `server/python/session`, absolute. */
  readonly scripts: string;
  readonly log: Log;
  /** The hub's own environment. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly uid: number;
}

const INTERPRETERS_FRESH_MS = 300_000;
const run = promisify(execFile);

/** This machine's interpreters: looked for at once, and again in the background when the last look is some minutes old. */
const rememberedInterpreters = (
  look: () => Promise<readonly Interpreter[]>,
): (() => Promise<readonly Interpreter[]>) => {
  let found = look();
  let at = systemClock.monotonic();
  found.catch(() => undefined);
  return () => {
    if (systemClock.monotonic() - at <= INTERPRETERS_FRESH_MS) return found;
    at = systemClock.monotonic();
    const before = found;
    look().then(
      (now) => (found = Promise.resolve(now)),
      () => undefined,
    );
    // A first look that failed is not worth keeping.
    return before.catch(() => (found = look()));
  };
};

/** Makes the parts of a hub that builds and runs on this machine, taking over what an earlier hub left there. */
export const createLocalParts = async (options: LocalPartsOptions): Promise<LocalParts> => {
  const { config, python, uv, log, env } = options;
  const state = stateFolder(config.stateDir);
  const clock = systemClock;
  const { providers, content } = await createSources(config, state, log, env['PATH']);
  const index = indexOptions(config, env);
  const interpreters = rememberedInterpreters(() => findInterpreters({ environment: env, uv, also: [python] }));
  const uvVersion = (await run(uv, ['--version'], { env: {} })).stdout.trim().split(' ')[1] ?? 'unknown';
  const keys = await loadKeyRing(state.keys);
  const spawner = await createLocalSpawner({
    state,
    sockets: socketFolder(state.root, { uid: options.uid, runtimeDir: env['XDG_RUNTIME_DIR'] }),
    python,
    scripts: options.scripts,
    clock,
    log,
    newName: newSessionName,
    upstreamToken: (session) => upstreamToken(keys, session),
    limits: {
      dataBytes: config.spawner.memoryBytes,
      openFiles: config.spawner.openFiles,
      threads: config.spawner.threads,
    },
    warmServers: config.pool.servers,
    warmSessions: config.pool.sessions,
    warmSessionIdleMs: config.pool.sessionIdleMs,
    maxAgeMs: config.sessions.maxAgeMs,
    startTimeoutMs: config.sessions.startTimeoutMs,
    environment: env,
    environmentVariables: config.spawner.environmentVariables,
    terminalsEnabled: config.sessions.terminals,
    isolation: config.spawner.isolation,
  });
  const planner = createEnvironmentPlanner({
    interpreters,
    uvVersion,
    platform: `${process.platform}-${process.arch}`,
    options: {
      allowedIndexes: config.environments.allowedIndexes,
      indexes: indexesForPlan(index),
      linked: spawner.environmentsAreReadOnly,
    },
  });
  const builder = createLocalBuilder({
    state,
    python,
    uv,
    interpreter: async (version) => (await interpreters()).find((each) => each.version === version)?.path,
    clock,
    onError: (error) => log.error({ err: error }, 'a build met an unexpected error'),
    limits: {
      deadlineMs: config.builder.timeoutMs,
      silenceMs: config.builder.silenceMs,
      diskBytes: config.builder.maxBytes,
    },
    isolation: (await probeBuildIsolation()) ?? [],
    index,
    carried: carriedVariables(env),
  });
  return { providers, content, planner, builder, spawner, keys };
};
