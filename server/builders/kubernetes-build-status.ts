import { HubError } from '../errors.ts';
import type { BuildLogLine, BuildStatus } from './builder.ts';
import { inCluster } from './kubernetes-build-errors.ts';
import type { BuildImages } from './kubernetes-build-images.ts';
import { failureError } from './kubernetes-build-outcome.ts';
import { planOf } from './kubernetes-build-pod.ts';
import type { BuildPods, SeenBuild } from './kubernetes-build-pods.ts';
import { hasRun, isBetweenAttempts, viewBuild, type BuildView } from './kubernetes-build-state.ts';

export interface BuildStatusParts {
  readonly pods: BuildPods;
  readonly images: BuildImages;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** The whole log of a build whose pod has ended. */
  readonly readLog: (build: SeenBuild) => AsyncIterable<BuildLogLine>;
}

/** What is known of a key. */
interface Known {
  readonly status: BuildStatus;
  /** The newest generation that there ever was. */
  readonly newest: string | undefined;
  /** Its pod, running or ended. */
  readonly view: BuildView | undefined;
}

export interface BuildStatuses {
  /** `fresh` asks cluster and registry whatever was heard lately. */
  look(key: string, fresh?: boolean): Promise<Known>;
  of(key: string, generation: string): Promise<BuildStatus>;
  /** Why a build failed. */
  errorOf(view: BuildView): Promise<HubError>;
}

const TAIL_LINES = 60;
const MAX_KEPT_ERRORS = 500;

const failed = (generation: string, error: HubError): BuildStatus => ({ state: 'failed', generation, error });

/** Tells builds' states from their pods while there are any, and from the registry. */
export const createBuildStatuses = ({ pods, images, now, readLog }: BuildStatusParts): BuildStatuses => {
  /** By the pod's uid: the end of its log may be needed for it. */
  const errors = new Map<string, Promise<HubError>>();

  const makeError = async (view: BuildView): Promise<HubError> => {
    const { outcome, pod } = view;
    if (outcome.state !== 'failed') throw new Error(`a build is ${outcome.state}, and its failure is asked for`);
    const { failure } = outcome;
    const tail: string[] = [];
    if (failure.output === undefined && hasRun(pod))
      for await (const { message } of readLog(view)) {
        tail.push(message);
        if (tail.length > TAIL_LINES) tail.shift();
      }
    return failureError(failure, planOf(pod), tail);
  };

  const errorOf = (view: BuildView): Promise<HubError> => {
    const uid = view.pod.metadata?.uid ?? '';
    const known = errors.get(uid);
    if (known) return known;
    const error = makeError(view);
    errors.set(uid, error);
    error.catch(() => errors.delete(uid));
    for (const oldest of errors.keys()) if (errors.size > MAX_KEPT_ERRORS) errors.delete(oldest);
    return error;
  };

  const builtOf = async (key: string, generation: string, fresh = false): Promise<BuildStatus | undefined> => {
    const environment = await images.environment(key, generation, fresh);
    return environment && { state: 'built', generation, environment };
  };

  const ofView = async (view: BuildView): Promise<BuildStatus> => {
    const { key, generation } = view.record;
    if (view.outcome.state === 'running') return { state: 'running', generation };
    if (view.outcome.state === 'failed') return failed(generation, await errorOf(view));
    // What the push says is believed when the registry says it too.
    const built = (await builtOf(key, generation)) ?? (await builtOf(key, generation, true));
    const message =
      'The environment was built, but the registry does not have its image. Starting it again builds it anew.';
    return built ?? failed(generation, new HubError('push_failed', message));
  };

  /** What there is of a generation that has no pod. */
  const ofRemains = async (key: string, generation: string): Promise<BuildStatus> => {
    const built = await builtOf(key, generation);
    if (built) return built;
    const error = await images.failure(key, generation);
    if (error) return failed(generation, error);
    return (await isBetweenAttempts(images, key, generation, now()))
      ? { state: 'running', generation }
      : { state: 'absent' };
  };

  const viewOf = async (key: string, fresh?: boolean): Promise<BuildView | undefined> => {
    const build = await inCluster(() => pods.of(key, fresh));
    return build && viewBuild(build, now());
  };

  return {
    look: async (key, fresh = false) => {
      const view = await viewOf(key, fresh);
      // A build under way is the newest that there is, whatever the registry says.
      if (view?.outcome.state === 'running')
        return { status: await ofView(view), newest: view.record.generation, view };
      const known = await images.known(key, fresh);
      const newest = [known.newest, view?.record.generation]
        .filter((each) => each !== undefined)
        .sort()
        .at(-1);
      if (view && view.record.generation >= (known.image ?? '')) return { status: await ofView(view), newest, view };
      const generation = known.image ?? newest;
      return { status: generation ? await ofRemains(key, generation) : { state: 'absent' }, newest, view };
    },
    of: async (key, generation) => {
      const view = await viewOf(key);
      return view?.record.generation === generation ? ofView(view) : ofRemains(key, generation);
    },
    errorOf,
  };
};
