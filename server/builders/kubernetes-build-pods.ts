import type { Clock } from '../clock.ts';
import type { KubernetesApi, V1Pod } from '../kubernetes/kubernetes-api.ts';
import { KubernetesError } from '../kubernetes/kubernetes-error.ts';
import { BUILD_SELECTOR, LABELS, recordOf, type BuildRecord } from './kubernetes-build-identity.ts';

/** A pod of a hub's builds, with what it is for. */
export interface SeenBuild {
  readonly pod: V1Pod;
  readonly record: BuildRecord;
}

/** What is needed of a watch over the namespace's build pods. */
export interface SeenPods {
  list(): { readonly pods: readonly V1Pod[]; readonly isFresh: boolean };
  /** Calls back after every change. Returns how to stop. */
  onChange(listener: () => void): () => void;
}

/** The build pods of one registry's environments; those of strangers are not seen. */
export interface BuildPods {
  /** All of them as the watch knows them; undefined while it is not sure. */
  all(): readonly SeenBuild[] | undefined;
  /** A key's pods, generations and attempts in order. `fresh` asks the cluster whatever the watch knows. */
  of(key: string, fresh?: boolean): Promise<readonly SeenBuild[]>;
  /** Makes a pod known before the watch tells of it. */
  note(pod: V1Pod): void;
  /** Deletes the very pod that was seen; it is gone from here on, whatever the watch still tells. */
  remove(build: SeenBuild): Promise<void>;
  /** Counts changes of any pod. */
  readonly version: number;
  /** Resolves when there are changes after this count, or after a time. Rejects with the signal's reason. */
  changed(since: number, withinMs: number, signal: AbortSignal): Promise<void>;
}

export interface BuildPodsOptions {
  readonly api: KubernetesApi;
  readonly namespace: string;
  readonly watch: SeenPods;
  /** Whether a pod's image belongs to this hub's registry. */
  readonly isOurs: (record: BuildRecord) => boolean;
  readonly clock: Clock;
}

const REMOVED_MS = 60_000;

const order = ({ record: a }: SeenBuild, { record: b }: SeenBuild): number =>
  a.generation === b.generation ? a.attempt - b.attempt : a.generation < b.generation ? -1 : 1;

export const createBuildPods = ({ api, namespace, watch, isOurs, clock }: BuildPodsOptions): BuildPods => {
  /** Pods that were made or met here and that the watch may not know yet. */
  const noted = new Map<string, SeenBuild>();
  /** Uids of pods that were deleted here, and until when the watch may still tell of them. */
  const removed = new Map<string, number>();
  const listeners = new Set<() => void>();
  let version = 0;
  watch.onChange(() => {
    version += 1;
    for (const listener of listeners) listener();
  });

  const seen = (pods: readonly V1Pod[]): SeenBuild[] =>
    pods.flatMap((pod) => {
      const record = recordOf(pod);
      return record && isOurs(record) && !removed.has(pod.metadata?.uid ?? '') ? [{ pod, record }] : [];
    });
  /** What was noted and the watch does not know is asked for by name: it may be gone again. */
  const withNoted = async (key: string, known: readonly SeenBuild[]): Promise<readonly SeenBuild[]> => {
    const missing: SeenBuild[] = [];
    for (const [name, { record }] of noted) {
      if (record.key !== key) continue;
      if (known.some((each) => each.pod.metadata?.name === name)) {
        noted.delete(name);
        continue;
      }
      try {
        const [now] = seen([await api.getPod(namespace, name)]);
        if (now) missing.push(now);
        else noted.delete(name);
      } catch (error) {
        if (!KubernetesError.is(error, 404)) throw error;
        noted.delete(name);
      }
    }
    return [...known, ...missing].sort(order);
  };

  return {
    all: () => {
      const { pods, isFresh } = watch.list();
      return isFresh ? seen(pods) : undefined;
    },
    of: async (key, fresh = false) => {
      const { pods, isFresh } = watch.list();
      if (isFresh && !fresh)
        return withNoted(key, seen(pods.filter((pod) => pod.metadata?.labels?.[LABELS.key] === key)));
      const { items } = await api.listPods(namespace, `${BUILD_SELECTOR},${LABELS.key}=${key}`);
      return seen(items).sort(order);
    },
    note: (pod) => {
      for (const each of seen([pod])) noted.set(pod.metadata?.name ?? '', each);
    },
    remove: async ({ pod }) => {
      const { name = '', uid = '' } = pod.metadata ?? {};
      await api.deletePod(namespace, name, { uid }).catch((error: unknown) => {
        // Another pod has the name by now: the one that was meant is gone.
        if (!KubernetesError.is(error, 409)) throw error;
      });
      noted.delete(name);
      for (const [old, until] of removed) if (until < clock.monotonic()) removed.delete(old);
      removed.set(uid, clock.monotonic() + REMOVED_MS);
    },
    get version() {
      return version;
    },
    changed: async (since, withinMs, signal) => {
      signal.throwIfAborted();
      if (version !== since) return;
      const stop = new AbortController();
      let listener: (() => void) | undefined;
      const change = new Promise<void>((resolve) => {
        listener = resolve;
        listeners.add(resolve);
      });
      try {
        await Promise.race([change, clock.sleep(withinMs, AbortSignal.any([signal, stop.signal]))]);
      } finally {
        if (listener) listeners.delete(listener);
        stop.abort();
      }
      signal.throwIfAborted();
    },
  };
};
