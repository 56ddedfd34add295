import { HubError } from '../errors.ts';
import type { BuildLogLine, BuildStatus } from './builder.ts';
import { inCluster } from './kubernetes-build-errors.ts';
import type { BuildImages } from './kubernetes-build-images.ts';
import { failureError } from './kubernetes-build-outcome.ts';
import { planOf } from './kubernetes-build-pod.ts';
import type { BuildPods } from './kubernetes-build-pods.ts';
import { hasRun, newestGeneration, viewGeneration, type GenerationView } from './kubernetes-build-state.ts';

export interface BuildStatusParts {
  readonly pods: BuildPods;
  readonly images: BuildImages;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly readLog: (key: string, generation: string) => AsyncIterable<BuildLogLine>;
}

/** What is known of a key: its state, and the newest generation that there ever was. */
interface Known {
  readonly status: BuildStatus;
  readonly newest: string | undefined;
}

export interface BuildStatuses {
  /** `fresh` asks cluster and registry whatever was heard lately. */
  look(key: string, fresh?: boolean): Promise<Known>;
  of(key: string, generation: string): Promise<BuildStatus>;
  /** Why a generation failed. */
  errorOf(view: GenerationView): Promise<HubError>;
}

const TAIL_LINES = 60;
const MAX_KEPT_ERRORS = 500;

const failed = (generation: string, error: HubError): BuildStatus => ({ state: 'failed', generation, error });

/** Tells builds' states from their pods while there are any, and from the registry. */
export const createBuildStatuses = ({ pods, images, now, readLog }: BuildStatusParts): BuildStatuses => {
  /** By the pod's uid: the end of its log may be needed for it. */
  const errors = new Map<string, Promise<HubError>>();

  const makeError = async ({ outcome, latest, generation }: GenerationView): Promise<HubError> => {
    if (outcome.state !== 'failed') throw new Error(`a build is ${outcome.state}, and its failure is asked for`);
    const { failure } = outcome;
    const tail: string[] = [];
    if (failure.output === undefined && hasRun(latest.pod))
      for await (const { message } of readLog(latest.record.key, generation)) {
        tail.push(message);
        if (tail.length > TAIL_LINES) tail.shift();
      }
    return failureError(failure, planOf(latest.pod), tail);
  };

  const errorOf = (view: GenerationView): Promise<HubError> => {
    const uid = view.latest.pod.metadata?.uid ?? '';
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

  const ofView = async (view: GenerationView): Promise<BuildStatus> => {
    const { generation, outcome, latest } = view;
    const { key } = latest.record;
    if (outcome.state === 'running') return { state: 'running', generation };
    if (outcome.state === 'failed') return failed(generation, await errorOf(view));
    // What the push says is believed when the registry says it too.
    const built = (await builtOf(key, generation)) ?? (await builtOf(key, generation, true));
    const message =
      'The environment was built, but the registry does not have its image. Starting it again builds it anew.';
    return built ?? failed(generation, new HubError('push_failed', message));
  };

  /** What there is of a generation whose pods are gone. */
  const ofRemains = async (key: string, generation: string): Promise<BuildStatus> => {
    const built = await builtOf(key, generation);
    if (built) return built;
    const error = await images.failure(key, generation);
    return error ? failed(generation, error) : { state: 'absent' };
  };

  return {
    look: async (key, fresh = false) => {
      const view = newestGeneration(await inCluster(() => pods.of(key, fresh)), now());
      // A build under way is the newest that there is, whatever the registry says.
      if (view?.outcome.state === 'running') return { status: await ofView(view), newest: view.generation };
      const known = await images.known(key, fresh);
      const newest = [known.newest, view?.generation]
        .filter((each) => each !== undefined)
        .sort()
        .at(-1);
      if (view && view.generation >= (known.image ?? '')) return { status: await ofView(view), newest };
      const generation = known.image ?? known.archives.at(-1);
      return { status: generation === undefined ? { state: 'absent' } : await ofRemains(key, generation), newest };
    },
    of: async (key, generation) => {
      const view = viewGeneration(await inCluster(() => pods.of(key)), generation, now());
      return view ? ofView(view) : ofRemains(key, generation);
    },
    errorOf,
  };
};
