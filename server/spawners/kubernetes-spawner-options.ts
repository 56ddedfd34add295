import type { Clock } from '../clock.ts';
import type { KubernetesApi } from '../kubernetes/kubernetes-api.ts';
import type { PodWatch } from '../kubernetes/pod-watch.ts';
import type { PodPatience } from './kubernetes-pod-problem.ts';
import type { SessionPodSettings } from './kubernetes-session-pod.ts';
import type { UpstreamTokens } from './kubernetes-session-pods.ts';
import type { SessionClient } from './kubernetes-session-readiness.ts';
import type { SpawnerLog } from './local-spawner-options.ts';
import type { SessionSeed } from './spawner.ts';

export interface KubernetesSpawnerOptions {
  readonly api: KubernetesApi;
  /** The namespace of sessions. */
  readonly namespace: string;
  /** A watch of that namespace by `SESSION_SELECTOR`; whoever made it closes it, after the spawner. */
  readonly watch: PodWatch;
  readonly clock: Clock;
  readonly log: SpawnerLog;
  /** Makes session names: 26 lower-case base32 characters. */
  readonly newName: () => string;
  readonly upstreamTokens: UpstreamTokens;
  /** Variables for the kernel of a launch, `BINDER_*`: they stand in the pod from its creation. */
  readonly variables: (seed: SessionSeed) => Readonly<Record<string, string>>;
  readonly pod: SessionPodSettings;
  /** Warm sessions of environments that were just used, of all hubs together; default 1. */
  readonly warmSessions?: number;
  /** How long a warm session waits for its launch; default 10 minutes. */
  readonly warmSessionIdleMs?: number;
  /** How long a session lives at most; default 6 hours. */
  readonly maxAgeMs?: number;
  /** Default 5 minutes: nodes may have to be added, and images to be pulled. */
  readonly startTimeoutMs?: number;
  /** How long a failed launch's record stays; default one minute. */
  readonly keepFailedMs?: number;
  /** How long a launch may wait for its place and its environment before it counts as forgotten; default 2 hours. */
  readonly reservedMs?: number;
  /** How often one session's times are written; default once a minute. */
  readonly updateMs?: number;
  /** How soon it is written for other hubs that a session is ready; default 10 s. */
  readonly readyWriteMs?: number;
  /** How often everything is looked through; default 30 s. */
  readonly sweepMs?: number;
  /** How long a server that listens may take for one answer; default 5 s. */
  readonly answerMs?: number;
  /** How long an API that is away is waited for, in each call; default 20 s. */
  readonly apiPatienceMs?: number;
  /** How long what may pass by itself is waited for. */
  readonly patience?: Partial<PodPatience>;
  /** For tests; default over HTTP. */
  readonly client?: SessionClient;
}
