import type { Clock } from '../clock.ts';
import type { DeleteOptions, KubernetesApi, PatchStep, V1Pod } from '../kubernetes/kubernetes-api.ts';
import { KubernetesError } from '../kubernetes/kubernetes-error.ts';
import type { PodWatch } from '../kubernetes/pod-watch.ts';
import { isAway, isConflict, withPatience } from './kubernetes-session-errors.ts';
import {
  ANNOTATIONS,
  LABELS,
  MANAGER,
  podNameOf,
  SESSION_PORT,
  SESSION_SELECTOR,
  sessionOfPod,
} from './kubernetes-session-name.ts';
import { sha256, tokenDigestOf } from './kubernetes-session-pod.ts';
import { isServing } from './kubernetes-session-record.ts';
import type { SpawnerLog } from './local-spawner-options.ts';
import type { SessionAddress } from './session-client.ts';

/** The tokens that sessions' servers ask for: the newest key makes them, and older ones still open what they made. */
export interface UpstreamTokens {
  readonly keyId: string;
  /** The same one each time; undefined when there is no such key any more. */
  of(session: string, keyId: string): string | undefined;
}

export interface SessionPodsOptions {
  readonly api: KubernetesApi;
  readonly namespace: string;
  readonly watch: Pick<PodWatch, 'list' | 'onChange' | 'note'>;
  readonly tokens: UpstreamTokens;
  readonly clock: Clock;
  readonly log: SpawnerLog;
  /** How long an API that is away is waited for. */
  readonly patienceMs: number;
}

const uidOf = (pod: V1Pod): string => pod.metadata?.uid ?? '';
const nameOf = (pod: V1Pod): string => pod.metadata?.name ?? '';

/** A path of a JSON patch to one label or annotation. */
const pathTo = (kind: 'labels' | 'annotations', name: string): string =>
  `/metadata/${kind}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`;

export const putAnnotation = (name: string, value: string): PatchStep => ({
  op: 'add',
  path: pathTo('annotations', name),
  value,
});
export const putLabel = (name: string, value: string): PatchStep => ({
  op: 'add',
  path: pathTo('labels', name),
  value,
});
export const testLabel = (name: string, value: string): PatchStep => ({
  op: 'test',
  path: pathTo('labels', name),
  value,
});
export const removeLabel = (name: string): PatchStep => ({ op: 'remove', path: pathTo('labels', name) });

/**
 * The pods of sessions: seen through one watch, with this hub's own writes on top, so that what was written is seen at
 * once; and only those that are the hub's own by their full identity, the token's digest included.
 */
export const createSessionPods = (options: SessionPodsOptions) => {
  const { api, namespace, watch, tokens, clock, log } = options;
  /** Pods that this hub deleted and the watch still shows, by uid. */
  const removed = new Set<string>();
  /** The token of each pod that is ours, by uid; undefined for strangers. */
  const verified = new Map<string, string | undefined>();
  const listeners = new Set<() => void>();
  let current: ReadonlyMap<string, V1Pod> | undefined;

  const verify = (pod: V1Pod): string | undefined => {
    const session = sessionOfPod(nameOf(pod));
    const { labels = {}, annotations = {} } = pod.metadata ?? {};
    if (session === undefined || labels[LABELS.session] !== session || labels[LABELS.managedBy] !== MANAGER)
      return undefined;
    const token = tokens.of(session, annotations[ANNOTATIONS.tokenKey] ?? '');
    return token !== undefined && tokenDigestOf(pod) === sha256(token) ? token : undefined;
  };

  const tokenOf = (pod: V1Pod): string | undefined => {
    const uid = uidOf(pod);
    if (!verified.has(uid)) {
      verified.set(uid, verify(pod));
      if (verified.get(uid) === undefined)
        log.warn({ pod: nameOf(pod) }, 'A pod looks like a session and is not one of this hub; it is left alone');
    }
    return verified.get(uid);
  };

  const isOurs = (pod: V1Pod): boolean =>
    pod.metadata?.deletionTimestamp === undefined && !removed.has(uidOf(pod)) && tokenOf(pod) !== undefined;

  const bySession = (pods: Iterable<V1Pod>): ReadonlyMap<string, V1Pod> => {
    const result = new Map<string, V1Pod>();
    for (const pod of pods) if (isOurs(pod)) result.set(sessionOfPod(nameOf(pod)) ?? '', pod);
    return result;
  };

  const known = (): ReadonlyMap<string, V1Pod> => (current ??= bySession(watch.list().pods));

  const changed = (): void => {
    current = undefined;
    for (const listener of listeners) listener();
  };
  const stopListening = watch.onChange(({ type, pod }) => {
    if (type === 'deleted') for (const memory of [verified, removed]) memory.delete(uidOf(pod));
    changed();
  });

  const patiently = <T>(work: () => Promise<T>): Promise<T> => withPatience(clock, options.patienceMs, work);

  const listed = async (selector = SESSION_SELECTOR): Promise<ReadonlyMap<string, V1Pod>> =>
    bySession((await patiently(() => api.listPods(namespace, selector))).items);

  let listing: Promise<ReadonlyMap<string, V1Pod>> | undefined;

  const read = async (session: string): Promise<V1Pod | undefined> => {
    try {
      const pod = await patiently(() => api.getPod(namespace, podNameOf(session)));
      return isOurs(pod) ? pod : undefined;
    } catch (error) {
      if (KubernetesError.is(error, 404)) return undefined;
      throw error;
    }
  };

  return {
    /** What is known now, however old; by session. */
    known,
    find: (session: string): V1Pod | undefined => known().get(session),

    /** What is so: from the watch while it is fresh, else asked for. Rejects with KubernetesError. */
    async fresh(): Promise<ReadonlyMap<string, V1Pod>> {
      if (watch.list().isFresh) return known();
      listing ??= listed().finally(() => (listing = undefined));
      return listing;
    },
    isFresh: (): boolean => watch.list().isFresh,
    /** Asks the API, whatever the watch says. */
    listed,
    read,

    tokenOf,
    /** Where a session's server is asked; undefined while it does not run. */
    addressOf(session: string): SessionAddress | undefined {
      const pod = known().get(session);
      const token = pod === undefined ? undefined : tokenOf(pod);
      if (pod === undefined || token === undefined || !isServing(pod)) return undefined;
      const ip = pod.status?.podIP ?? '';
      return { name: session, origin: `http://${ip.includes(':') ? `[${ip}]` : ip}:${SESSION_PORT}`, token };
    },

    /** Makes a pod; one that is there already counts where it is the very one, from a try whose answer was lost. */
    async create(pod: V1Pod): Promise<V1Pod> {
      const record = (of: V1Pod) => of.metadata?.annotations?.[ANNOTATIONS.record];
      const made = await patiently(async () => {
        try {
          return await api.createPod(namespace, pod);
        } catch (error) {
          if (!KubernetesError.is(error, 409)) throw error;
          // Many creates at once may jostle each other at a quota.
          if (error.reason !== 'AlreadyExists') throw new KubernetesError(503, error.reason, error.message);
          const there = await api.getPod(namespace, nameOf(pod)).catch((missing: unknown) => {
            // Another hub has removed it meanwhile, for one of its own.
            if (KubernetesError.is(missing, 404)) throw new KubernetesError(503, 'Gone', 'the pod was removed at once');
            throw missing;
          });
          if (isOurs(there) && record(there) === record(pod)) return there;
          throw error;
        }
      });
      watch.note(made);
      return made;
    },

    /** Changes the pod as it was seen; a 409 or 422 where it is another one by now. */
    async patch(pod: V1Pod, steps: readonly PatchStep[]): Promise<V1Pod> {
      const { resourceVersion } = pod.metadata ?? {};
      const guard: PatchStep = { op: 'test', path: '/metadata/resourceVersion', value: resourceVersion };
      const changedPod = await patiently(() => api.patchPod(namespace, nameOf(pod), [guard, ...steps]));
      watch.note(changedPod);
      return changedPod;
    },

    /** Changes whatever the pod is by now, so long as it is the same one; undefined when it is gone. */
    async amend(pod: V1Pod, steps: readonly PatchStep[]): Promise<V1Pod | undefined> {
      const guard: PatchStep = { op: 'test', path: '/metadata/uid', value: uidOf(pod) };
      try {
        const changedPod = await patiently(() => api.patchPod(namespace, nameOf(pod), [guard, ...steps]));
        watch.note(changedPod);
        return changedPod;
      } catch (error) {
        if (KubernetesError.is(error, 404) || isConflict(error)) return undefined;
        throw error;
      }
    },

    /** Deletes the very pod that was seen; `unchanged` only as it was seen. Returns whether it is gone. */
    async remove(pod: V1Pod, unchanged = false): Promise<boolean> {
      const { resourceVersion } = pod.metadata ?? {};
      const exact: DeleteOptions = { uid: uidOf(pod), ...(unchanged && resourceVersion ? { resourceVersion } : {}) };
      try {
        await patiently(() => api.deletePod(namespace, nameOf(pod), exact));
      } catch (error) {
        if (!KubernetesError.is(error, 409)) throw error;
        return false;
      }
      if (watch.list().pods.some((shown) => uidOf(shown) === uidOf(pod))) removed.add(uidOf(pod));
      changed();
      return true;
    },

    onChange(listener: () => void): () => void {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },

    /** Resolves at the next change of any pod, at the latest after a time. */
    async nextChange(timeoutMs: number, signal: AbortSignal): Promise<void> {
      const over = new AbortController();
      const stop = () => over.abort();
      listeners.add(stop);
      try {
        await clock.sleep(timeoutMs, AbortSignal.any([signal, over.signal])).catch(() => undefined);
      } finally {
        listeners.delete(stop);
      }
      signal.throwIfAborted();
    },

    /** The last lines of a session's log; none where it cannot be had. */
    async logTail(pod: V1Pod, container: string, lines: number): Promise<readonly string[]> {
      const stop = AbortSignal.timeout(options.patienceMs);
      let text = '';
      try {
        const log = api.podLog(namespace, nameOf(pod), { container, follow: false, tailLines: lines }, stop);
        for await (const part of log) text += part;
      } catch (error) {
        if (!KubernetesError.is(error)) throw error;
      }
      return text.split('\n').slice(0, -1);
    },

    /** What the cluster tells of a pod; nothing where it cannot be had. */
    events: (pod: V1Pod) =>
      api.podEvents(namespace, nameOf(pod)).catch((error: unknown) => {
        if (isAway(error)) return [];
        throw error;
      }),

    close: stopListening,
  };
};

export type SessionPods = ReturnType<typeof createSessionPods>;
