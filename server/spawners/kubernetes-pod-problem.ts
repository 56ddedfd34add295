import type { ErrorCode } from '../../sdk/contract/index.ts';
import type { CoreV1Event, V1Pod } from '../kubernetes/kubernetes-api.ts';
import { CONTAINER } from './kubernetes-session-name.ts';

/** Why a session's pod is not what it should be. */
export interface PodProblem {
  readonly code: ErrorCode;
  readonly message: string;
  /** Whether waiting no longer helps. */
  readonly isFinal: boolean;
  /** Whether the last lines of the session's log may have the cause. */
  readonly hasLog: boolean;
}

/** How long what may pass by itself is waited for, in milliseconds. */
export interface PodPatience {
  /** For room on a node; default 60 s, and as long as there is time where the cluster adds a node. */
  readonly unschedulableMs: number;
  /** For a registry that does not answer; default 20 s. What the registry does not have is not waited for. */
  readonly pullMs: number;
  /** For a node that is silent; default 60 s. */
  readonly nodeGoneMs: number;
  /** For a container that cannot be made; default 20 s. */
  readonly containerMs: number;
}

const PATIENCE: PodPatience = { unschedulableMs: 60_000, pullMs: 20_000, nodeGoneMs: 60_000, containerMs: 20_000 };

type Events = readonly Pick<CoreV1Event, 'type' | 'reason' | 'message' | 'firstTimestamp' | 'lastTimestamp'>[];

const MAX_CAUSE_LENGTH = 300;

/** Times are Date or text, by the client. */
const msOf = (time: Date | string | undefined): number | undefined =>
  time === undefined ? undefined : new Date(time).getTime();

const conditionOf = (pod: V1Pod, type: string) => pod.status?.conditions?.find((condition) => condition.type === type);

const containerOf = (pod: V1Pod) => pod.status?.containerStatuses?.find(({ name }) => name === CONTAINER);

/** A cluster's own words, as a part of a sentence. */
const quote = (text: string | undefined): string => {
  const words = (text ?? '').replace(/\s+/g, ' ').trim().replace(/\.$/, '');
  return words === '' ? '' : ` (${words.length > MAX_CAUSE_LENGTH ? `${words.slice(0, MAX_CAUSE_LENGTH)}…` : words})`;
};

const problem = (code: ErrorCode, message: string, more: Partial<PodProblem> = {}): PodProblem => ({
  code,
  message,
  isFinal: true,
  hasLog: false,
  ...more,
});

/** Reasons that stand in the status of a pod that was ended from outside. */
const ENDED_BY: Readonly<Record<string, (cause: string) => PodProblem>> = {
  DeadlineExceeded: () =>
    problem('expired', 'The session has reached its greatest age; launch again to get a new one.'),
  Evicted: (cause) => problem('session_lost', `The session was evicted from its node${cause}; launch again.`),
  UnexpectedAdmissionError: (cause) => problem('capacity', `The node did not take the session${cause}; try again.`),
  NodeAffinity: (cause) => problem('capacity', `The node did not take the session${cause}; try again.`),
};

const ended = (pod: V1Pod): PodProblem | undefined => {
  const { phase, reason = '', message } = pod.status ?? {};
  const known = Object.hasOwn(ENDED_BY, reason) ? ENDED_BY[reason] : undefined;
  if (known !== undefined) return known(quote(message));
  if (reason.startsWith('OutOf'))
    return problem('capacity', `The node had no room for the session${quote(message)}; try again.`);
  const disruption = conditionOf(pod, 'DisruptionTarget');
  const terminated = containerOf(pod)?.state?.terminated;
  if (terminated?.reason === 'OOMKilled')
    return problem('session_oom', 'The session needed more memory than it may use; launch again with less data.');
  if (disruption?.status === 'True' && (phase === 'Failed' || pod.metadata?.deletionTimestamp !== undefined))
    return problem('session_lost', `The session was taken from its node${quote(disruption.message)}; launch again.`);
  if (terminated !== undefined && terminated.exitCode !== 0)
    return problem(
      'session_crashed',
      terminated.reason === 'Error'
        ? `The session’s server ended with exit code ${terminated.exitCode}; its last lines have the cause.`
        : `The session’s server could not run${quote(terminated.message ?? terminated.reason)}; its image may be broken.`,
      { hasLog: terminated.reason === 'Error' },
    );
  if (terminated !== undefined || phase === 'Succeeded')
    return problem('session_lost', 'The session’s server ended by itself; launch again.', { hasLog: true });
  if (phase === 'Failed') return problem('session_lost', `The session ended${quote(message ?? reason)}; launch again.`);
  return undefined;
};

const ABSENT =
  /not ?found|(?:manifest|name)[ _]unknown|does not exist|denied|unauthori[sz]ed|forbidden|authentication required|invalid reference|no match for platform/i;

/** Pull failures that another try cannot mend. */
const HOPELESS = new Set(['InvalidImageName', 'ErrImageNeverPull']);
const PULLING = new Set(['ErrImagePull', 'ImagePullBackOff', 'RegistryUnavailable', 'ImageInspectError', ...HOPELESS]);
const MAKING = new Set(['CreateContainerConfigError', 'CreateContainerError', 'RunContainerError']);

/** The end of what a container runtime says is what its registry said. */
const lastCause = (text: string): string => text.split(': ').slice(-2).join(': ');

const waiting = (pod: V1Pod, events: Events, nowMs: number, patience: PodPatience): PodProblem | undefined => {
  const { reason = '', message = '' } = containerOf(pod)?.state?.waiting ?? {};
  const failures = events.filter((event) => event.type === 'Warning' && event.reason === 'Failed');
  const since =
    msOf(failures[0]?.firstTimestamp) ?? msOf(conditionOf(pod, 'PodScheduled')?.lastTransitionTime) ?? nowMs;
  if (PULLING.has(reason)) {
    const told = [message, ...failures.map((event) => event.message ?? '')].find((text) => /: /.test(text)) ?? message;
    const cause = quote(lastCause(told));
    if (HOPELESS.has(reason) || ABSENT.test(told))
      return problem('pull_failed', `The environment’s image cannot be pulled${cause}; it has to be built again.`);
    return problem('registry_down', `The registry did not give the environment’s image${cause}; try again.`, {
      isFinal: nowMs - since > patience.pullMs,
    });
  }
  if (MAKING.has(reason))
    return problem(
      'session_crashed',
      `The session’s container cannot be made${quote(message)}; the cluster’s operator can tell why.`,
      {
        isFinal: nowMs - since > patience.containerMs,
      },
    );
  return undefined;
};

const unscheduled = (
  pod: V1Pod,
  events: Events,
  nowMs: number,
  openedAt: number,
  patience: PodPatience,
): PodProblem | undefined => {
  const scheduled = conditionOf(pod, 'PodScheduled');
  if (scheduled?.status !== 'False' || scheduled.reason !== 'Unschedulable') return undefined;
  // The condition keeps the time at which the pod began to wait behind its gate.
  const since = Math.max(openedAt, msOf(scheduled.lastTransitionTime) ?? 0);
  const grows = events.some(({ reason }) => reason === 'TriggeredScaleUp');
  const [sentence] = (scheduled.message ?? '').split('. ');
  return problem('capacity', `The cluster has no room for another session${quote(sentence)}; try again later.`, {
    isFinal: !grows && nowMs - since > patience.unschedulableMs,
  });
};

const onLostNode = (pod: V1Pod, nowMs: number, patience: PodPatience): PodProblem | undefined => {
  const ready = conditionOf(pod, 'Ready');
  // A node that is silent cannot withdraw what it said of its containers.
  const silent =
    pod.status?.phase === 'Unknown' ||
    (ready !== undefined && ready.status !== 'True' && containerOf(pod)?.ready === true);
  if (!silent) return undefined;
  const since = msOf(ready?.lastTransitionTime) ?? nowMs;
  return problem('session_lost', 'The node of the session does not answer any more; launch again.', {
    isFinal: nowMs - since > patience.nodeGoneMs,
  });
};

/**
 * What is wrong with a session's pod, from its status and what the cluster says of it; undefined while nothing is.
 * `openedAt` is when it was given its image, in milliseconds since 1970.
 */
export const podProblem = (
  pod: V1Pod,
  events: Events,
  nowMs: number,
  openedAt = 0,
  patience: Partial<PodPatience> = {},
): PodProblem | undefined => {
  const limits = { ...PATIENCE, ...patience };
  const end = ended(pod);
  if (end !== undefined) return end;
  if (pod.metadata?.deletionTimestamp !== undefined)
    return problem('session_lost', 'The session was removed from the cluster; launch again.');
  return (
    onLostNode(pod, nowMs, limits) ??
    waiting(pod, events, nowMs, limits) ??
    unscheduled(pod, events, nowMs, openedAt, limits)
  );
};

/** When a pod's server ended, in milliseconds since 1970; undefined while it has not. */
export const endedAt = (pod: V1Pod): number | undefined => {
  const { phase } = pod.status ?? {};
  const finished = msOf(containerOf(pod)?.state?.terminated?.finishedAt);
  if (finished !== undefined) return finished;
  if (phase !== 'Failed' && phase !== 'Succeeded') return undefined;
  return msOf(conditionOf(pod, 'Ready')?.lastTransitionTime) ?? msOf(pod.metadata?.creationTimestamp) ?? 0;
};

/** The newest warning of the cluster about a pod, for whoever waited in vain. */
export const lastWarning = (events: Events): string | undefined =>
  events.findLast(({ type }) => type === 'Warning')?.message;
