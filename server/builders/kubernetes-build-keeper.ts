import type { Clock } from '../clock.ts';
import type { KubernetesApi, V1Pod } from '../kubernetes/kubernetes-api.ts';
import { KubernetesError } from '../kubernetes/kubernetes-error.ts';
import { ANNOTATIONS, endOf, type BuildEnd } from './kubernetes-build-identity.ts';
import type { BuildPods } from './kubernetes-build-pods.ts';
import { endedAt, scheduledAt, viewBuild, type BuildView } from './kubernetes-build-state.ts';

export interface BuildKeeperParts {
  readonly api: KubernetesApi;
  readonly namespace: string;
  readonly pods: BuildPods;
  readonly clock: Clock;
  readonly silenceMs: number;
  /** How long an ended build's pod is kept. */
  readonly keepEndedMs: number;
  /** Begins a lost build once more. */
  readonly retry: (view: BuildView, signal: AbortSignal) => Promise<void>;
  /** Keeps a build's log and result beside its image; twice is once. */
  readonly archive: (view: BuildView, signal: AbortSignal) => Promise<void>;
  readonly onError: (error: unknown) => void;
}

const EVERY_MS = 15_000;
/** A pod that no node has room for by then is given up. */
const UNSCHEDULED_MS = 10 * 60_000;
/** How long a pod may wait for what a node cannot give it: the kubelet tries again meanwhile. */
const STUCK_MS = 60_000;
const AFTER_FAILURE_MS = 60_000;
/** Not found, or not the pod that was meant. */
const GONE = [404, 409, 422] as const;

/** Reasons of a waiting container that pass by themselves only where the cluster or its owner changes something. */
const STUCK: Readonly<Record<string, BuildEnd['code']>> = {
  ErrImagePull: 'pull_failed',
  ImagePullBackOff: 'pull_failed',
  InvalidImageName: 'pull_failed',
  ErrImageNeverPull: 'pull_failed',
  RegistryUnavailable: 'pull_failed',
  CreateContainerConfigError: 'unhealthy',
  CreateContainerError: 'unhealthy',
  RunContainerError: 'unhealthy',
};

const time = (value: Date | string | undefined): number => (value === undefined ? 0 : new Date(value).getTime());

const statusesOf = ({ status }: V1Pod) => [
  ...(status?.initContainerStatuses ?? []),
  ...(status?.containerStatuses ?? []),
];

/** Why a running build is going nowhere, as far as its pod alone tells; undefined where it may go on. */
const hopeless = (pod: V1Pod, now: number): BuildEnd | undefined => {
  const since = scheduledAt(pod);
  if (since === undefined)
    return now - time(pod.metadata?.creationTimestamp) > UNSCHEDULED_MS
      ? { code: 'capacity', reason: 'unschedulable' }
      : undefined;
  if (now - since < STUCK_MS) return undefined;
  for (const { state } of statusesOf(pod)) {
    const code = STUCK[state?.waiting?.reason ?? ''];
    if (code) return { code, reason: `${state?.waiting?.reason}: ${state?.waiting?.message ?? ''}`.slice(0, 300) };
  }
  return undefined;
};

/** The container that runs now, and since when. */
const runningContainer = (pod: V1Pod): { readonly name: string; readonly since: number } | undefined => {
  const found = statusesOf(pod).find(({ state }) => state?.running !== undefined);
  return found && { name: found.name, since: time(found.state?.running?.startedAt) };
};

/** Looks after all builds of a namespace, whoever began them, until `stop`: what hangs is ended, what was lost begun once more, what ended kept and cleared away. Several hubs may do so at once. */
export const keepBuilds = (parts: BuildKeeperParts): { readonly stop: () => Promise<void> } => {
  const { api, namespace, pods, clock, silenceMs, keepEndedMs, onError } = parts;
  const stop = new AbortController();
  /** When to look at a pod's log again, by uid. */
  const listenAt = new Map<string, number>();
  const archived = new Set<string>();
  const tryAgainAt = new Map<string, number>();
  const busy = new Map<string, Promise<void>>();

  /** Ends a build so that its log stays readable: its own deadline is drawn in. One that no node has yet is only marked. */
  const end = async ({ metadata, ...pod }: V1Pod, why: BuildEnd): Promise<void> => {
    const mark = `/metadata/annotations/${ANNOTATIONS.end.replace('/', '~1')}`;
    await api.patchPod(namespace, metadata?.name ?? '', [
      { op: 'test', path: '/metadata/uid', value: metadata?.uid },
      { op: 'add', path: mark, value: JSON.stringify(why) },
      ...(scheduledAt(pod) === undefined
        ? []
        : [{ op: 'add', path: '/spec/activeDeadlineSeconds', value: 1 } as const]),
    ]);
  };

  const isSilent = async (pod: V1Pod): Promise<boolean> => {
    const running = runningContainer(pod);
    const uid = pod.metadata?.uid ?? '';
    const now = clock.now();
    if (running === undefined || now - running.since < silenceMs || now < (listenAt.get(uid) ?? 0)) return false;
    listenAt.set(uid, now + Math.min(AFTER_FAILURE_MS, silenceMs / 4));
    const sinceTime = new Date(now - silenceMs).toISOString().replace(/\.\d+Z$/, 'Z');
    const options = { container: running.name, follow: false, sinceTime, tailLines: 1 };
    for await (const text of api.podLog(namespace, pod.metadata?.name ?? '', options, stop.signal))
      if (text) return false;
    return true;
  };

  const tendRunning = async ({ pod }: BuildView): Promise<void> => {
    const why =
      hopeless(pod, clock.now()) ??
      ((await isSilent(pod)) ? ({ code: 'build_timeout', reason: 'silence' } as const) : undefined);
    if (why) await end(pod, why);
  };

  const tendEnded = async (view: BuildView): Promise<void> => {
    const { pod } = view;
    const uid = pod.metadata?.uid ?? '';
    if (!archived.has(uid)) {
      await parts.archive(view, stop.signal);
      archived.add(uid);
    }
    const neverRan = scheduledAt(pod) === undefined && endOf(pod) !== undefined;
    if (neverRan || clock.now() - endedAt(pod) >= keepEndedMs) await pods.remove(view);
  };

  const tend = async (view: BuildView): Promise<void> => {
    if (view.toRetry) await parts.retry(view, stop.signal);
    else if (view.outcome.state === 'running') await tendRunning(view);
    else await tendEnded(view);
  };

  /** Tends one build unless that is under way; after a failure it waits. */
  const tendOnce = (view: BuildView): void => {
    const uid = view.pod.metadata?.uid ?? '';
    if (busy.has(uid) || (tryAgainAt.get(uid) ?? 0) > clock.now()) return;
    const { version } = pods;
    const tending = tend(view)
      .catch((error: unknown) => {
        tryAgainAt.set(uid, clock.now() + AFTER_FAILURE_MS);
        // A pod that went meanwhile, or that is another by now, needs nothing any more.
        if (!stop.signal.aborted && !GONE.some((status) => KubernetesError.is(error, status))) onError(error);
      })
      .finally(() => {
        busy.delete(uid);
        // What changed meanwhile was passed over.
        if (!stop.signal.aborted && pods.version !== version) look();
      });
    busy.set(uid, tending);
  };

  const look = (): void => {
    const all = pods.all();
    if (all === undefined) return;
    for (const build of all) tendOnce(viewBuild(build, clock.now()));
    const uids = new Set(all.map(({ pod }) => pod.metadata?.uid));
    for (const kept of [listenAt, archived, tryAgainAt])
      for (const uid of kept.keys()) if (!uids.has(uid)) kept.delete(uid);
  };

  const run = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      const { version } = pods;
      look();
      await pods.changed(version, EVERY_MS, stop.signal).catch(() => undefined);
    }
  };
  const running = run();
  return {
    stop: async () => {
      stop.abort();
      await running;
      await Promise.all(busy.values());
    },
  };
};
