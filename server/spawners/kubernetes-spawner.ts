import type { BuiltEnvironment } from '../builders/builder.ts';
import { HubError } from '../errors.ts';
import type { V1Pod } from '../kubernetes/kubernetes-api.ts';
import { podProblem } from './kubernetes-pod-problem.ts';
import { createReservations } from './kubernetes-reservations.ts';
import { asHubError } from './kubernetes-session-errors.ts';
import { createSessionLosses } from './kubernetes-session-losses.ts';
import { ANNOTATIONS, isSessionName, sessionOfPod } from './kubernetes-session-name.ts';
import { checkProfiles } from './kubernetes-session-pod.ts';
import { createPodMaker } from './kubernetes-pod-maker.ts';
import { createSessionPods, putAnnotation } from './kubernetes-session-pods.ts';
import { createSessionReadiness } from './kubernetes-session-readiness.ts';
import {
  byAge,
  failureAnnotation,
  isFailed,
  isGated,
  isWarm,
  openedOf,
  recordMetadata,
  recordOf,
} from './kubernetes-session-record.ts';
import { createKubernetesStarter } from './kubernetes-session-starter.ts';
import { createSessionSweep } from './kubernetes-session-sweep.ts';
import { createSessionUpdates } from './kubernetes-session-updates.ts';
import type { KubernetesSpawnerOptions } from './kubernetes-spawner-options.ts';
import { createKubernetesWarmPool } from './kubernetes-warm-pool.ts';
import * as sessionClient from './session-client.ts';
import type { SessionError, SessionRecord, Spawner } from './spawner.ts';

export interface KubernetesSpawner extends Spawner {
  /** Environments that sessions and warm sessions run in: their images are not to be removed. */
  environmentsInUse(): Promise<readonly Pick<BuiltEnvironment, 'key' | 'generation'>[]>;
}

const sessionNameOf = (pod: V1Pod): string => sessionOfPod(pod.metadata?.name ?? '') ?? '';

const rethrow = (error: unknown): never => {
  throw asHubError(error);
};

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
/** How long the first look at the cluster is waited for: a hub whose cluster is away starts all the same. */
const FIRST_LOOK_MS = 5_000;

/** Runs sessions as pods, and takes over those of every hub that shares its namespace and its keys. They outlive it. */
export const createKubernetesSpawner = async (options: KubernetesSpawnerOptions): Promise<KubernetesSpawner> => {
  const { clock, log, watch, newName, client = sessionClient } = options;
  const { maxAgeMs = 6 * HOUR_MS, startTimeoutMs = 5 * MINUTE_MS, keepFailedMs = MINUTE_MS } = options;
  const { warmSessions = 1, warmSessionIdleMs = 10 * MINUTE_MS, patience = {}, answerMs = 5_000 } = options;
  checkProfiles(options.pod);

  const pods = createSessionPods({
    ...options,
    tokens: options.upstreamTokens,
    patienceMs: options.apiPatienceMs ?? 20_000,
  });
  const updates = createSessionUpdates({
    pods,
    clock,
    log,
    everyMs: options.updateMs ?? MINUTE_MS,
    readyMs: options.readyWriteMs ?? 10_000,
  });
  const readiness = createSessionReadiness({ pods, client, clock, patience, answerMs });
  const recordFrom = (pod: V1Pod): SessionRecord | undefined =>
    recordOf(pod, updates.known(sessionNameOf(pod)), clock.now(), { keepFailedMs, startTimeoutMs });
  const problemOf = (pod: V1Pod): SessionError | undefined => {
    const found = podProblem(pod, [], clock.now(), openedOf(pod)?.at, patience);
    return found?.isFinal ? { code: found.code, message: found.message } : undefined;
  };
  const maker = createPodMaker({
    settings: options.pod,
    tokens: options.upstreamTokens,
    variables: options.variables,
    clock,
    deadlineMs: maxAgeMs + warmSessionIdleMs + startTimeoutMs,
  });
  const losses = createSessionLosses({ pods, log, whyEnded: (pod) => recordFrom(pod)?.error });

  const pool = createKubernetesWarmPool({
    pods,
    readiness,
    client,
    clock,
    log,
    newName,
    sessions: warmSessions,
    idleMs: warmSessionIdleMs,
    startTimeoutMs,
    makePod: maker.warm,
    isBusy: () => starter.isBusy(),
  });

  /** Failed launches whose pod no node ends, so that it still counts against the quota: courtesy gives way to need. */
  const removeFailed = async (): Promise<boolean> => {
    for (const pod of (await pods.fresh()).values())
      if (isFailed(pod) && pod.spec?.nodeName === undefined && (await pods.remove(pod))) return true;
    return false;
  };

  const reservations = createReservations({
    pods,
    clock,
    log,
    newName,
    maxAgeMs,
    canClaim: (seed) => pool.canClaim(seed, maker.profileOf(seed)),
    claim: (seed, asked) => pool.claim(seed, maker.profileOf(seed), (session) => recordMetadata(asked(session))),
    makePod: maker.reserved,
    makeRoom: async () => (await removeFailed()) || (await pool.makeRoom()),
  });

  /** A session's pod: as the watch has it, however old, since whoever changes it is refused where it is another one by now; else asked for. */
  const look = async (name: string): Promise<V1Pod | undefined> => {
    const known = pods.find(name);
    if (known !== undefined || !isSessionName(name)) return known;
    try {
      const session = await reservations.resolve(name);
      return pods.isFresh() ? pods.find(session) : await pods.read(session);
    } catch (error) {
      throw asHubError(error);
    }
  };
  const read = async (name: string): Promise<SessionRecord | undefined> => {
    const pod = await look(name);
    return pod === undefined ? undefined : recordFrom(pod);
  };

  const starter = createKubernetesStarter({
    pods,
    readiness,
    updates,
    client,
    clock,
    startTimeoutMs,
    read,
    onCrowded: () => void pool.makeRoom().catch((error: unknown) => log.warn({ err: error }, 'No room could be made')),
    onReady: (record, environment) => pool.want({ environment, profile: maker.profileOf(record) }),
  });

  /** Ends the very session that has the name now, as the API has it. */
  const ending = async (name: string, end: (session: string, pod: V1Pod) => Promise<unknown>): Promise<void> => {
    if (!isSessionName(name)) return;
    try {
      const session = await reservations.resolve(name);
      starter.abort(session);
      const pod = await pods.read(session);
      if (pod !== undefined && !isWarm(pod)) await end(session, pod);
    } catch (error) {
      throw asHubError(error);
    }
  };

  const stop = (name: string): Promise<void> =>
    ending(name, async (session, pod) => {
      losses.ends(session);
      await pods.remove(pod);
      updates.forget(session);
    });

  const lose = (name: string, error: SessionError): Promise<void> =>
    ending(name, async (_, pod) => {
      if (isFailed(pod)) return;
      await pods.amend(pod, [
        putAnnotation(ANNOTATIONS.failed, failureAnnotation(error, clock.now() + keepFailedMs)),
        // The node ends the container, and the pod stays to say why; one that waits behind its gate has none.
        ...(isGated(pod) ? [] : [{ op: 'add', path: '/spec/activeDeadlineSeconds', value: 1 } as const]),
      ]);
    });

  const fail = (name: string, error: SessionError): Promise<void> => {
    losses.ends(name);
    return lose(name, error);
  };

  const sweep = createSessionSweep({
    pods,
    reservations,
    pool,
    updates,
    clock,
    log,
    intervalMs: options.sweepMs ?? 30_000,
    reservedMs: options.reservedMs ?? 2 * HOUR_MS,
    startTimeoutMs,
    recordFrom,
    problemOf,
    isStarting: starter.isRunning,
    lose,
    stop,
  });

  const first = new AbortController();
  await Promise.race([
    watch.whenFresh(first.signal).catch(() => undefined),
    clock.sleep(FIRST_LOOK_MS, first.signal).catch(() => undefined),
  ]);
  first.abort();

  const list = async (): Promise<readonly SessionRecord[]> =>
    (await reservations.all().catch(rethrow)).flatMap((pod) => recordFrom(pod) ?? []).sort(byAge);

  return {
    async reserve(seed) {
      const record = recordFrom(await reservations.reserve(seed).catch(rethrow));
      if (record === undefined) throw new HubError('cancelled', 'The launch was cancelled.');
      return record;
    },
    async start(name, launchable, onStep, signal) {
      try {
        for (let session = await reservations.settle(name).catch(rethrow); ;) {
          try {
            return await starter.start(session, launchable, onStep, signal);
          } catch (error) {
            // Another hub may have removed it for its own session of the same launch: then that one is started.
            const successor = signal.aborted ? session : await reservations.settle(name, true).catch(() => session);
            if (successor === session) throw error;
            session = successor;
          }
        }
      } catch (error) {
        // A cancelled launch leaves nothing; a hub that stops leaves everything to the next.
        if (signal.reason instanceof HubError) await stop(name);
        throw error;
      } finally {
        pool.refill();
      }
    },
    get: read,
    async findByLaunch(launchId) {
      if (!isSessionName(launchId)) return undefined;
      return (await list()).find((record) => record.launchId === launchId);
    },
    list,
    fail,
    async update(name, change) {
      const record = await read(name);
      if (record === undefined) return undefined;
      updates.times(record.name, change);
      return read(record.name);
    },
    stop,
    upstream(name) {
      const pod = pods.find(name);
      const address = pod === undefined || isWarm(pod) ? undefined : pods.addressOf(name);
      return address === undefined ? undefined : { origin: address.origin, token: address.token };
    },
    onLost: losses.onLost,
    describe: async () => [maker.describe(options.namespace)],
    async environmentsInUse() {
      const shown = await pods.fresh().catch(rethrow);
      return [...shown.values()].flatMap((pod) => {
        const opened = isFailed(pod) ? undefined : openedOf(pod);
        return opened === undefined ? [] : [opened.environment];
      });
    },
    async close() {
      starter.abortAll();
      await sweep.close();
      await pool.close();
      await updates.close();
      losses.close();
      pods.close();
    },
  };
};
