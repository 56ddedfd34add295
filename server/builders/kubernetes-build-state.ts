import type { V1Pod } from '../kubernetes/kubernetes-api.ts';
import { outcomeOf, type PodOutcome } from './kubernetes-build-outcome.ts';
import type { SeenBuild } from './kubernetes-build-pods.ts';

/** A build that the cluster lost is begun once more, and that is all. */
export const MAX_ATTEMPTS = 2;

/** A lost build that nobody began anew for so long is left as it is: whoever wanted it is gone. */
const RETRY_WITHIN_MS = 10 * 60_000;

/** A generation as its pods tell it. */
export interface GenerationView {
  readonly generation: string;
  /** The attempt that counts. */
  readonly latest: SeenBuild;
  /** `running` also while a lost attempt waits to be followed by the next. */
  readonly outcome: PodOutcome;
  /** Set where the next attempt is still to be made. */
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

/** A generation among a key's pods, at a time in milliseconds since 1970. */
export const viewGeneration = (
  builds: readonly SeenBuild[],
  generation: string,
  now: number,
): GenerationView | undefined => {
  const attempts = builds.filter(({ record }) => record.generation === generation);
  const latest = attempts.sort((a, b) => a.record.attempt - b.record.attempt).at(-1);
  if (latest === undefined) return undefined;
  const outcome = outcomeOf(latest.pod);
  const toRetry =
    outcome.state === 'failed' &&
    outcome.failure.retry &&
    latest.record.attempt < MAX_ATTEMPTS &&
    now - endedAt(latest.pod) < RETRY_WITHIN_MS;
  return { generation, latest, outcome: toRetry ? { state: 'running' } : outcome, toRetry };
};

/** The newest generation that a key has pods of. */
export const newestGeneration = (builds: readonly SeenBuild[], now: number): GenerationView | undefined => {
  const newest = builds
    .map(({ record }) => record.generation)
    .sort()
    .at(-1);
  return newest === undefined ? undefined : viewGeneration(builds, newest, now);
};
