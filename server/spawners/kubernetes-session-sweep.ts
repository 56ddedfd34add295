import type { Clock } from '../clock.ts';
import type { V1Pod } from '../kubernetes/kubernetes-api.ts';
import type { KubernetesWarmPool } from './kubernetes-warm-pool.ts';
import type { Reservations } from './kubernetes-reservations.ts';
import type { SessionPods } from './kubernetes-session-pods.ts';
import { isServing, isWarm, openedOf } from './kubernetes-session-record.ts';
import type { SessionUpdates } from './kubernetes-session-updates.ts';
import type { SpawnerLog } from './local-spawner-options.ts';
import type { SessionError, SessionRecord } from './spawner.ts';

export interface SessionSweepOptions {
  readonly pods: SessionPods;
  readonly reservations: Reservations;
  readonly pool: KubernetesWarmPool;
  readonly updates: SessionUpdates;
  readonly clock: Clock;
  readonly log: SpawnerLog;
  readonly intervalMs: number;
  readonly reservedMs: number;
  readonly startTimeoutMs: number;
  readonly recordFrom: (pod: V1Pod) => SessionRecord | undefined;
  /** What is wrong with a pod for good; undefined while nothing is. */
  readonly problemOf: (pod: V1Pod) => SessionError | undefined;
  /** Whether this hub starts a session just now. */
  readonly isStarting: (name: string) => boolean;
  /** Marks a session as failed that ran by itself. */
  readonly lose: (name: string, error: SessionError) => Promise<void>;
  readonly stop: (name: string) => Promise<void>;
}

const NEVER_READY: SessionError = {
  code: 'spawn_timeout',
  message: 'The session was not ready in time, and the hub that started it is gone; launch again.',
};

/** Looks through everything now and then, always from a fresh list, and ends what has no business any more. */
export const createSessionSweep = (options: SessionSweepOptions) => {
  const { pods, reservations, pool, updates, clock, log } = options;
  const closing = new AbortController();

  /** What becomes of a session that no launch looks after: undefined while it may stay as it is. */
  const verdict = (pod: V1Pod, record: SessionRecord): 'stop' | SessionError | undefined => {
    const now = clock.now();
    if (record.state === 'failed') return (record.removeAt ?? now) <= now ? 'stop' : undefined;
    if (record.state === 'reserved') return now - record.createdAt > options.reservedMs ? 'stop' : undefined;
    const problem = options.problemOf(pod);
    if (record.state === 'ready' || options.isStarting(record.name)) return problem;
    const age = now - (openedOf(pod)?.at ?? now);
    return age > 2 * options.startTimeoutMs && !isServing(pod) ? (problem ?? NEVER_READY) : undefined;
  };

  const look = async (pod: V1Pod): Promise<void> => {
    const record = options.recordFrom(pod);
    if (record === undefined) return;
    const what = verdict(pod, record);
    if (what === 'stop') await options.stop(record.name);
    else if (what !== undefined && !options.isStarting(record.name)) await options.lose(record.name, what);
  };

  const sweep = async (): Promise<void> => {
    const listed = await pods.listed();
    const shown = [...listed.values()];
    updates.keepOnly((name) => listed.has(name) || pods.find(name) !== undefined);
    const superfluous = new Set(reservations.superfluous(shown));
    for (const pod of superfluous) {
      if (await pods.remove(pod, true))
        log.info({ pod: pod.metadata?.name }, 'A session that no launch has was removed');
    }
    for (const pod of shown) if (!superfluous.has(pod) && !isWarm(pod)) await look(pod);
    await pool.sweep(shown);
  };

  const run = async (): Promise<void> => {
    while (!closing.signal.aborted) {
      await clock.sleep(options.intervalMs, closing.signal).catch(() => undefined);
      if (closing.signal.aborted) return;
      await sweep().catch((error: unknown) => log.warn({ err: error }, 'Sweeping sessions failed; trying again later'));
    }
  };
  const running = run();

  return {
    async close(): Promise<void> {
      closing.abort();
      await running;
    },
  };
};
