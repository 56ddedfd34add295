import type { Clock } from '../clock.ts';
import type { KubernetesApi, V1Pod } from '../kubernetes/kubernetes-api.ts';
import { KubernetesError } from '../kubernetes/kubernetes-error.ts';
import type { PodWatch } from '../kubernetes/pod-watch.ts';
import { buildPodName, recordOf, type BuildRecord } from './kubernetes-build-identity.ts';

/** A pod of a hub's builds, with what it is for. */
export interface SeenBuild {
  readonly pod: V1Pod;
  readonly record: BuildRecord;
}

/** The build pods of one registry's environments, one a key; those of strangers are not seen. */
export interface BuildPods {
  /** All of them as the watch knows them; undefined while it is not sure. */
  all(): readonly SeenBuild[] | undefined;
  /** A key's pod. `fresh` asks the cluster whatever the watch knows. */
  of(key: string, fresh?: boolean): Promise<SeenBuild | undefined>;
  /** Makes a key's pod, or finds the one that there is. Rejects with KubernetesError, or `stranger` where the name is another's. */
  ensure(pod: V1Pod, signal: AbortSignal): Promise<'made' | 'met' | 'stranger'>;
  /** Deletes the very pod that was seen; false where that had happened already. It is gone from here on, whatever the watch still tells. */
  remove(build: SeenBuild): Promise<boolean>;
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
const GOING_MS = 200;

/** Deleted here, or deleted by anyone without a time to end in: then the API tells of it for a moment more. */
const isGone = ({ metadata }: V1Pod, removed: ReadonlyMap<string, number>): boolean =>
  removed.has(metadata?.uid ?? '') ||
  (metadata?.deletionTimestamp !== undefined && metadata.deletionGracePeriodSeconds === 0);

export const createBuildPods = ({ api, namespace, watch, isOurs, clock }: BuildPodsOptions): BuildPods => {
  /** Until when, by uid. */
  const removed = new Map<string, number>();
  const listeners = new Set<() => void>();
  let version = 0;
  watch.onChange(() => {
    version += 1;
    for (const listener of listeners) listener();
  });

  const seen = (pod: V1Pod | undefined): SeenBuild | undefined => {
    const record = pod && recordOf(pod);
    return record && isOurs(record) && !isGone(pod, removed) ? { pod, record } : undefined;
  };
  const ask = (name: string): Promise<V1Pod | undefined> =>
    api.getPod(namespace, name).catch((error: unknown) => {
      if (!KubernetesError.is(error, 404)) throw error;
      return undefined;
    });

  return {
    all: () => {
      const { pods, isFresh } = watch.list();
      return isFresh ? pods.flatMap((pod) => seen(pod) ?? []) : undefined;
    },
    of: async (key, fresh = false) => {
      const name = buildPodName(key);
      return seen(watch.list().isFresh && !fresh ? watch.get(name) : await ask(name));
    },
    ensure: async (pod, signal) => {
      for (;;) {
        try {
          watch.note(await api.createPod(namespace, pod));
          return 'made';
        } catch (error) {
          if (!KubernetesError.is(error, 409)) throw error;
        }
        const found = await ask(pod.metadata?.name ?? '');
        // It went between the two looks, and the name is free.
        if (!found) continue;
        const record = recordOf(found);
        if (!record || !isOurs(record)) return 'stranger';
        if (seen(found)) {
          watch.note(found);
          return 'met';
        }
        // Deleted here, and not gone yet.
        await clock.sleep(GOING_MS, signal);
      }
    },
    remove: async ({ pod }) => {
      const { name = '', uid = '' } = pod.metadata ?? {};
      const isMine = await api.deletePod(namespace, name, { uid }).catch((error: unknown) => {
        // Another pod has the name by now: the one that was meant is gone.
        if (!KubernetesError.is(error, 409)) throw error;
        return false;
      });
      for (const [old, until] of removed) if (until < clock.monotonic()) removed.delete(old);
      removed.set(uid, clock.monotonic() + REMOVED_MS);
      return isMine;
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
