import type { Clock } from '../clock.ts';
import type { PatchStep, V1Pod } from '../kubernetes/kubernetes-api.ts';
import { ANNOTATIONS } from './kubernetes-session-name.ts';
import { putAnnotation, type SessionPods } from './kubernetes-session-pods.ts';
import { numberOf, type KnownState, type KnownTimes } from './kubernetes-session-record.ts';
import type { SpawnerLog } from './local-spawner-options.ts';

export interface SessionUpdatesOptions {
  readonly pods: SessionPods;
  readonly clock: Clock;
  readonly log: SpawnerLog;
  /** How often one session's times are written; default once a minute. */
  readonly everyMs: number;
  /** How soon it is written that a session is ready: for other hubs, as this one knows. */
  readonly readyMs: number;
}

interface Pending {
  known: KnownState;
  /** What of it is not written yet. */
  dirty: Set<'ready' | 'lastActivityAt' | 'expiresAt'>;
  writtenAt: number | undefined;
  writing: Promise<void> | undefined;
}

/** What is to be written; never an activity that is older than what another hub has seen. */
const stepsOf = ({ known, dirty }: Pending, pod: V1Pod): PatchStep[] => [
  ...(dirty.has('ready')
    ? [putAnnotation(ANNOTATIONS.ready, JSON.stringify({ kernelSession: known.kernelSession }))]
    : []),
  ...(dirty.has('lastActivityAt') && (known.lastActivityAt ?? 0) > (numberOf(pod, ANNOTATIONS.lastActivityAt) ?? 0)
    ? [putAnnotation(ANNOTATIONS.lastActivityAt, String(known.lastActivityAt))]
    : []),
  ...(dirty.has('expiresAt') ? [putAnnotation(ANNOTATIONS.expiresAt, String(known.expiresAt))] : []),
];

/** What this hub knows of its sessions before the cluster does: seen at once, written together and seldom. */
export const createSessionUpdates = (options: SessionUpdatesOptions) => {
  const { pods, clock, log } = options;
  const sessions = new Map<string, Pending>();
  const closing = new AbortController();

  const of = (session: string): Pending => {
    let pending = sessions.get(session);
    if (pending === undefined)
      sessions.set(session, (pending = { known: {}, dirty: new Set(), writtenAt: undefined, writing: undefined }));
    return pending;
  };

  const write = async (session: string, pending: Pending): Promise<void> => {
    const pod = pods.find(session);
    if (pod === undefined) return;
    const steps = stepsOf(pending, pod);
    const { dirty } = pending;
    pending.dirty = new Set();
    pending.writtenAt = clock.monotonic();
    try {
      if (steps.length > 0) await pods.amend(pod, steps);
    } catch (error) {
      pending.dirty = new Set([...dirty, ...pending.dirty]);
      log.warn({ err: error, session }, 'A session’s times could not be written; trying again later');
    }
  };

  const writeLater = (session: string, pending: Pending, delayMs: number): void => {
    pending.writing ??= clock
      .sleep(delayMs, closing.signal)
      .then(
        () => write(session, pending),
        () => undefined,
      )
      .finally(() => {
        pending.writing = undefined;
        if (pending.dirty.size > 0 && sessions.get(session) === pending && !closing.signal.aborted)
          writeLater(session, pending, options.everyMs);
      });
  };

  return {
    known: (session: string): KnownState => sessions.get(session)?.known ?? {},

    /** Tells that this hub starts it. Nobody else needs to know. */
    starting(session: string): void {
      const pending = of(session);
      pending.known = { ...pending.known, state: 'starting' };
    },

    /** A start came to nothing. */
    notStarting(session: string): void {
      const pending = sessions.get(session);
      if (pending?.known.state !== 'starting') return;
      const { state: _, ...known } = pending.known;
      pending.known = known;
    },

    ready(session: string, kernelSession: KnownState['kernelSession']): void {
      const pending = of(session);
      pending.known = {
        ...pending.known,
        state: 'ready',
        lastActivityAt: clock.now(),
        ...(kernelSession && { kernelSession }),
      };
      pending.dirty.add('ready').add('lastActivityAt');
      writeLater(session, pending, options.readyMs);
    },

    times(session: string, { lastActivityAt, expiresAt }: KnownTimes): void {
      const pending = of(session);
      if (lastActivityAt !== undefined && lastActivityAt > (pending.known.lastActivityAt ?? 0)) {
        pending.known = { ...pending.known, lastActivityAt };
        pending.dirty.add('lastActivityAt');
      }
      if (expiresAt !== undefined && expiresAt !== pending.known.expiresAt) {
        pending.known = { ...pending.known, expiresAt };
        pending.dirty.add('expiresAt');
      }
      if (pending.dirty.size === 0) return;
      const since = pending.writtenAt === undefined ? undefined : clock.monotonic() - pending.writtenAt;
      writeLater(session, pending, since === undefined ? options.readyMs : Math.max(0, options.everyMs - since));
    },

    forget: (session: string): void => void sessions.delete(session),

    /** Forgets sessions that are no more. */
    keepOnly(living: (session: string) => boolean): void {
      for (const session of sessions.keys()) if (!living(session)) sessions.delete(session);
    },

    /** Writes what is not written yet: another hub goes on. */
    async close(): Promise<void> {
      closing.abort();
      await Promise.all([...sessions.values()].map(({ writing }) => writing));
      await Promise.all([...sessions].map(([session, pending]) => write(session, pending)));
    },
  };
};

export type SessionUpdates = ReturnType<typeof createSessionUpdates>;
