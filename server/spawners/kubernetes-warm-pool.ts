import type { BuiltEnvironment } from '../builders/builder.ts';
import type { Clock } from '../clock.ts';
import type { V1Pod } from '../kubernetes/kubernetes-api.ts';
import { KubernetesError } from '../kubernetes/kubernetes-error.ts';
import { endedAt } from './kubernetes-pod-problem.ts';
import { isConflict, isOverQuota } from './kubernetes-session-errors.ts';
import { ANNOTATIONS, LABELS, sessionOfPod } from './kubernetes-session-name.ts';
import { putAnnotation, putLabel, removeLabel, testLabel, type SessionPods } from './kubernetes-session-pods.ts';
import type { SessionClient, SessionReadiness } from './kubernetes-session-readiness.ts';
import { isServing, isWarm, openedOf } from './kubernetes-session-record.ts';
import type { SpawnerLog } from './local-spawner-options.ts';
import type { SessionSeed } from './spawner.ts';

/** What a warm session is made for. */
export interface WarmWish {
  readonly environment: BuiltEnvironment;
  /** Name of the size that its pod has. */
  readonly profile: string;
}

export interface KubernetesWarmPoolOptions {
  readonly pods: SessionPods;
  readonly readiness: SessionReadiness;
  readonly client: SessionClient;
  readonly clock: Clock;
  readonly log: SpawnerLog;
  readonly newName: () => string;
  /** How many there may be, of all hubs together. */
  readonly sessions: number;
  readonly idleMs: number;
  readonly startTimeoutMs: number;
  readonly makePod: (name: string, wish: WarmWish) => V1Pod;
  /** Whether a launch is starting now: warming waits, so as not to slow it down. */
  readonly isBusy: () => boolean;
}

/** Values of the label `liveleaf/warm`. */
export const WARM_STARTING = 'starting';
const WARM_READY = 'ready';

/** Pause after a launch before anything is warmed, and after a failure; in milliseconds. */
const CALM_MS = 1_000;
const FAILED_MS = 30_000;
/** How long nothing is made for an environment for which it failed. */
const UNFIT_MS = 300_000;

const labelOf = (pod: V1Pod, name: string): string | undefined => pod.metadata?.labels?.[name];
const sessionOf = (pod: V1Pod): string => sessionOfPod(pod.metadata?.name ?? '') ?? '';
const profileOf = (pod: V1Pod): string => pod.metadata?.annotations?.[ANNOTATIONS.profile] ?? '';
const idOf = ({ environment, profile }: WarmWish): string => `${environment.key}/${environment.generation}/${profile}`;
const wishOf = (pod: V1Pod): WarmWish | undefined => {
  const opened = openedOf(pod);
  return opened === undefined ? undefined : { environment: opened.environment, profile: profileOf(pod) };
};

/**
 * Started sessions of environments that were just used, for any hub to claim. What is wanted is read off the sessions that there
 * are, so that all hubs want the same.
 */
export const createKubernetesWarmPool = (options: KubernetesWarmPoolOptions) => {
  const { pods, readiness, client, clock, log, sessions, idleMs } = options;
  /** What this hub used, and when: the sessions themselves may be gone. */
  const used = new Map<string, { readonly wish: WarmWish; readonly at: number }>();
  /** For which environments it failed, and when. */
  const unfit = new Map<string, number>();
  /** Names that this hub is making warm. */
  const making = new Set<string>();
  const closing = new AbortController();
  let filling: Promise<void> | undefined;

  /** The environments that warm sessions are kept for, the last used first. */
  const wanted = (shown: Iterable<V1Pod>): readonly WarmWish[] => {
    const uses = new Map(used);
    for (const pod of shown) {
      const wish = wishOf(pod);
      const at = openedOf(pod)?.at ?? 0;
      if (wish === undefined || endedAt(pod) !== undefined) continue;
      if (at > (uses.get(idOf(wish))?.at ?? 0)) uses.set(idOf(wish), { wish, at });
    }
    return [...uses.values()]
      .filter(({ at }) => clock.now() - at <= idleMs)
      .sort((a, b) => b.at - a.at)
      .slice(0, sessions)
      .map(({ wish }) => wish);
  };

  const warmOnes = (shown: Iterable<V1Pod>): readonly V1Pod[] =>
    [...shown].filter(isWarm).sort((a, b) => (sessionOf(a) < sessionOf(b) ? -1 : 1));

  /** Warm sessions that a launch can take: of the environment that it will find, and of its size. */
  const offersFor = ({ kernel, environment, environmentBefore: before }: SessionSeed, profile: string) =>
    kernel === 'none' || before?.state !== 'built'
      ? []
      : warmOnes(pods.known().values()).filter((pod) => {
          const offer = wishOf(pod);
          return (
            labelOf(pod, LABELS.warm) === WARM_READY &&
            isServing(pod) &&
            offer?.profile === profile &&
            offer.environment.key === environment.key &&
            offer.environment.generation === before.generation
          );
        });

  /** Ends warm sessions that are of no use: old, unwanted, ended, forgotten while they were made, or one too many. */
  const removeUseless = async (shown: readonly V1Pod[]): Promise<boolean> => {
    let hasRemoved = false;
    const kept = new Set(wanted(shown).map(idOf));
    for (const pod of warmOnes(shown)) {
      const wish = wishOf(pod);
      const age = clock.now() - (openedOf(pod)?.at ?? 0);
      const isMade = labelOf(pod, LABELS.warm) === WARM_READY;
      const isForgotten = !isMade && !making.has(sessionOf(pod)) && age > 2 * options.startTimeoutMs;
      // Each keeps one: what it keeps is no longer wanted for the next.
      const isWanted = wish !== undefined && kept.delete(idOf(wish));
      if (endedAt(pod) !== undefined || age > idleMs || isForgotten || !isWanted) {
        making.delete(sessionOf(pod));
        // One that is claimed meanwhile is no longer ours to end.
        if (await pods.remove(pod, true)) hasRemoved = true;
      }
    }
    return hasRemoved;
  };

  const make = async (wish: WarmWish): Promise<void> => {
    const name = options.newName();
    making.add(name);
    let pod: V1Pod | undefined;
    const deadline = new AbortController();
    const over = AbortSignal.any([closing.signal, deadline.signal]);
    clock.sleep(options.startTimeoutMs, over).then(
      () => deadline.abort(new Error('It took too long.')),
      () => undefined,
    );
    try {
      pod = await pods.create(options.makePod(name, wish));
      const address = await readiness.awaitAnswer(name, over);
      const { key, generation, prefix, python, displayName } = wish.environment;
      await client.startKernel(
        address,
        {
          path: '',
          environment: `${key}/${generation}`,
          variables: {},
          kernel: { prefix, python, displayName },
          warm: true,
        },
        over,
      );
      await pods.amend(pod, [testLabel(LABELS.warm, WARM_STARTING), putLabel(LABELS.warm, WARM_READY)]);
    } catch (error) {
      if (!isOverQuota(error) && !closing.signal.aborted) unfit.set(idOf(wish), clock.now());
      if (pod !== undefined) await pods.remove(pod);
      throw error;
    } finally {
      deadline.abort();
      making.delete(name);
    }
  };

  const fill = async (): Promise<void> => {
    try {
      for (;;) {
        while (options.isBusy()) await clock.sleep(CALM_MS, closing.signal);
        const shown = [...(await pods.fresh()).values()];
        const warm = warmOnes(shown);
        const there = new Set(warm.flatMap((pod) => wishOf(pod) ?? []).map(idOf));
        const fits = (id: string) => !there.has(id) && clock.now() - (unfit.get(id) ?? 0) > UNFIT_MS;
        const next = wanted(shown).find((wish) => fits(idOf(wish)));
        if (next === undefined || closing.signal.aborted) return;
        if (warm.length >= sessions && !(await removeUseless(shown))) return;
        await make(next);
      }
    } catch (error) {
      if (closing.signal.aborted) return;
      log.info({ err: error }, 'Nothing could be made warm; trying again later');
      await clock.sleep(FAILED_MS, closing.signal).catch(() => undefined);
    }
  };

  const refill = (): void => {
    if (sessions === 0 || closing.signal.aborted || filling !== undefined) return;
    filling = fill().finally(() => {
      filling = undefined;
    });
  };

  return {
    refill,

    /** Whether there seems to be one for a launch. */
    canClaim: (seed: SessionSeed, profile: string): boolean => offersFor(seed, profile).length > 0,

    /** A session of the environment that the launch will find, from now on the launch's; its record is written in the same step. */
    async claim(
      seed: SessionSeed,
      profile: string,
      metadataOf: (session: string) => { labels: Record<string, string>; annotations: Record<string, string> },
    ): Promise<V1Pod | undefined> {
      // Whatever the age of what is known: the patch is refused where it is no longer so.
      for (const pod of offersFor(seed, profile)) {
        const { labels, annotations } = metadataOf(sessionOf(pod));
        const opened = JSON.stringify({ ...openedOf(pod), at: clock.now() });
        try {
          return await pods.patch(pod, [
            removeLabel(LABELS.warm),
            putAnnotation(ANNOTATIONS.opened, opened),
            ...Object.entries(labels).map(([name, value]) => putLabel(name, value)),
            ...Object.entries(annotations).map(([name, value]) => putAnnotation(name, value)),
          ]);
        } catch (error) {
          if (!isConflict(error) && !KubernetesError.is(error, 404)) throw error;
          // A patch whose answer was lost is refused when it is tried again.
          const now = await pods.read(sessionOf(pod));
          if (now !== undefined && labelOf(now, LABELS.launch) === seed.launchId) return now;
        }
      }
      return undefined;
    },

    /** Tells that an environment was used: the next launch of it may find a session ready. */
    want(wish: WarmWish): void {
      used.set(idOf(wish), { wish, at: clock.now() });
      for (const [id, { at }] of used) if (clock.now() - at > idleMs) used.delete(id);
      for (const [id, at] of unfit) if (clock.now() - at > UNFIT_MS) unfit.delete(id);
      refill();
    },

    /** Ends one, so that a reader finds a place; false when there is none. */
    async makeRoom(): Promise<boolean> {
      for (const pod of warmOnes((await pods.fresh()).values())) if (await pods.remove(pod, true)) return true;
      return false;
    },

    /** Looks through what there is, freshly listed. */
    async sweep(shown: readonly V1Pod[]): Promise<void> {
      await removeUseless(shown);
      refill();
    },

    /** Stops making; what is warm stays, for the next hub. */
    async close(): Promise<void> {
      closing.abort(new Error('The hub ends.'));
      await filling;
    },
  };
};

export type KubernetesWarmPool = ReturnType<typeof createKubernetesWarmPool>;
