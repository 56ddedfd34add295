import type { Clock } from '../clock.ts';
import type { Content } from '../content/content.ts';
import type { EnvironmentPlan } from '../environments/plan.ts';
import { HubError } from '../errors.ts';
import type { KubernetesApi } from '../kubernetes/kubernetes-api.ts';
import { createPodWatch, type PodWatch } from '../kubernetes/pod-watch.ts';
import type { Log } from '../log.ts';
import type { Registry } from '../registry/registry.ts';
import { LOG_CUT_SHORT } from './build-log-follower.ts';
import { DEFAULT_BUILD_LIMITS, type BuildLimits } from './build-result.ts';
import type { Builder, BuildLogLine } from './builder.ts';
import { createAftermath } from './kubernetes-build-aftermath.ts';
import { inCluster } from './kubernetes-build-errors.ts';
import { BUILD_SELECTOR, buildPodName, generationAfter, LABELS } from './kubernetes-build-identity.ts';
import { createBuildImages } from './kubernetes-build-images.ts';
import { keepBuilds } from './kubernetes-build-keeper.ts';
import { followAttempt, followBuild, followPod, SharedReading, type BuildLogParts } from './kubernetes-build-log.ts';
import { buildPod, checkVariables, type BuildPodSettings, type BuildRequest } from './kubernetes-build-pod.ts';
import { createBuildPods, type SeenBuild } from './kubernetes-build-pods.ts';
import { BLINK_MS, isBetweenAttempts, viewBuild } from './kubernetes-build-state.ts';
import { createImageUse, type EvictedImages, type ImageEvictionLimits } from './kubernetes-image-eviction.ts';
import { createBuildStatuses } from './kubernetes-build-status.ts';

export interface KubernetesBuilderOptions {
  readonly api: KubernetesApi;
  readonly registry: Registry;
  /** What repositories' names begin with, `liveleaf/`. */
  readonly prefix: string;
  readonly pod: Omit<BuildPodSettings, 'bounds'>;
  readonly limits?: Partial<Pick<BuildLimits, 'deadlineMs' | 'silenceMs' | 'diskBytes'>>;
  readonly clock: Clock;
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

/**
 * Builds environments in pods of a cluster and keeps them as images in a registry; any number of hubs may share both.
 * Rejects with HubError `unhealthy` where a variable of the pods holds a login.
 */
export const createKubernetesBuilder = async (options: KubernetesBuilderOptions): Promise<KubernetesBuilder> => {
  const { api, registry, clock, prefix, log } = options;
  const settings: BuildPodSettings = { ...options.pod, bounds: { ...DEFAULT_BUILD_LIMITS, ...options.limits } };
  const { namespace } = settings;
  checkVariables(settings.variables ?? {});
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
  const logParts: BuildLogParts = { api, namespace, pods, images, watch, clock };
  const logs = new Map<string, SharedReading<BuildLogLine>>();
  const starting = new Map<string, Promise<string>>();
  const closing = new AbortController();

  const buildOf = async (key: string, generation: string): Promise<SeenBuild | undefined> => {
    const build = await inCluster(() => pods.of(key));
    return build?.record.generation === generation ? build : undefined;
  };

  const produceLog = async function* (
    key: string,
    generation: string,
    seen: SeenBuild | undefined,
    signal: AbortSignal,
  ): AsyncGenerator<BuildLogLine> {
    let build = seen;
    while (!build && (await isBetweenAttempts(images, key, generation, clock.now()))) {
      await pods.changed(pods.version, BLINK_MS, signal);
      build = await buildOf(key, generation);
    }
    if (build) return yield* followBuild(logParts, build, signal);
    const kept = await images.readArchive(key, generation);
    yield* kept?.lines ?? [{ phase: 'building', line: 1, message: LOG_CUT_SHORT }];
  };

  const readLog = async function* (key: string, generation: string, signal: AbortSignal): AsyncGenerator<BuildLogLine> {
    const build = await buildOf(key, generation);
    // A build that is begun anew after it was cancelled has its number again, and another log.
    const name = `${key}/${generation}/${build?.pod.metadata?.uid ?? ''}`;
    let reading = logs.get(name);
    if (!reading) {
      reading = new SharedReading(
        (stop) => produceLog(key, generation, build, stop),
        () => logs.delete(name),
      );
      logs.set(name, reading);
    }
    yield* reading.read(signal);
  };

  const onError = (err: unknown) => log.error({ err }, 'a build met an unexpected error');
  const makePod = (request: BuildRequest) => buildPod(request, settings);
  const statuses = createBuildStatuses({
    pods,
    images,
    now: clock.now,
    readLog: (build) => followPod(logParts, build, closing.signal),
  });
  const { archive, retry } = createAftermath({
    pods,
    images,
    clock,
    statuses,
    readLog: (build, signal) => followPod(logParts, build, signal),
    readAttempt: (build, signal) => followAttempt(logParts, build, signal),
    makePod,
    onError,
  });

  const startOnce = async (key: string, plan: EnvironmentPlan, content: Content): Promise<string> => {
    const { source } = content;
    if (plan.ownCode && source.kind !== 'git')
      throw new HubError(
        'unsupported_environment',
        'The repository’s own code is installed, and a cluster can fetch it from a git host alone. Push it to one.',
      );
    const from = plan.ownCode && source.kind === 'git' ? { source } : {};
    for (;;) {
      const { status, newest, view } = await statuses.look(key, true);
      if (status.state === 'running' || status.state === 'built') return status.generation;
      if (view) {
        // The pod of an ended build makes room for the next, once what it has to tell is kept.
        await archive(view, closing.signal);
        await inCluster(() => pods.remove(view));
      }
      const generation = generationAfter(newest);
      const pod = makePod({ identity: { key, target: images.target(key) }, generation, plan, ...from });
      const outcome = await inCluster(() => pods.ensure(pod, closing.signal));
      if (outcome === 'made') return generation;
      if (outcome === 'stranger')
        throw new HubError(
          'unhealthy',
          `The namespace ${namespace} holds a pod ${buildPodName(key)} that is no build of this hub, and the build needs its name. The hub’s owner has to delete it.`,
        );
      // Another hub's: it may be under way, or have ended since it was looked for.
    }
  };

  const keeper = keepBuilds({
    api,
    namespace,
    pods,
    clock,
    silenceMs: settings.bounds.silenceMs,
    keepEndedMs: options.keepEndedMs ?? KEEP_ENDED_MS,
    retry,
    archive,
    onError,
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
      let absentSince: number | undefined;
      for (;;) {
        signal.throwIfAborted();
        const { version } = pods;
        try {
          const now = await statuses.of(key, generation);
          absentSince = now.state === 'absent' ? (absentSince ?? clock.monotonic()) : undefined;
          const isSure = absentSince === undefined || clock.monotonic() - absentSince >= BLINK_MS;
          if (now.state !== 'running' && isSure) return now;
          awaySince = undefined;
        } catch (error) {
          awaySince ??= clock.monotonic();
          if (!isPassing(error) || clock.monotonic() - awaySince > PATIENCE_MS) throw error;
        }
        await pods.changed(version, absentSince === undefined ? POLL_MS : BLINK_MS, signal);
      }
    },

    cancel: async (key) => {
      await starting.get(key)?.catch(() => undefined);
      const build = await inCluster(() => pods.of(key, true));
      if (!build || viewBuild(build, clock.now()).outcome.state !== 'running') return;
      await inCluster(() => pods.remove(build));
      const { generation, attempt } = build.record;
      for (let before = 1; before < attempt; before += 1)
        await images.removeAttempt(key, generation, before).catch(onError);
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
