import { isErrorCode, type ErrorCode } from '../../sdk/contract/index.ts';
import type { EnvironmentPlan } from '../environments/plan.ts';
import { HubError } from '../errors.ts';
import type { V1Pod } from '../kubernetes/kubernetes-api.ts';
import { endOf } from './kubernetes-build-identity.ts';
import { BUILD_CONTAINERS, type BuildContainer } from './kubernetes-build-pod.ts';
import { buildError } from './uv-errors.ts';

/** Why a build has no image. */
export interface BuildFailure {
  readonly code: ErrorCode;
  /** What tells failures of one code apart; a key of the sentences, or what a program said. */
  readonly reason: string;
  readonly container?: BuildContainer;
  /** The step that failed within its container. */
  readonly step?: string;
  /** The last lines of what failed, where its container could tell. */
  readonly output?: readonly string[];
  /** Whether it was the cluster's or the registry's doing, so that one more attempt is worth it. */
  readonly retry: boolean;
}

/** What a build's pod has come to. */
export type PodOutcome =
  | { readonly state: 'running' }
  /** The digest of the manifest, as the push container tells it. */
  | { readonly state: 'pushed'; readonly digest: string | undefined }
  | { readonly state: 'failed'; readonly failure: BuildFailure };

/** What a container leaves as its termination message. */
interface ContainerResult {
  readonly ok?: boolean;
  readonly digest?: string;
  readonly code?: string;
  readonly reason?: string;
  readonly step?: string | null;
  /** A sentence for the log's reader. */
  readonly message?: string;
  readonly output?: readonly string[];
}

type ContainerStatus = NonNullable<NonNullable<V1Pod['status']>['containerStatuses']>[number];

/** Codes that each container may end with by its own word, and the one that stands for anything else. */
const CODES: Readonly<Record<BuildContainer, { readonly own: readonly ErrorCode[]; readonly other: ErrorCode }>> = {
  canary: { own: ['unhealthy'], other: 'unhealthy' },
  fetch: {
    own: ['repo_not_found', 'ref_not_found', 'clone_limit', 'host_down', 'host_limited', 'policy', 'disk_full'],
    other: 'host_down',
  },
  install: {
    own: [
      'build_failed',
      'build_oom',
      'build_timeout',
      'disk_full',
      'policy',
      'registry_down',
      'unsupported_environment',
      'internal',
    ],
    other: 'build_failed',
  },
  push: { own: ['push_failed', 'registry_down', 'disk_full', 'build_oom'], other: 'push_failed' },
};

/** Words with which a cluster says that it took the pod away. */
const TAKEN_AWAY = [
  'Evicted',
  'Preempting',
  'Preempted',
  'NodeLost',
  'NodeShutdown',
  'Shutdown',
  'Terminated',
  'UnexpectedAdmissionError',
  'NodeAffinity',
];

/** An eviction for what the pod itself took is the repository's doing, and would come again. */
const OWN_USE = /exceeds the (?:total )?limit|exceeded its local ephemeral storage limit/i;

const resultOf = (message: string | undefined): ContainerResult => {
  try {
    const value: unknown = JSON.parse(message ?? '');
    return typeof value === 'object' && value !== null ? value : {};
  } catch {
    return {};
  }
};

const statuses = (pod: V1Pod): ReadonlyMap<string, ContainerStatus> =>
  new Map(
    [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])].map((status) => [
      status.name,
      status,
    ]),
  );

/** The container that ended in failure, with how. */
const failedContainer = (pod: V1Pod) => {
  const byName = statuses(pod);
  for (const name of BUILD_CONTAINERS) {
    const ended = byName.get(name)?.state?.terminated;
    if (ended && ended.exitCode !== 0) return { name, ended };
  }
  return undefined;
};

const taken = (pod: V1Pod): string | undefined => {
  const disruption = pod.status?.conditions?.find(
    ({ type, status }) => type === 'DisruptionTarget' && status === 'True',
  );
  const reason = pod.status?.reason ?? '';
  if (disruption) return disruption.reason ?? 'disruption';
  if (TAKEN_AWAY.includes(reason)) return reason;
  // Someone, or the end of its node, is removing it.
  return pod.metadata?.deletionTimestamp ? 'deleted' : undefined;
};

const lost = (reason: string, retry = true): PodOutcome => ({
  state: 'failed',
  failure: { code: 'build_lost', reason, retry },
});

/** Reads a pod. What the hub decided about it comes first, then what the cluster did to it, then how its containers ended. */
export const outcomeOf = (pod: V1Pod): PodOutcome => {
  const decided = endOf(pod);
  if (decided) {
    const { code, reason } = decided;
    // What the kubelet says of an image or a container that it cannot make is all that there is to show.
    const words = code === 'pull_failed' || code === 'unhealthy' ? { output: [reason] } : {};
    return { state: 'failed', failure: { code, reason, ...words, retry: false } };
  }
  const { phase, reason, message } = pod.status ?? {};
  if (phase === 'Succeeded') {
    const push = statuses(pod).get('push')?.state?.terminated;
    return { state: 'pushed', digest: resultOf(push?.message).digest };
  }
  const takenBy = taken(pod);
  if (phase === 'Failed' && OWN_USE.test(message ?? ''))
    return { state: 'failed', failure: { code: 'disk_full', reason: 'budget', retry: false } };
  if (takenBy !== undefined) return lost(takenBy, takenBy !== 'deleted');
  if (phase !== 'Failed') return { state: 'running' };
  if (reason === 'DeadlineExceeded')
    return { state: 'failed', failure: { code: 'build_timeout', reason: 'deadline', retry: false } };
  const failed = failedContainer(pod);
  if (!failed) return lost(reason ?? 'no result');
  const { name, ended: end } = failed;
  // A node that came back has no memory of how its containers ended.
  if (end.reason === 'ContainerStatusUnknown') return lost(end.reason);
  const { code: said, reason: why, step, message: words, output = words ? [words] : undefined } = resultOf(end.message);
  const { own, other } = CODES[name];
  const isOwn = isErrorCode(said) && own.includes(said);
  const killed = end.reason === 'OOMKilled' || (!isOwn && end.exitCode === 137);
  const code = killed && said !== 'disk_full' ? 'build_oom' : isOwn ? said : other;
  return {
    state: 'failed',
    failure: {
      code,
      reason: code === 'build_oom' ? 'killed' : (why ?? `exit ${end.exitCode}`),
      container: name,
      ...(step ? { step } : {}),
      ...(Array.isArray(output) ? { output: output.map(String) } : {}),
      retry: name === 'push' && code === 'registry_down',
    },
  };
};

/** Codes whose sentences are those of builds on one machine, with file, line and package. */
const TOLD_BY_INSTALLER: ReadonlySet<ErrorCode> = new Set([
  'build_failed',
  'build_timeout',
  'disk_full',
  'policy',
  'internal',
]);

/** Where a failure is not the installer's, what a person reads, by `<code>/<reason>`, `<code>/<container>` or `<code>`. */
const SENTENCES: Readonly<Record<string, string>> = {
  'build_timeout/deadline':
    'The build took longer than this hub allows and was ended. Fewer packages, or packages with ready-made files (wheels), build faster.',
  'build_timeout/silence':
    'The build said nothing for so long that it was ended; most likely it hangs. The log shows the last thing that it did.',
  build_oom:
    'The build was killed because it took more memory than this hub allows. Packages with ready-made files (wheels) need less.',
  'disk_full/full': 'The registry has no room for the environment’s image; its owner has to free some space.',
  disk_full: 'The environment takes more room on disk than this hub allows for one. Ask for fewer or smaller packages.',
  build_lost: 'The cluster took the build away before it was done. Try again.',
  push_failed:
    'The environment was built, but the registry refused its image. The hub’s owner can check the registry’s login with `liveleaf doctor`.',
  registry_down: 'The environment was built, but the registry did not answer. Try again later.',
  unhealthy:
    'The cluster cannot start the build’s containers; its own words are below. The hub’s owner can see more with `liveleaf doctor`.',
  'unhealthy/canary':
    'The cluster lets builds reach what its network policy forbids, so nothing was built. The hub’s owner can see why with `liveleaf doctor`.',
  unsupported_environment:
    'The image that builds run in has not the Python that this environment was planned for. Launch it again: it is planned anew.',
  pull_failed:
    'The cluster’s nodes cannot pull the image that builds run in. The hub’s owner can see why with `liveleaf doctor`.',
  capacity: 'The cluster has no room for the build at the moment. Try again later.',
  repo_not_found: 'The repository’s own code cannot be fetched: the repository does not exist, or is private.',
  ref_not_found: 'The repository’s own code cannot be fetched: it has no such commit any more.',
  clone_limit: 'The repository is larger than this hub fetches, or took too long. Use a smaller one.',
  host_limited: 'The repository’s host answers too many requests for now. Try again a little later.',
  host_down: 'The repository’s host could not be fetched from. Try again later.',
  policy: 'The repository holds something that this hub refuses to unpack or to fetch; the log has the details.',
};

const RETRY_AFTER_MS: Readonly<Record<string, number>> = {
  build_lost: 5_000,
  registry_down: 30_000,
  capacity: 15_000,
  host_limited: 60_000,
};

/** A build's failure as the error that a person reads; `tail` are the last lines of the failing container's log. */
export const failureError = (
  failure: BuildFailure,
  plan: EnvironmentPlan | undefined,
  tail: readonly string[],
): HubError => {
  const { code, reason, container, step } = failure;
  const output = failure.output ?? tail;
  if (container === 'install' && plan !== undefined && TOLD_BY_INSTALLER.has(code))
    return buildError({ ok: false, code, reason, ...(step === undefined ? {} : { step }), output }, plan);
  const sentence =
    SENTENCES[`${code}/${reason}`] ??
    SENTENCES[`${code}/${container}`] ??
    SENTENCES[code] ??
    'The build failed; the last lines of the log say why.';
  const retryAfterMs = RETRY_AFTER_MS[code];
  return new HubError(code, sentence, {
    cause: reason,
    ...(output.length > 0 ? { logTail: output.slice(-20) } : {}),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  });
};
