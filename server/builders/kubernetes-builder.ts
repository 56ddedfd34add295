import type { Clock } from '../clock.ts';
import type { Content } from '../content/content.ts';
import type { EnvironmentPlan } from '../environments/plan.ts';
import { HubError } from '../errors.ts';
import type { KubernetesApi } from '../kubernetes/kubernetes-api.ts';
import { KubernetesError } from '../kubernetes/kubernetes-error.ts';
import { createPodWatch, type PodWatch } from '../kubernetes/pod-watch.ts';
import type { Log } from '../log.ts';
import type { Registry } from '../registry/registry.ts';
import { DEFAULT_BUILD_LIMITS } from './build-result.ts';
import type { Builder, BuildLogLine } from './builder.ts';
import { inCluster } from './kubernetes-build-errors.ts';
import {
  BUILD_SELECTOR,
  buildPodName,
  generationAfter,
  isBuildOf,
  LABELS,
  type BuildIdentity,
} from './kubernetes-build-identity.ts';
import { createBuildImages } from './kubernetes-build-images.ts';
import { keepBuilds } from './kubernetes-build-keeper.ts';
import { followBuild, SharedReading, type BuildLogParts } from './kubernetes-build-log.ts';
import { buildPod, planOf, sourceOf, type BuildPodSettings, type BuildRequest } from './kubernetes-build-pod.ts';
import { createBuildPods } from './kubernetes-build-pods.ts';
import { hasRun, newestGeneration, viewGeneration, type GenerationView } from './kubernetes-build-state.ts';
import { createImageUse, type EvictedImages, type ImageEvictionLimits } from './kubernetes-image-eviction.ts';
import { createBuildStatuses } from './kubernetes-build-status.ts';

export interface KubernetesBuilderOptions {
  readonly api: KubernetesApi;
  readonly registry: Registry;
  /** What repositories' names begin with, `liveleaf/`. */
  readonly prefix: string;
  /** `deadlineMs` defaults to 1 hour. */
  readonly pod: Omit<BuildPodSettings, 'deadlineMs'> & { readonly deadlineMs?: number };
  readonly clock: Clock;
  /** A build that says nothing for so long ends with `build_timeout`; default 10 minutes. */
  readonly silenceMs?: number;
  /** How long an ended build's pod is kept; default 6 hours. */
  readonly keepEndedMs?: number;
  readonly log: Pick<Log, 'info' | 'warn' | 'error'>;
}

/** The builder of a cluster, with what only a cluster has. */
export interface KubernetesBuilder extends Builder {
  /** The build pods as this hub sees them, whose age is part of its readiness. */
  readonly watch: PodWatch;
  /** Removes environments' images that are old or for which there is no room, the longest unused first; never a key that is in use. */
  evict(options: {
    readonly inUse: ReadonlySet<string>;
    readonly limits?: Partial<ImageEvictionLimits>;
  }): Promise<EvictedImages>;
}

const KEEP_ENDED_MS = 6 * 3_600_000;
const POLL_MS = 2_000;
/** How long a waiting launch bears a registry or a cluster that does not answer. */
const PATIENCE_MS = 60_000;

const isPassing = (error: unknown): boolean =>
  error instanceof HubError && (error.code === 'registry_down' || error.code === 'capacity');

/** Builds environments in pods of a cluster and keeps them as images in a registry; any number of hubs may share both. */
export const createKubernetesBuilder = async (options: KubernetesBuilderOptions): Promise<KubernetesBuilder> => {
  const { api, registry, clock, prefix, log } = options;
  const settings: BuildPodSettings = { deadlineMs: DEFAULT_BUILD_LIMITS.deadlineMs, ...options.pod };
  const { namespace } = settings;
  const images = createBuildImages({ registry, url: settings.registry, prefix, clock });
  const watch = createPodWatch({ api, namespace, labelSelector: BUILD_SELECTOR, clock, log });
  const use = createImageUse({ registry, origin: new URL(settings.registry).origin, prefix, clock });
  const pods = createBuildPods({
    api,
    namespace,
    watch,
    isOurs: ({ key, target }) => target === images.target(key),
    clock,
  });
  const logParts: BuildLogParts = { api, namespace, pods, watch, clock };
  const logs = new Map<string, SharedReading<BuildLogLine>>();
  const starting = new Map<string, Promise<string>>();

  const produceLog = async function* (
    key: string,
    generation: string,
    signal: AbortSignal,
  ): AsyncGenerator<BuildLogLine> {
    const builds = await inCluster(() => pods.of(key));
    if (viewGeneration(builds, generation, clock.now())) return yield* followBuild(logParts, key, generation, signal);
    const archive = await images.readArchive(key, generation);
    if (archive) yield* archive.lines;
  };

  const readLog = (key: string, generation: string, signal: AbortSignal): AsyncIterable<BuildLogLine> => {
    const name = `${key}/${generation}`;
    let reading = logs.get(name);
    if (!reading) {
      reading = new SharedReading(
        (stop) => produceLog(key, generation, stop),
        () => logs.delete(name),
      );
      logs.set(name, reading);
    }
    return reading.read(signal);
  };

  const closing = new AbortController();
  const statuses = createBuildStatuses({
    pods,
    images,
    now: clock.now,
    readLog: (key, generation) => readLog(key, generation, closing.signal),
  });

  /** Makes a build's pod, or finds that another hub has. Throws HubError where the name is a stranger's. */
  const ensurePod = async (request: BuildRequest): Promise<'made' | 'met'> => {
    const pod = buildPod(request, settings);
    const name = buildPodName(request.identity);
    for (;;) {
      try {
        pods.note(await api.createPod(namespace, pod));
        return 'made';
      } catch (error) {
        if (!KubernetesError.is(error, 409)) throw error;
      }
      const found = await api.getPod(namespace, name).catch((error: unknown) => {
        // It went between the two looks, and the name is free.
        if (!KubernetesError.is(error, 404)) throw error;
      });
      if (!found) continue;
      if (!isBuildOf(found, request.identity))
        throw new HubError(
          'unhealthy',
          `The namespace ${namespace} holds a pod ${name} that is no build of this hub, and the build needs its name. The hub’s owner has to delete it.`,
        );
      pods.note(found);
      return 'met';
    }
  };

  const startOnce = async (key: string, plan: EnvironmentPlan, content: Content): Promise<string> => {
    const { source } = content;
    if (plan.ownCode && source.kind !== 'git')
      throw new HubError(
        'unsupported_environment',
        'The repository’s own code is installed, and a cluster can fetch it from a git host alone. Push it to one.',
      );
    const from = plan.ownCode && source.kind === 'git' ? { source } : {};
    for (;;) {
      const { status, newest } = await statuses.look(key, true);
      if (status.state === 'running' || status.state === 'built') return status.generation;
      const generation = generationAfter(newest);
      const identity: BuildIdentity = { key, generation, attempt: 1, target: images.target(key) };
      if ((await inCluster(() => ensurePod({ identity, plan, ...from }))) === 'made') return generation;
      // Another hub's: it may be under way, or have ended since it was looked for.
    }
  };

  const retry = async ({ latest, generation }: GenerationView): Promise<void> => {
    const { key, attempt, floor } = latest.record;
    const view = viewGeneration(await pods.of(key, true), generation, clock.now());
    const plan = planOf(latest.pod);
    if (!view?.toRetry || view.latest.record.attempt !== attempt || plan === undefined) return;
    const source = sourceOf(latest.pod);
    const pushing = latest.pod.status?.containerStatuses?.some(({ state }) => state?.running ?? state?.terminated);
    await ensurePod({
      identity: { key, generation, attempt: attempt + 1, target: images.target(key) },
      plan,
      ...(source === undefined ? {} : { source }),
      floor: pushing ? 'pushing' : floor,
    });
  };

  const archive = async (view: GenerationView, signal: AbortSignal): Promise<void> => {
    const { generation, latest, outcome } = view;
    const { key } = latest.record;
    // Another hub may have been faster.
    if ((await images.known(key, true)).archives.includes(generation)) return;
    const lines: BuildLogLine[] = [];
    if (hasRun(latest.pod)) for await (const line of readLog(key, generation, signal)) lines.push(line);
    // A reading that was broken off is no log.
    signal.throwIfAborted();
    await images.writeArchive(key, generation, {
      lines,
      ...(outcome.state === 'failed' ? { error: await statuses.errorOf(view) } : {}),
    });
  };

  const keeper = keepBuilds({
    api,
    namespace,
    pods,
    clock,
    silenceMs: options.silenceMs ?? DEFAULT_BUILD_LIMITS.silenceMs,
    keepEndedMs: options.keepEndedMs ?? KEEP_ENDED_MS,
    retry,
    archive,
    onError: (err) => log.error({ err }, 'a build met an unexpected error'),
  });

  return {
    status: async (key) => (await statuses.look(key)).status,

    start: (key, plan, content) => {
      const running = starting.get(key);
      if (running) return running;
      const mine = startOnce(key, plan, content).finally(() => starting.delete(key));
      starting.set(key, mine);
      return mine;
    },

    log: async function* (key, generation, after, signal) {
      for await (const line of readLog(key, generation, signal)) if (line.line > after[line.phase]) yield line;
    },

    wait: async (key, generation, signal) => {
      let awaySince: number | undefined;
      for (;;) {
        signal.throwIfAborted();
        const { version } = pods;
        try {
          const now = await statuses.of(key, generation);
          if (now.state !== 'running') return now;
          awaySince = undefined;
        } catch (error) {
          awaySince ??= clock.monotonic();
          if (!isPassing(error) || clock.monotonic() - awaySince > PATIENCE_MS) throw error;
        }
        await pods.changed(version, POLL_MS, signal);
      }
    },

    cancel: async (key) => {
      await starting.get(key)?.catch(() => undefined);
      const builds = await inCluster(() => pods.of(key, true));
      const view = newestGeneration(builds, clock.now());
      if (view?.outcome.state !== 'running') return;
      for (const build of builds)
        if (build.record.generation === view.generation) await inCluster(() => pods.remove(build));
    },

    touch: (key) => use.touch(key),

    evict: async ({ inUse, limits }) => {
      const { items } = await inCluster(() => api.listPods(namespace, BUILD_SELECTOR));
      const building = items.map(({ metadata }) => metadata?.labels?.[LABELS.key] ?? '');
      return use.evict(new Set([...inUse, ...building]), limits);
    },

    watch,

    close: async () => {
      closing.abort();
      await keeper.stop();
      await watch.close();
    },
  };
};
