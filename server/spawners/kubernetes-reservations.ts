import type { Clock } from '../clock.ts';
import { HubError } from '../errors.ts';
import type { V1Pod } from '../kubernetes/kubernetes-api.ts';
import { KubernetesError } from '../kubernetes/kubernetes-error.ts';
import { isOverQuota } from './kubernetes-session-errors.ts';
import { LABELS, launchSelector, sessionOfPod } from './kubernetes-session-name.ts';
import type { SessionPods } from './kubernetes-session-pods.ts';
import { isGated, openedOf, type AskedSession } from './kubernetes-session-record.ts';
import type { SpawnerLog } from './local-spawner-options.ts';
import type { SessionSeed } from './spawner.ts';

export interface ReservationsOptions {
  readonly pods: SessionPods;
  readonly clock: Clock;
  readonly log: SpawnerLog;
  readonly newName: () => string;
  readonly maxAgeMs: number;
  /** Whether there may be a warm session for the launch. */
  readonly canClaim: (seed: SessionSeed) => boolean;
  /** A warm session for the launch, claimed with its record in one step. */
  readonly claim: (seed: SessionSeed, asked: (session: string) => AskedSession) => Promise<V1Pod | undefined>;
  /** The pod of a session that waits behind its gate. */
  readonly makePod: (asked: AskedSession) => V1Pod;
  /** Ends something that no reader uses; false when there is nothing. */
  readonly makeRoom: () => Promise<boolean>;
}

/** How long a quota may take to notice that something was ended. */
const ROOM_WITHIN_MS = 3_000;
const ROOM_AGAIN_MS = 150;
const NAME_TRIES = 3;
/** After this long nothing comes of a call that was not answered. */
const DOUBT_MS = 300_000;

const sessionOf = (pod: V1Pod): string => sessionOfPod(pod.metadata?.name ?? '') ?? '';

const openedAt = (pod: V1Pod): number => (isGated(pod) ? Infinity : (openedOf(pod)?.at ?? 0));

/**
 * Of two sessions with one launch the one that stays comes first: the one that was opened, or opened earlier, since a reader may be
 * in it; else the lower name.
 */
const byStay = (a: V1Pod, b: V1Pod): number => {
  const [left, right] = [openedAt(a), openedAt(b)];
  return left === right ? (sessionOf(a) < sessionOf(b) ? -1 : 1) : left - right;
};

/** The pods that carry a launch, the one that stays first. */
const carriersOf = (shown: Iterable<V1Pod>, launchId: string | undefined): readonly V1Pod[] =>
  launchId === undefined
    ? []
    : [...shown].filter((pod) => pod.metadata?.labels?.[LABELS.launch] === launchId).sort(byStay);

/** Makes the one session of each launch, whichever hubs are asked for it at the same time. */
export const createReservations = (options: ReservationsOptions) => {
  const { pods, clock, log } = options;
  /** The launches of sessions that somebody here knows by name: another hub's session may take a launch over. */
  const launches = new Map<string, string>();
  /** Sessions that may have been made although this hub told that they were not, and since when. */
  const doubtful = new Map<string, number>();
  const reserving = new Map<string, Promise<V1Pod>>();

  const createOnce = async (asked: AskedSession): Promise<V1Pod> => {
    doubtful.set(asked.name, clock.monotonic());
    try {
      const pod = await pods.create(options.makePod(asked));
      doubtful.delete(asked.name);
      return pod;
    } catch (error) {
      const isRefused = !KubernetesError.is(error) || (error.status >= 400 && error.status < 500);
      if (isRefused) doubtful.delete(asked.name);
      throw error;
    }
  };

  const create = async (asked: (session: string) => AskedSession): Promise<V1Pod> => {
    let deadline: number | undefined;
    for (let tries = 1; ; tries++) {
      try {
        return await createOnce(asked(options.newName()));
      } catch (error) {
        // A name that is taken is a stranger's: ours are never the same twice.
        if (KubernetesError.is(error, 409) && tries < NAME_TRIES) continue;
        if (!isOverQuota(error)) throw error;
        if (deadline === undefined || clock.monotonic() > deadline) {
          if (!(await options.makeRoom())) throw error;
          deadline = clock.monotonic() + ROOM_WITHIN_MS;
        }
        await clock.sleep(ROOM_AGAIN_MS);
      }
    }
  };

  /**
   * Another hub may have made one at the same time: everyone looks once more and keeps the same. Nobody goes on with a session before
   * all others are gone, so that no two of one launch are ever opened.
   */
  const settleOn = async (launchId: string): Promise<V1Pod | undefined> => {
    for (;;) {
      const [winner, ...others] = carriersOf((await pods.listed(launchSelector(launchId))).values(), launchId);
      let isSettled = true;
      // One that has been opened since it was seen may be the one that stays.
      for (const other of others) if (!(await pods.remove(other, true))) isSettled = false;
      if (isSettled) return winner;
    }
  };

  const make = async (seed: SessionSeed): Promise<V1Pod> => {
    const shown = carriersOf((await pods.fresh()).values(), seed.launchId);
    // A claimed session runs at once, so for it the API itself is asked whether the launch has none yet.
    const existing = shown.length > 1 || options.canClaim(seed) ? await settleOn(seed.launchId) : shown[0];
    if (existing !== undefined) return existing;
    const expiresAt = clock.now() + options.maxAgeMs;
    const asked = (warm: AskedSession['warm']) => (name: string) => ({ ...seed, name, generation: 1, expiresAt, warm });
    const mine = (await options.claim(seed, asked('session'))) ?? (await create(asked('none')));
    const name = sessionOf(mine);
    try {
      const winner = await settleOn(seed.launchId);
      if (winner === undefined) throw new HubError('cancelled', 'The launch was cancelled.');
      if (sessionOf(winner) !== name)
        log.info({ session: name }, 'Another hub has reserved a session for the launch too');
      return winner;
    } catch (error) {
      doubtful.set(name, clock.monotonic());
      throw error;
    }
  };

  const launchOf = (name: string): string | undefined =>
    pods.find(name)?.metadata?.labels?.[LABELS.launch] ?? launches.get(name);

  return {
    /** The pod of a launch's one session. Rejects with KubernetesError or HubError. */
    async reserve(seed: SessionSeed): Promise<V1Pod> {
      const made = reserving.get(seed.launchId) ?? make(seed).finally(() => reserving.delete(seed.launchId));
      reserving.set(seed.launchId, made);
      const pod = await made;
      const name = sessionOf(pod);
      launches.set(name, seed.launchId);
      doubtful.delete(name);
      return pod;
    },

    /** The session that a launch has: the named one, or the one to which it gave way. */
    async resolve(name: string): Promise<string> {
      const [carrier] = carriersOf((await pods.fresh()).values(), launchOf(name));
      return carrier === undefined ? name : sessionOf(carrier);
    },

    /** As `resolve`, for whoever goes on with it: where there may be several, only one is left. `isGone` tells that the named one is not there. */
    async settle(name: string, isGone = false): Promise<string> {
      const launchId = launchOf(name);
      const shown = carriersOf((await pods.fresh()).values(), launchId);
      const carrier = launchId !== undefined && (isGone || shown.length > 1) ? await settleOn(launchId) : shown[0];
      return carrier === undefined ? name : sessionOf(carrier);
    },

    /** The one pod of each launch. */
    async all(): Promise<readonly V1Pod[]> {
      const seen = new Set<string>();
      const shown = [...(await pods.fresh()).values()].sort(byStay);
      return shown.filter((pod) => {
        const launchId = pod.metadata?.labels?.[LABELS.launch];
        if (launchId === undefined) return false;
        launches.set(sessionOf(pod), launchId);
        return seen.size < seen.add(launchId).size;
      });
    },

    /** Of pods that were just listed those that have no business: of a launch that has another, or told to be none. */
    superfluous(shown: readonly V1Pod[]): readonly V1Pod[] {
      const carried = new Set(shown.map((pod) => pod.metadata?.labels?.[LABELS.launch]));
      for (const [name, launchId] of launches) if (!carried.has(launchId)) launches.delete(name);
      for (const [name, at] of doubtful) if (clock.monotonic() - at > DOUBT_MS) doubtful.delete(name);
      const seen = new Set<string>();
      const result: V1Pod[] = [];
      for (const pod of [...shown].sort(byStay)) {
        const launchId = pod.metadata?.labels?.[LABELS.launch];
        if (launchId === undefined || reserving.has(launchId)) continue;
        if (seen.has(launchId) || (doubtful.has(sessionOf(pod)) && isGated(pod))) result.push(pod);
        else seen.add(launchId);
      }
      return result;
    },
  };
};

export type Reservations = ReturnType<typeof createReservations>;
