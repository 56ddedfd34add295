import { mkdir, rm, stat } from 'node:fs/promises';
import { createHash } from 'node:crypto';
import type { BuiltEnvironment } from '../builders/builder.ts';
import { HubError } from '../errors.ts';
import { availableMemory } from '../processes/available-memory.ts';
import { describeIsolation, probeIsolation } from './local-isolation.ts';
import { createLossWatch, type SessionError } from './local-loss-watch.ts';
import { createSessionHost } from './local-session-host.ts';
import { createSessionRecords, isSessionName } from './local-session-records.ts';
import { DEFAULT_ENVIRONMENT_VARIABLES, DEFAULT_LIMITS } from './local-session-settings.ts';
import { createSessionStarter } from './local-session-starter.ts';
import { createSessionUpdates } from './local-session-updates.ts';
import type { LocalSpawnerOptions } from './local-spawner-options.ts';
import { createWarmPool } from './local-warm-pool.ts';
import type { SessionRecord, SessionSeed, Spawner } from './spawner.ts';

export interface LocalSpawner extends Spawner {
  /** Whether sessions cannot write to environments. */
  readonly environmentsAreReadOnly: boolean;
  /** Environments that sessions and warm sessions stand in: not to be evicted. */
  environmentsInUse(): Promise<readonly Pick<BuiltEnvironment, 'key' | 'generation'>[]>;
}

const HOUR_MS = 3_600_000;

const asHubError = (error: unknown): unknown => {
  const code = (error as NodeJS.ErrnoException).code;
  return code === 'ENOSPC' || code === 'EDQUOT'
    ? new HubError(
        'disk_full',
        'The hub’s disk is full, so the session could not be made; free some space and try again.',
        {
          cause: error,
        },
      )
    : error;
};

/** Runs sessions as detached children of this machine, and takes over those of an earlier hub over the same state folder. */
export const createLocalSpawner = async (options: LocalSpawnerOptions): Promise<LocalSpawner> => {
  const { state, clock, log } = options;
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const startTimeoutMs = options.startTimeoutMs ?? 120_000;
  const keepFailedMs = options.keepFailedMs ?? 60_000;
  for (const path of [state.root, state.sessions, state.launches, options.sockets])
    await mkdir(path, { recursive: true, mode: 0o700 });

  const refused =
    options.isolation === 'none'
      ? 'switched off'
      : await probeIsolation(options.python, options.scripts, state.sessions);
  const allowed = options.environmentVariables ?? DEFAULT_ENVIRONMENT_VARIABLES;
  const variables: Record<string, string> = {};
  for (const name of allowed) {
    const value = options.environment[name];
    if (value !== undefined) variables[name] = value;
  }
  const host = createSessionHost({
    ...options,
    limits,
    features: { lab: options.labEnabled ?? true, terminals: options.terminalsEnabled ?? false },
    variables,
    isolated: refused === undefined,
    answerMs: options.answerMs ?? 5_000,
    hubId: createHash('sha256').update(state.root).digest('hex').slice(0, 16),
  });
  host.checkSockets('a'.repeat(26));
  const records = createSessionRecords(state);
  const updates = createSessionUpdates(records, clock);
  /** Names that a claim or a reservation holds between two steps on disk. */
  const held = new Set<string>();
  const pool = createWarmPool({
    host,
    clock,
    log,
    newName: options.newName,
    servers: options.warmServers ?? 2,
    sessions: options.warmSessions ?? 1,
    sessionIdleMs: options.warmSessionIdleMs ?? 600_000,
    reserveBytes: options.reserveBytes ?? 2 ** 30,
    availableBytes: options.availableBytes ?? availableMemory,
    startTimeoutMs,
    isBusy: () => starter.isBusy(),
  });

  const fail = async (name: string, error: SessionError): Promise<void> => {
    const record = await records.read(name);
    if (record === undefined) return;
    if (record.state !== 'failed')
      await records.change(name, { state: 'failed', error, removeAt: clock.now() + keepFailedMs });
    watch.forget(name);
    starter.abort(name);
    await host.end(name);
    await host.clear(name, true);
  };

  const watch = createLossWatch({ host, clock, log, intervalMs: options.watchMs ?? 1_000, fail });
  const starter = createSessionStarter({
    host,
    records,
    clock,
    startTimeoutMs,
    onReady: (name, identity, environment) => {
      watch.add(name, identity);
      pool.want(environment);
    },
  });

  const stop = async (name: string): Promise<void> => {
    if (!isSessionName(name)) return;
    watch.forget(name);
    starter.abort(name);
    updates.forget(name);
    await records.remove(name);
    await host.end(name);
    await host.clear(name, false);
  };

  const makeRecord = async (seed: SessionSeed): Promise<SessionRecord> => {
    const existing = await records.find(seed.launchId);
    if (existing !== undefined) return existing;
    const claimed = await pool.claim(seed.environment.key, seed.kernel !== 'none');
    const name = claimed?.name ?? options.newName();
    const now = clock.now();
    const record: SessionRecord = {
      ...seed,
      name,
      generation: 1,
      state: 'reserved',
      expiresAt: now + (options.maxAgeMs ?? 6 * HOUR_MS),
      lastActivityAt: now,
      warm: claimed?.kind ?? 'none',
    };
    held.add(name);
    try {
      await records.create(record);
      // Another hub may have made one at the same time: everyone looks once more and keeps the same.
      const [winner, ...others] = await records.carriers(seed.launchId);
      for (const other of others) await stop(other.name);
      if (winner === undefined || winner.name === name) return record;
      await records.point(seed.launchId, winner.name);
      return winner;
    } catch (error) {
      await stop(name).catch(() => undefined);
      throw asHubError(error);
    } finally {
      held.delete(name);
    }
  };

  const reserving = new Map<string, Promise<SessionRecord>>();

  /** Takes over what lives, forgets what is dead; `starting` ones are left to whoever starts them again. */
  const adopt = async (): Promise<void> => {
    for (const name of await records.names()) {
      const record = await records.read(name);
      if (record === undefined) {
        await pool.adopt(name);
        continue;
      }
      if (record.state !== 'ready') continue;
      const identity = await host.process(name);
      if (identity !== undefined) watch.add(name, identity);
      else await fail(name, { code: 'session_lost', message: 'The session ended while the hub was away; run again.' });
    }
    await host.sweep((name) => known.has(name));
  };

  const sweep = async (): Promise<void> => {
    for (const record of await records.list())
      if (record.removeAt !== undefined && record.removeAt <= clock.now()) await stop(record.name);
    for (const name of await records.names()) {
      if (held.has(name) || pool.isMaking(name) || (await records.read(name)) !== undefined) continue;
      const info = await stat(state.session(name)).catch(() => undefined);
      if (info === undefined || Date.now() - info.mtimeMs < (options.forgottenMs ?? 60_000)) continue;
      if (held.has(name) || pool.isMaking(name) || (await records.read(name)) !== undefined) continue;
      log.info({ session: name }, 'A session without a record was removed');
      await host.end(name);
      await host.clear(name, false);
    }
    await records.tidyLinks();
    await pool.check();
  };

  const known = new Set(await records.names());
  await adopt();
  const closing = new AbortController();
  const background = (async () => {
    while (!closing.signal.aborted) {
      await sweep().catch((error: unknown) => log.warn({ err: error }, 'Sweeping sessions failed; trying again later'));
      await clock.sleep(options.sweepMs ?? 30_000, closing.signal).catch(() => undefined);
    }
  })();

  const seen = async (name: string): Promise<SessionRecord | undefined> => updates.over(await records.read(name));

  return {
    async reserve(seed) {
      const already = reserving.get(seed.launchId);
      if (already !== undefined) return already;
      const made = makeRecord(seed).finally(() => reserving.delete(seed.launchId));
      reserving.set(seed.launchId, made);
      return made;
    },
    async start(name, launchable, onStep, signal) {
      try {
        return await starter.start(name, launchable, onStep, signal);
      } catch (error) {
        // A cancelled launch leaves nothing; one that failed keeps its record, for whoever asks why.
        if (signal.aborted) await stop(name);
        else await host.end(name);
        throw asHubError(error);
      } finally {
        pool.refill();
      }
    },
    get: seen,
    findByLaunch: async (launchId) => updates.over(await records.find(launchId)),
    list: async () => (await records.list()).map((record) => updates.over(record) ?? record),
    fail,
    update: updates.update,
    stop,
    upstream: (name) => {
      if (!watch.has(name)) return undefined;
      const { socketPath, token } = host.addressOf(name);
      return { socketPath, token };
    },
    onLost: watch.onLost,
    describe: async () => describeIsolation(refused, limits),
    environmentsAreReadOnly: refused === undefined,
    environmentsInUse: async () => [
      ...(await records.list()).flatMap((record) =>
        record.state === 'failed' || record.environmentGeneration === undefined
          ? []
          : [{ key: record.environment.key, generation: record.environmentGeneration }],
      ),
      ...pool.environments(),
    ],
    async close() {
      // The clock's sleeps keep no process alive, and by now nothing else may; but what was started must be seen to end.
      const awake = setInterval(() => undefined, 1_000);
      try {
        closing.abort();
        watch.close();
        await background;
        await pool.close();
        for (const name of await records.names()) await stop(name);
        await updates.close();
        await rm(options.sockets, { recursive: true, force: true });
      } finally {
        clearInterval(awake);
      }
    },
  };
};
