import type { Clock } from '../clock.ts';
import type { Content } from '../content/content.ts';
import type { EnvironmentPlan } from '../environments/plan.ts';
import { HubError } from '../errors.ts';
import type { KubernetesApi } from '../kubernetes/kubernetes-api.ts';
import { KubernetesError } from '../kubernetes/kubernetes-error.ts';
import type { Registry } from '../registry/registry.ts';
import { DEFAULT_BUILD_LIMITS } from './build-result.ts';
import type { Builder, BuildLogLine } from './builder.ts';
import { inCluster } from './kubernetes-build-errors.ts';
import { buildPodName, generationAfter, isBuildOf, type BuildIdentity } from './kubernetes-build-identity.ts';
import { createBuildImages } from './kubernetes-build-images.ts';
import { keepBuilds } from './kubernetes-build-keeper.ts';
import { followBuild, SharedReading, type BuildLogParts } from './kubernetes-build-log.ts';
import { buildPod, planOf, sourceOf, type BuildPodSettings, type BuildRequest } from './kubernetes-build-pod.ts';
import { createBuildPods, type SeenPods } from './kubernetes-build-pods.ts';
import { newestGeneration, viewGeneration, type GenerationView } from './kubernetes-build-state.ts';
import { createBuildStatuses } from './kubernetes-build-status.ts';

export interface KubernetesBuilderOptions {
  readonly api: KubernetesApi;
  /** A watch over the pods that `BUILD_SELECTOR` selects in the namespace of builds. */
  readonly watch: SeenPods;
  readonly registry: Registry;
  /** Follows one container's log. */
  readonly follow: BuildLogParts['follow'];
  /** What repositories' names begin with, `liveleaf/`. */
  readonly prefix: string;
  /** `deadlineMs` defaults to 1 hour. */
  readonly pod: Omit<BuildPodSettings, 'deadlineMs'> & { readonly deadlineMs?: number };
  readonly clock: Clock;
  /** A build that says nothing for so long ends with `build_timeout`; default 10 minutes. */
  readonly silenceMs?: number;
  /** How long an ended build's pod is kept; default 6 hours. */
  readonly keepEndedMs?: number;
  /** Told of what only the owner should see. */
  readonly onError: (error: unknown) => void;
}

const KEEP_ENDED_MS = 6 * 3_600_000;
const POLL_MS = 2_000;
/** How long a waiting launch bears a registry or a cluster that does not answer. */
const PATIENCE_MS = 60_000;

const isPassing = (error: unknown): boolean =>
  error instanceof HubError && (error.code === 'registry_down' || error.code === 'capacity');

/** Builds environments in pods of a cluster and keeps them as images in a registry; any number of hubs may share both. */
export const createKubernetesBuilder = async (options: KubernetesBuilderOptions): Promise<Builder> => {
  const { api, registry, clock, prefix, onError } = options;
  const settings: BuildPodSettings = { deadlineMs: DEFAULT_BUILD_LIMITS.deadlineMs, ...options.pod };
  const { namespace } = settings;
  const images = createBuildImages({ registry, url: settings.registry, prefix, clock });
  const pods = createBuildPods({
    api,
    namespace,
    watch: options.watch,
    isOurs: ({ key, target }) => target === images.target(key),
    clock,
  });
  const logParts: BuildLogParts = { pods, now: clock.now, follow: options.follow };
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
  const readWhole = (key: string, generation: string) => readLog(key, generation, new AbortController().signal);

  const statuses = createBuildStatuses({ pods, images, now: clock.now, readLog: readWhole });

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

  const archive = async (view: GenerationView): Promise<void> => {
    const { generation, latest, outcome } = view;
    const { key } = latest.record;
    // Another hub may have been faster.
    if ((await images.known(key, true)).archives.includes(generation)) return;
    const lines: BuildLogLine[] = [];
    for await (const line of readWhole(key, generation)) lines.push(line);
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

    touch: async () => undefined,

    close: () => keeper.stop(),
  };
};
