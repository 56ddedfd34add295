import type { Clock } from '../clock.ts';
import type { KubernetesApi, V1Pod } from '../kubernetes/kubernetes-api.ts';
import { KubernetesError } from '../kubernetes/kubernetes-error.ts';
import { ANNOTATIONS, endOf, type BuildEnd } from './kubernetes-build-identity.ts';
import type { BuildPods, SeenBuild } from './kubernetes-build-pods.ts';
import { endedAt, scheduledAt, viewGeneration, type GenerationView } from './kubernetes-build-state.ts';

export interface BuildKeeperParts {
  readonly api: KubernetesApi;
  readonly namespace: string;
  readonly pods: BuildPods;
  readonly clock: Clock;
  readonly silenceMs: number;
  /** How long an ended build's pod is kept. */
  readonly keepEndedMs: number;
  /** Begins a lost build once more. */
  readonly retry: (view: GenerationView) => Promise<void>;
  /** Keeps a generation's log and result beside its image; twice is once. */
  readonly archive: (view: GenerationView, signal: AbortSignal) => Promise<void>;
  readonly onError: (error: unknown) => void;
}

const EVERY_MS = 15_000;
/** A pod that no node has room for by then is given up. */
const UNSCHEDULED_MS = 10 * 60_000;
/** How long a pod may wait for what a node cannot give it: the kubelet tries again meanwhile. */
const STUCK_MS = 60_000;
const AFTER_FAILURE_MS = 60_000;

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
export const hopeless = (pod: V1Pod, now: number): BuildEnd | undefined => {
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
  const end = async ({ pod }: SeenBuild, why: BuildEnd): Promise<void> => {
    await api.patchPod(namespace, pod.metadata?.name ?? '', {
      metadata: { annotations: { [ANNOTATIONS.end]: JSON.stringify(why) } },
      ...(scheduledAt(pod) === undefined ? {} : { spec: { activeDeadlineSeconds: 1 } }),
    });
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

  const tendRunning = async ({ latest }: GenerationView): Promise<void> => {
    const why =
      hopeless(latest.pod, clock.now()) ??
      ((await isSilent(latest.pod)) ? ({ code: 'build_timeout', reason: 'silence' } as const) : undefined);
    if (why && !endOf(latest.pod)) await end(latest, why);
  };

  const tendEnded = async (view: GenerationView, builds: readonly SeenBuild[]): Promise<void> => {
    const { pod } = view.latest;
    const uid = pod.metadata?.uid ?? '';
    if (!archived.has(uid)) {
      await parts.archive(view, stop.signal);
      archived.add(uid);
    }
    const neverRan = scheduledAt(pod) === undefined && endOf(pod) !== undefined;
    if (!neverRan && clock.now() - endedAt(pod) < keepEndedMs) return;
    for (const build of builds.filter(({ record }) => record.generation === view.generation)) await pods.remove(build);
  };

  const tend = async (view: GenerationView, builds: readonly SeenBuild[]): Promise<void> => {
    if (view.toRetry) await parts.retry(view);
    else if (view.outcome.state === 'running') await tendRunning(view);
    else await tendEnded(view, builds);
  };

  /** Tends one generation unless that is under way; after a failure it waits. */
  const tendOnce = (view: GenerationView, builds: readonly SeenBuild[]): void => {
    const id = `${view.latest.record.key}/${view.generation}`;
    if (busy.has(id) || (tryAgainAt.get(id) ?? 0) > clock.now()) return;
    const tending = tend(view, builds)
      .catch((error: unknown) => {
        tryAgainAt.set(id, clock.now() + AFTER_FAILURE_MS);
        // A pod that went meanwhile needs nothing any more.
        if (!stop.signal.aborted && !KubernetesError.is(error, 404) && !KubernetesError.is(error, 409)) onError(error);
      })
      .finally(() => busy.delete(id));
    busy.set(id, tending);
  };

  const look = (): void => {
    const all = pods.all();
    if (all === undefined) return;
    const byKey = new Map<string, SeenBuild[]>();
    for (const build of all) byKey.set(build.record.key, [...(byKey.get(build.record.key) ?? []), build]);
    for (const builds of byKey.values())
      for (const generation of new Set(builds.map(({ record }) => record.generation))) {
        const view = viewGeneration(builds, generation, clock.now());
        if (view) tendOnce(view, builds);
      }
    const uids = new Set(all.map(({ pod }) => pod.metadata?.uid));
    for (const kept of [listenAt, archived]) for (const uid of kept.keys()) if (!uids.has(uid)) kept.delete(uid);
    for (const [id, at] of tryAgainAt) if (at < clock.now()) tryAgainAt.delete(id);
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
