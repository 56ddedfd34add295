import type { Clock } from '../clock.ts';
import type { Activity } from '../proxy/activity.ts';
import type { ProxyLog } from '../proxy/proxy-limits.ts';
import type { SessionRecord, Spawner } from '../spawners/spawner.ts';

export interface CullerLimits {
  /** A session that nobody uses ends after this time. */
  readonly idleTimeoutMs: number;
  /** A session ends at this age, whatever happens. */
  readonly maxAgeMs: number;
  /** How long a busy kernel without a client counts as used; default 30 minutes. */
  readonly busyWithoutClientMs: number;
}

/** What is known of a session at one moment; all times in milliseconds since 1970. */
export interface SessionFacts {
  readonly now: number;
  readonly state: SessionRecord['state'];
  readonly createdAt: number;
  readonly expiresAt: number;
  /** When a client last did something: sent a frame on a kernel's socket, or was connected to a busy kernel. */
  readonly clientSeenAt: number;
  /** When the session was last busy without a client, as far as that counted. */
  readonly busyAloneAt: number | undefined;
  readonly clients: number;
  /** Undefined when the server did not say. */
  readonly kernels: 'busy' | 'idle' | undefined;
}

export interface CullerDecision {
  readonly action: 'keep' | 'stop';
  readonly reason: 'in_use' | 'starting' | 'not_used' | 'too_old';
  readonly clientSeenAt: number;
  readonly busyAloneAt: number | undefined;
}

/** Whether a session has reached its greatest age. */
const isTooOld = ({ now, createdAt, expiresAt }: SessionFacts, { maxAgeMs }: CullerLimits): boolean =>
  now >= expiresAt || now - createdAt >= maxAgeMs;

/**
 * Decides whether a session goes on. Activity is a client's frame on a kernel's socket, or a busy kernel with a client
 * connected. A busy kernel without a client counts for a bounded time after the client was last seen; requests that
 * merely ask for something never count; the greatest age always wins.
 */
export const decideCull = (facts: SessionFacts, limits: CullerLimits): CullerDecision => {
  const { now, state, clients, kernels } = facts;
  let { clientSeenAt, busyAloneAt } = facts;
  if (kernels === 'busy' && clients > 0) clientSeenAt = Math.max(clientSeenAt, now);
  if (kernels === 'busy' && clients === 0)
    busyAloneAt = Math.max(busyAloneAt ?? clientSeenAt, Math.min(now, clientSeenAt + limits.busyWithoutClientMs));
  const decide = (action: CullerDecision['action'], reason: CullerDecision['reason']): CullerDecision => ({
    action,
    reason,
    clientSeenAt,
    busyAloneAt,
  });
  // What is not started yet or has failed has its own deadlines elsewhere.
  if (state === 'reserved' || state === 'failed') return decide('keep', 'starting');
  if (isTooOld(facts, limits)) return decide('stop', 'too_old');
  if (state === 'starting') return decide('keep', 'starting');
  const usedAt = Math.max(clientSeenAt, busyAloneAt ?? clientSeenAt);
  return now - usedAt >= limits.idleTimeoutMs ? decide('stop', 'not_used') : decide('keep', 'in_use');
};

export interface CullerOptions extends Omit<CullerLimits, 'busyWithoutClientMs'> {
  readonly spawner: Pick<Spawner, 'list' | 'update' | 'stop'>;
  readonly activity: Activity;
  readonly clock: Clock;
  /** What a session's kernels do; undefined when it cannot be learnt. */
  readonly kernelStates: (session: string) => Promise<'busy' | 'idle' | undefined>;
  readonly log: ProxyLog;
  readonly busyWithoutClientMs?: number;
  /** Default 30 s. */
  readonly intervalMs?: number;
}

export interface Culler {
  /** Looks at every session once, ending those whose time is over; never rejects. */
  tick(): Promise<void>;
  /** Looks again and again until `close`. */
  start(): void;
  /** Stops looking; waits for a look under way. */
  close(): Promise<void>;
}

const DEFAULT_INTERVAL_MS = 30_000;
const DEFAULT_BUSY_WITHOUT_CLIENT_MS = 30 * 60_000;

export const createCuller = (options: CullerOptions): Culler => {
  const { spawner, activity, clock, kernelStates, log, intervalMs = DEFAULT_INTERVAL_MS } = options;
  const limits: CullerLimits = {
    idleTimeoutMs: options.idleTimeoutMs,
    maxAgeMs: options.maxAgeMs,
    busyWithoutClientMs: options.busyWithoutClientMs ?? DEFAULT_BUSY_WITHOUT_CLIENT_MS,
  };
  const busyAlone = new Map<string, number>();
  const closing = new AbortController();
  let running: Promise<void> | undefined;

  const look = async (record: SessionRecord): Promise<void> => {
    const { name, state, createdAt, expiresAt, lastActivityAt } = record;
    const clientSeenAt = Math.max(lastActivityAt, activity.lastFrameAt(name) ?? 0);
    const kernels = state === 'ready' ? await kernelStates(name).catch(() => undefined) : undefined;
    const clients = activity.clients(name);
    const busyAloneAt = busyAlone.get(name);
    const facts = { now: clock.now(), state, createdAt, expiresAt, clientSeenAt, busyAloneAt, clients, kernels };
    const decision = decideCull(facts, limits);
    if (decision.action === 'stop') {
      log.debug({ session: name, reason: decision.reason }, 'a session ends');
      await spawner.stop(name);
      busyAlone.delete(name);
      activity.forget(name);
      return;
    }
    if (decision.busyAloneAt !== undefined) busyAlone.set(name, decision.busyAloneAt);
    if (decision.clientSeenAt > lastActivityAt) await spawner.update(name, { lastActivityAt: decision.clientSeenAt });
  };

  const tick = async (): Promise<void> => {
    try {
      const records = await spawner.list();
      const names = new Set(records.map(({ name }) => name));
      for (const name of busyAlone.keys()) if (!names.has(name)) busyAlone.delete(name);
      const results = await Promise.allSettled(records.map(look));
      for (const result of results)
        if (result.status === 'rejected')
          log.error({ err: result.reason as unknown }, 'a session could not be looked at');
    } catch (error) {
      log.error({ err: error }, 'the sessions could not be listed; the next look tries again');
    }
  };

  const run = async (): Promise<void> => {
    while (!closing.signal.aborted) {
      try {
        await clock.sleep(intervalMs, closing.signal);
      } catch {
        return;
      }
      await tick();
    }
  };

  return {
    tick,
    start: () => void (running ??= run()),
    close: async () => {
      closing.abort();
      await running;
    },
  };
};
