import { randomUUID } from 'node:crypto';
import type { Clock } from '../clock.ts';
import type { Log } from '../log.ts';
import type { KubernetesApi, V1Lease } from './kubernetes-api.ts';
import { KubernetesError } from './kubernetes-error.ts';
import { markMoment, type Moment } from './moment.ts';

export interface LeaderLeaseOptions {
  readonly api: Pick<KubernetesApi, 'getLease' | 'createLease' | 'replaceLease'>;
  readonly namespace: string;
  readonly name: string;
  /** Who asks, for people to read; what is unique about this process is added to it. */
  readonly identity: string;
  readonly clock: Clock;
  readonly log: Pick<Log, 'info' | 'warn' | 'error'>;
  /** After how long without renewal another may lead; default 15 s. A leader stops leading after two thirds of it. */
  readonly durationMs?: number;
  /** A number from 0 to below 1. */
  readonly random?: () => number;
}

/** Makes one process the leader of all that ask for the same lease. */
export interface LeaderLease {
  /** Whether this process leads at this very moment; ask again after every wait. */
  isLeader(): boolean;
  /** Tells of every change from now on. Returns what ends it. */
  onChange(listener: (isLeader: boolean) => void): () => void;
  /** Stops to lead at once, gives the lease up for the next one, and asks no more. */
  close(): Promise<void>;
}

const DURATION_MS = 15_000;

/** Asks for the lease at once and for as long as it is not closed, whatever happens. */
export const createLeaderLease = (options: LeaderLeaseOptions): LeaderLease => {
  const { api, namespace, name, clock, log, durationMs = DURATION_MS, random = Math.random } = options;
  const holderIdentity = `${options.identity}_${randomUUID()}`;
  /** Others wait for the whole duration from when they saw the renewal, which is after it was sent. */
  const leadMs = (durationMs * 2) / 3;
  const retryMs = durationMs / 7;
  const listeners = new Set<(isLeader: boolean) => void>();
  const closing = new AbortController();
  const { signal: closed } = closing;
  /** When the renewal was sent that this process leads by. */
  let renewed: Moment | undefined;
  /** The lease as this process last wrote it. */
  let own: V1Lease | undefined;
  /** Another's lease, and since when it has looked like this. */
  let seen: { readonly version: string; readonly since: Moment } | undefined;
  let wasLeader = false;

  const isLeader = () => !closed.aborted && renewed !== undefined && renewed.elapsedMs() < leadMs;

  const tell = () => {
    const leads = isLeader();
    if (leads === wasLeader) return;
    wasLeader = leads;
    log.info({ lease: name, isLeader: leads }, leads ? 'this process leads now' : 'this process leads no more');
    for (const listener of listeners)
      try {
        listener(leads);
      } catch (err) {
        log.error({ err, lease: name }, 'a listener to a lease failed');
      }
  };
  const stepDown = () => {
    renewed = undefined;
    tell();
  };

  const write = async (before: V1Lease | undefined) => {
    const sent = markMoment(clock);
    const now = new Date(clock.now());
    const isOwn = before?.spec?.holderIdentity === holderIdentity;
    const lease: V1Lease = {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: { ...before?.metadata, name, namespace },
      spec: {
        holderIdentity,
        leaseDurationSeconds: Math.ceil(durationMs / 1_000),
        acquireTime: isOwn ? (before.spec?.acquireTime ?? now) : now,
        renewTime: now,
        leaseTransitions: (before?.spec?.leaseTransitions ?? 0) + (isOwn || before === undefined ? 0 : 1),
      },
    };
    own = await (before === undefined ? api.createLease(namespace, lease) : api.replaceLease(namespace, lease));
    renewed = sent;
    seen = undefined;
    tell();
    // Where no renewal follows in time, its end is told, whatever the next call is waiting for.
    void clock.sleep(Math.max(0, leadMs - sent.elapsedMs()), closed).then(tell, () => undefined);
  };

  /** Whether somebody else holds it, and has been seen to do something within its duration. */
  const isHeld = ({ metadata, spec }: V1Lease): boolean => {
    if (!spec?.holderIdentity || spec.holderIdentity === holderIdentity) return false;
    const version = metadata?.resourceVersion ?? '';
    // By this process's own clock alone: the times in a lease are another machine's.
    if (seen?.version !== version) seen = { version, since: markMoment(clock) };
    return seen.since.elapsedMs() < Math.max(durationMs, (spec.leaseDurationSeconds ?? 0) * 1_000);
  };

  const find = async (): Promise<V1Lease | undefined> => {
    try {
      return await api.getLease(namespace, name);
    } catch (error) {
      if (KubernetesError.is(error, 404)) return undefined;
      throw error;
    }
  };

  const attempt = async () => {
    try {
      if (own !== undefined) return await write(own);
    } catch (error) {
      own = undefined;
      if (!KubernetesError.is(error, 404) && !KubernetesError.is(error, 409)) throw error;
    }
    const found = await find();
    if (found?.spec?.holderIdentity !== holderIdentity) stepDown();
    if (found === undefined || !isHeld(found)) await write(found);
  };

  const run = async () => {
    while (!closed.aborted) {
      await attempt().catch((err: unknown) => {
        if (!KubernetesError.is(err, 409)) log.warn({ err, lease: name }, 'a lease could not be asked for');
      });
      await clock.sleep(retryMs * (1 + random() / 5), closed).catch(() => undefined);
    }
  };
  const running = run();

  /** A lease without a holder is anyone's at once. */
  const release = async () => {
    if (own === undefined) return;
    const { spec, ...rest } = own;
    own = undefined;
    const released = { ...rest, spec: { ...spec, holderIdentity: '', leaseDurationSeconds: 1 } };
    await api.replaceLease(namespace, released).catch((err: unknown) => {
      log.warn({ err, lease: name }, 'a lease could not be given up; it is free when its time is over');
    });
  };

  return {
    isLeader,
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    async close() {
      closing.abort();
      tell();
      await running;
      await release();
    },
  };
};
