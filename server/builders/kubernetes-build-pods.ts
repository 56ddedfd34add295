import type { Clock } from '../clock.ts';
import type { KubernetesApi, V1Pod } from '../kubernetes/kubernetes-api.ts';
import { KubernetesError } from '../kubernetes/kubernetes-error.ts';
import type { PodWatch } from '../kubernetes/pod-watch.ts';
import { BUILD_SELECTOR, LABELS, recordOf, type BuildRecord } from './kubernetes-build-identity.ts';

/** A pod of a hub's builds, with what it is for. */
export interface SeenBuild {
  readonly pod: V1Pod;
  readonly record: BuildRecord;
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
  readonly watch: PodWatch;
  /** Whether a pod's image belongs to this hub's registry. */
  readonly isOurs: (record: BuildRecord) => boolean;
  readonly clock: Clock;
}

/** How long a watch may still tell of a pod that was deleted here. */
const REMOVED_MS = 60_000;

const inOrder = ({ record: a }: SeenBuild, { record: b }: SeenBuild): number =>
  a.generation === b.generation ? a.attempt - b.attempt : a.generation < b.generation ? -1 : 1;

export const createBuildPods = ({ api, namespace, watch, isOurs, clock }: BuildPodsOptions): BuildPods => {
  /** Until when, by uid. */
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

  return {
    all: () => {
      const { pods, isFresh } = watch.list();
      return isFresh ? seen(pods) : undefined;
    },
    of: async (key, fresh = false) => {
      const { pods, isFresh } = watch.list();
      if (isFresh && !fresh)
        return seen(pods.filter(({ metadata }) => metadata?.labels?.[LABELS.key] === key)).sort(inOrder);
      const { items } = await api.listPods(namespace, `${BUILD_SELECTOR},${LABELS.key}=${key}`);
      return seen(items).sort(inOrder);
    },
    note: (pod) => watch.note(pod),
    remove: async ({ pod }) => {
      const { name = '', uid = '' } = pod.metadata ?? {};
      await api.deletePod(namespace, name, { uid }).catch((error: unknown) => {
        // Another pod has the name by now: the one that was meant is gone.
        if (!KubernetesError.is(error, 409)) throw error;
      });
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
      let wake: () => void = () => undefined;
      const change = new Promise<void>((resolve) => {
        wake = resolve;
        listeners.add(resolve);
      });
      try {
        await Promise.race([change, clock.sleep(withinMs, AbortSignal.any([signal, stop.signal]))]);
      } finally {
        listeners.delete(wake);
        stop.abort();
      }
    },
  };
};
