import type { V1Pod } from '../kubernetes/kubernetes-api.ts';
import type { BuildImages } from './kubernetes-build-images.ts';
import { outcomeOf, type PodOutcome } from './kubernetes-build-outcome.ts';
import type { SeenBuild } from './kubernetes-build-pods.ts';

/** A build that the cluster lost is begun once more, and that is all. */
export const MAX_ATTEMPTS = 2;

/** A lost build that nobody began anew for so long is left as it is: whoever wanted it is gone. */
const RETRY_WITHIN_MS = 10 * 60_000;

/** A build as its pod tells it. */
export interface BuildView extends SeenBuild {
  /** `running` also while a lost attempt waits to be followed by the next. */
  readonly outcome: PodOutcome;
  /** Whether the next attempt is still to be made. */
  readonly toRetry: boolean;
}

const time = (value: Date | string | undefined): number => (value === undefined ? 0 : new Date(value).getTime());

/** When a node took a pod; undefined while none has. */
export const scheduledAt = (pod: V1Pod): number | undefined => {
  const condition = pod.status?.conditions?.find(({ type }) => type === 'PodScheduled');
  return condition?.status === 'True' ? time(condition.lastTransitionTime) : undefined;
};

/** Whether any of a pod's containers has begun. */
export const hasRun = ({ status }: V1Pod): boolean =>
  [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])].some(
    ({ state }) => state?.running !== undefined || state?.terminated !== undefined,
  );

/** When a pod ended or was taken away, in milliseconds since 1970; when it was made, where neither is known. */
export const endedAt = (pod: V1Pod): number => {
  const { initContainerStatuses = [], containerStatuses = [], conditions = [] } = pod.status ?? {};
  const ends = [...initContainerStatuses, ...containerStatuses].map(({ state }) => time(state?.terminated?.finishedAt));
  const taken = conditions
    .filter(({ type }) => type === 'DisruptionTarget')
    .map((each) => time(each.lastTransitionTime));
  return Math.max(...ends, ...taken, time(pod.metadata?.deletionTimestamp), 0) || time(pod.metadata?.creationTimestamp);
};

/** Reads a build off its pod, at a time in milliseconds since 1970. */
export const viewBuild = (build: SeenBuild, now: number): BuildView => {
  const outcome = outcomeOf(build.pod);
  const toRetry =
    outcome.state === 'failed' &&
    outcome.failure.retry &&
    build.record.attempt < MAX_ATTEMPTS &&
    now - endedAt(build.pod) < RETRY_WITHIN_MS;
  return { ...build, outcome: toRetry ? { state: 'running' } : outcome, toRetry };
};

/** A build that is absent for so long is: its pod may be making room for the next attempt's. */
export const BLINK_MS = 1_500;

/** How long a build may be without a pod while one attempt follows another. */
const BETWEEN_ATTEMPTS_MS = 20_000;

/** Whether a generation without a pod has just lost one attempt and gets the next. */
export const isBetweenAttempts = async (
  images: BuildImages,
  key: string,
  generation: string,
  now: number,
): Promise<boolean> => {
  const known = await images.known(key, true);
  if (known.interrupted !== generation || known.image === generation || known.archives.includes(generation))
    return false;
  const { interruptedAt = 0 } = (await images.readArchive(key, generation, 1)) ?? {};
  return now - interruptedAt < BETWEEN_ATTEMPTS_MS;
};
