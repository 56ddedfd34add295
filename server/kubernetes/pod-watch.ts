import { setMaxListeners } from 'node:events';
import type { Clock } from '../clock.ts';
import type { Log } from '../log.ts';
import { createBackOff } from './back-off.ts';
import type { KubernetesApi, V1Pod } from './kubernetes-api.ts';
import { KubernetesError } from './kubernetes-error.ts';
import { markMoment, type Moment } from './moment.ts';
import { createPodStore, type PodChange } from './pod-store.ts';
import { untilAborted } from './until-aborted.ts';

export interface PodWatchOptions {
  readonly api: Pick<KubernetesApi, 'listPods' | 'watchPods'>;
  readonly namespace: string;
  readonly labelSelector: string;
  readonly clock: Clock;
  readonly log: Pick<Log, 'info' | 'warn' | 'error'>;
  /** How long one watch lasts before the next goes on from there; default 30 s. */
  readonly watchSeconds?: number;
  /** Up to which age the pods count as fresh; default 45 s. */
  readonly maxAgeMs?: number;
  /** A number from 0 to below 1. */
  readonly random?: () => number;
}

/** The pods as they were some time ago. */
export interface PodList {
  readonly pods: readonly V1Pod[];
  /** Milliseconds since the cluster last said something; Infinity before it first did. */
  readonly ageMs: number;
  readonly isFresh: boolean;
}

/** The pods of one namespace, kept up to date for the whole process. The pods are shared: nobody may change them. */
export interface PodWatch {
  list(): PodList;
  /** One pod, as `list` has it. */
  get(name: string): V1Pod | undefined;
  /** Resolves once the pods are fresh. */
  whenFresh(signal: AbortSignal): Promise<void>;
  /** Tells of every change from now on, in order; those that a list finds after a gap too. Returns what ends it. */
  onChange(listener: (change: PodChange) => void): () => void;
  /**
   * Resolves with a pod once it is fresh and as wanted, waiting for it to appear; rejects with KubernetesError 404 once it was
   * there and is gone.
   */
  waitFor(name: string, predicate: (pod: V1Pod) => boolean, signal: AbortSignal): Promise<V1Pod>;
  /** Takes a pod of this watch as a call has just answered it, so that the caller reads what it wrote. */
  note(pod: V1Pod): void;
  /** Ends the watch, and those who wait. */
  close(): Promise<void>;
}

const WATCH_SECONDS = 30;
const MAX_AGE_MS = 45_000;
const BACK_OFF = { firstMs: 200, maxMs: 15_000 };
/** Starts to list and watch at once, and never gives up: whatever ends a watch, another begins. */
export const createPodWatch = (options: PodWatchOptions): PodWatch => {
  const { api, namespace, labelSelector, clock, log, random } = options;
  const { watchSeconds: timeoutSeconds = WATCH_SECONDS, maxAgeMs = MAX_AGE_MS } = options;
  const store = createPodStore();
  const backOff = createBackOff({ ...BACK_OFF, random });
  const listeners = new Set<(change: PodChange) => void>();
  /** Run after every word from the cluster. */
  const checks = new Set<() => void>();
  const closing = new AbortController();
  const { signal: closed } = closing;
  // Each who waits listens to it.
  setMaxListeners(0, closed);
  /** A watch that lasted so long was sound, and where something was said so late in it, nothing is unsaid. */
  const shortMs = (timeoutSeconds * 1_000) / 6;
  let heard: Moment | undefined;

  const ageMs = () => heard?.elapsedMs() ?? Infinity;
  const isFresh = () => ageMs() <= maxAgeMs;

  const tell = (changes: readonly PodChange[]) => {
    for (const change of changes)
      for (const listener of listeners)
        try {
          listener(change);
        } catch (err) {
          log.error({ err, namespace }, 'a listener to pods failed');
        }
    for (const check of checks) check();
  };

  const list = async () => {
    // The list is as old as the question, not as its answer.
    const asked = markMoment(clock);
    const listed = await untilAborted(api.listPods(namespace, labelSelector), closed);
    heard = asked;
    tell(store.replaceAll(listed));
  };

  const watch = async () => {
    const { resourceVersion } = store;
    for await (const event of api.watchPods(namespace, { labelSelector, resourceVersion, timeoutSeconds }, closed)) {
      heard = markMoment(clock);
      tell(store.apply(event));
    }
  };

  const run = async () => {
    let mustList = true;
    while (!closed.aborted) {
      const began = markMoment(clock);
      try {
        if (mustList) await list();
        await watch();
        // Where not even a bookmark said towards its end that nothing more happened, only a list can.
        mustList = ageMs() >= shortMs;
      } catch (err) {
        if (closed.aborted) return;
        mustList = true;
        log[KubernetesError.is(err, 410) ? 'info' : 'warn'](
          { err, namespace },
          'a watch of pods broke off and begins anew',
        );
      }
      if (began.elapsedMs() >= shortMs) backOff.reset();
      else await clock.sleep(backOff.next(), closed).catch(() => undefined);
    }
  };
  const running = run();

  /** Tries now and after every word from the cluster, while the pods are fresh, until there is an answer. */
  const until = async <T>(signal: AbortSignal, find: () => T | undefined): Promise<T> => {
    const ended = new AbortController();
    let attempt = () => {};
    const found = new Promise<T>((resolve, reject) => {
      attempt = () => {
        if (!isFresh()) return;
        try {
          const value = find();
          if (value !== undefined) resolve(value);
        } catch (error) {
          reject(error as Error);
        }
      };
      for (const source of [signal, closed]) {
        if (source.aborted) reject(source.reason as Error);
        source.addEventListener('abort', () => reject(source.reason as Error), { once: true, signal: ended.signal });
      }
    });
    checks.add(attempt);
    attempt();
    try {
      return await found;
    } finally {
      checks.delete(attempt);
      ended.abort();
    }
  };

  return {
    list: () => ({ pods: [...store.pods.values()], ageMs: ageMs(), isFresh: isFresh() }),
    get: (name) => store.pods.get(name),
    async whenFresh(signal) {
      await until(signal, () => true);
    },
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    waitFor(name, predicate, signal) {
      let uid: string | undefined;
      return until(signal, () => {
        const pod = store.pods.get(name);
        if (uid !== undefined && pod?.metadata?.uid !== uid)
          throw new KubernetesError(404, 'NotFound', `pod ${JSON.stringify(name)} is gone`);
        uid = pod?.metadata?.uid;
        return pod !== undefined && predicate(pod) ? pod : undefined;
      });
    },
    note(pod) {
      tell(store.note(pod));
    },
    async close() {
      closing.abort(new KubernetesError(0, 'Closed', 'The watch of pods was closed.'));
      await running;
    },
  };
};
