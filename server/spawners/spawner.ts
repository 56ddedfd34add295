import type { ErrorCode, ErrorDetail } from '../../sdk/contract/index.ts';
import type { BuildStatus, BuiltEnvironment } from '../builders/builder.ts';
import type { Content, ContentSource } from '../content/content.ts';
import type { PlannedEnvironment } from '../environments/plan.ts';

type SessionState = 'reserved' | 'starting' | 'ready' | 'failed';

/** What a launch knows when its plan is known; enough to go on with it after a restart of the hub. */
export interface SessionSeed {
  readonly launchId: string;
  readonly spec: string;
  readonly resolvedRef: string;
  readonly source: ContentSource;
  readonly repoUrl: string;
  readonly refUrl: string;
  /** Groups launches for the quota: the spec without its ref. */
  readonly repo: string;
  readonly environment: PlannedEnvironment;
  /** Name of the kernel to start, or `none`. */
  readonly kernel: string;
  /** Notebook path whose folder is the kernel's working directory; empty for the root. */
  readonly path: string;
  readonly profile: string;
  /** The lines of the fetching phase, kept so that a resumed stream shows the same ones. */
  readonly fetchLog: readonly string[];
  readonly createdAt: number;
  /** What the builder said when the launch was planned: tells this launch's own build from earlier ones. */
  readonly environmentBefore?: { readonly state: BuildStatus['state']; readonly generation?: string };
}

/** Why a launch has no session. */
export interface SessionError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly logTail?: readonly string[];
  readonly detail?: ErrorDetail;
  readonly retryAfterMs?: number;
}

/** The hub's record of one session; the launch is this record. Written in one atomic step each time. */
export interface SessionRecord extends SessionSeed {
  readonly name: string;
  readonly generation: number;
  readonly state: SessionState;
  /** Milliseconds since 1970 at which the session ends whatever happens. */
  readonly expiresAt: number;
  readonly lastActivityAt: number;
  /** Generation of the environment in use, once known: its folder is not evicted meanwhile. */
  readonly environmentGeneration?: string;
  readonly kernelSession?: { readonly id: string; readonly name: string };
  readonly error?: SessionError;
  /** When the record of a failed or ended launch may be removed. */
  readonly removeAt?: number;
  /** What was claimed for it: a running server and kernel, a running server, or nothing. */
  readonly warm: 'session' | 'server' | 'none';
}

export interface Launchable {
  readonly environment: BuiltEnvironment;
  readonly content: Content;
  /** Variables for the kernel beside the allow-list: `BINDER_*`. */
  readonly variables: Readonly<Record<string, string>>;
}

/** Steps of a start; their order is the line number in the launching phase, so that a restated step is seen once. */
export const START_STEPS = ['server', 'content', 'kernel'] as const;
export type StartStep = (typeof START_STEPS)[number];

/** How the proxy reaches a session. */
export interface Upstream {
  readonly socketPath?: string;
  readonly origin?: string;
  readonly token: string;
}

/** Runs sessions. Every verb twice is once. What it starts outlives the hub. */
export interface Spawner {
  /** Makes the record, claiming something warm where it fits; a launch that has one already gets that one. */
  reserve(seed: SessionSeed): Promise<SessionRecord>;
  /**
   * Brings the server up, streams the content in and starts the kernel; resolves when it answers.
   * Throws HubError `spawn_timeout`, `session_crashed` (with the log's tail), `unhealthy`, `disk_full` or `cancelled`.
   */
  start(
    name: string,
    launchable: Launchable,
    onStep: (step: StartStep, message: string) => void,
    signal: AbortSignal,
  ): Promise<SessionRecord>;
  get(name: string): Promise<SessionRecord | undefined>;
  findByLaunch(launchId: string): Promise<SessionRecord | undefined>;
  /** All reservations and sessions, oldest first (then by name); never the unclaimed warm ones. */
  list(): Promise<readonly SessionRecord[]>;
  /** Marks a launch as failed: everything of it ends, its record stays until `removeAt`. */
  fail(name: string, error: NonNullable<SessionRecord['error']>): Promise<void>;
  /** Changes times; written at most once a second for each session. */
  update(name: string, change: { lastActivityAt?: number; expiresAt?: number }): Promise<SessionRecord | undefined>;
  /** Ends a session's whole process tree and removes its files and record. */
  stop(name: string): Promise<void>;
  /** Where the session's server listens; undefined when there is no running one. Cheap: asked on every proxied request. */
  upstream(name: string): Upstream | undefined;
  /** Called when a session's server ends by itself. */
  onLost(listener: (name: string, error: NonNullable<SessionRecord['error']>) => void): () => void;
  /** Which isolation and limits this machine gives, as sentences for start-up and `/versions`. */
  describe(): Promise<readonly string[]>;
  /** Ends everything that this spawner started. */
  close(): Promise<void>;
}
