import type { Clock } from '../clock.ts';
import { HubError } from '../errors.ts';
import type { Launchable, SessionRecord, SessionSeed, Spawner, StartStep, Upstream } from './spawner.ts';

export interface FakeSpawnerOptions {
  readonly clock: Clock;
  readonly newName: () => string;
  /** Default one hour. */
  readonly maxAgeMs?: number;
  /** How long a failed launch's record stays; default one minute. */
  readonly keepFailedMs?: number;
  /** Where every session is said to listen; default a socket path that nobody listens on. */
  readonly upstream?: (name: string) => Upstream;
  /** Runs before each step of a start: wait, or throw a HubError, to stage a fault. */
  readonly beforeStep?: (name: string, step: StartStep, launchable: Launchable, signal: AbortSignal) => Promise<void>;
  /** What a reservation is said to have claimed; default `none`. */
  readonly warm?: SessionRecord['warm'];
  /** The records of an earlier fake, to stand for a hub that was started again. */
  readonly records?: Map<string, SessionRecord>;
}

/** A spawner in memory, for tests of what uses one. */
export interface FakeSpawner extends Spawner {
  readonly records: Map<string, SessionRecord>;
  /** How often a server was really started, by session. */
  readonly starts: Map<string, number>;
  /** Ends a session's server as if by itself. */
  lose(name: string, error?: NonNullable<SessionRecord['error']>): void;
}

const STEPS: readonly (readonly [StartStep, string])[] = [
  ['server', 'Starting the Jupyter server'],
  ['content', 'Copying the repository into the session'],
  ['kernel', 'Starting the kernel'],
];

/** Makes a spawner that runs nothing and keeps its records in memory. */
export const createFakeSpawner = (options: FakeSpawnerOptions): FakeSpawner => {
  const records = options.records ?? new Map<string, SessionRecord>();
  const starts = new Map<string, number>();
  const running = new Map<string, Promise<SessionRecord>>();
  const stops = new Map<string, AbortController>();
  const listeners = new Set<(name: string, error: NonNullable<SessionRecord['error']>) => void>();

  const put = (name: string, change: Partial<SessionRecord>): SessionRecord | undefined => {
    const old = records.get(name);
    if (old === undefined) return undefined;
    const record = { ...old, ...change };
    records.set(name, record);
    return record;
  };

  const oldestFirst = () =>
    [...records.values()].sort((a, b) => a.createdAt - b.createdAt || (a.name < b.name ? -1 : 1));

  const run = async (
    name: string,
    launchable: Launchable,
    onStep: (step: StartStep, message: string) => void,
    signal: AbortSignal,
  ): Promise<SessionRecord> => {
    starts.set(name, (starts.get(name) ?? 0) + 1);
    put(name, { state: 'starting', environmentGeneration: launchable.environment.generation });
    for (const [step, message] of STEPS) {
      if (step === 'kernel' && records.get(name)?.kernel === 'none') continue;
      onStep(step, message);
      await options.beforeStep?.(name, step, launchable, signal);
      if (signal.aborted || !records.has(name)) throw new HubError('cancelled', 'The launch was cancelled.');
    }
    const old = records.get(name);
    const kernelSession = old?.kernel === 'none' ? {} : { kernelSession: { id: `kernel-${name}`, name: 'python3' } };
    const record = put(name, { state: 'ready', lastActivityAt: options.clock.now(), ...kernelSession });
    if (record === undefined) throw new HubError('cancelled', 'The launch was cancelled.');
    return record;
  };

  return {
    records,
    starts,
    async reserve(seed: SessionSeed) {
      const existing = oldestFirst().find((record) => record.launchId === seed.launchId);
      if (existing !== undefined) return existing;
      const now = options.clock.now();
      const record: SessionRecord = {
        ...seed,
        name: options.newName(),
        generation: 1,
        state: 'reserved',
        expiresAt: now + (options.maxAgeMs ?? 3_600_000),
        lastActivityAt: now,
        warm: options.warm ?? 'none',
      };
      records.set(record.name, record);
      return record;
    },
    async start(name, launchable, onStep, signal) {
      const record = records.get(name);
      if (record === undefined) throw new HubError('cancelled', 'The launch was cancelled.');
      if (record.state === 'ready') return record;
      const already = running.get(name);
      if (already !== undefined) return already;
      const stop = new AbortController();
      stops.set(name, stop);
      const started = run(name, launchable, onStep, AbortSignal.any([signal, stop.signal])).finally(() => {
        running.delete(name);
        stops.delete(name);
      });
      running.set(name, started);
      return started;
    },
    async get(name) {
      return records.get(name);
    },
    async findByLaunch(launchId) {
      return oldestFirst().find((record) => record.launchId === launchId);
    },
    async list() {
      return oldestFirst();
    },
    async fail(name, error) {
      put(name, { state: 'failed', error, removeAt: options.clock.now() + (options.keepFailedMs ?? 60_000) });
      stops.get(name)?.abort();
    },
    async update(name, change) {
      return put(name, change);
    },
    async stop(name) {
      records.delete(name);
      stops.get(name)?.abort();
    },
    upstream(name) {
      if (records.get(name)?.state !== 'ready') return undefined;
      return options.upstream?.(name) ?? { socketPath: `/nonexistent/${name}.sock`, token: `upstream-${name}` };
    },
    onLost(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    lose(name, error = { code: 'session_lost', message: 'The session ended by itself.' }) {
      put(name, { state: 'failed', error, removeAt: options.clock.now() + (options.keepFailedMs ?? 60_000) });
      for (const listener of listeners) listener(name, error);
    },
    async describe() {
      return ['Sessions are not run at all: this is a fake.'];
    },
    async close() {
      for (const stop of stops.values()) stop.abort();
      records.clear();
    },
  };
};
