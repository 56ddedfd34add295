interface ErrorKind {
  /** HTTP status; undefined where only a page can tell. */
  readonly status: number | undefined;
  readonly retryable: boolean;
}

const final = (status?: number): ErrorKind => ({ status, retryable: false });
const passing = (status?: number): ErrorKind => ({ status, retryable: true });

/**
 * Every failure that a launch, a session or a page can end in, with its HTTP status and whether
 * asking again may help. `internal` means a bug. Codes without a status arise in the page alone.
 */
export const ERRORS = {
  bad_spec: final(400),
  unauthorized: final(401),
  banned: final(403),
  not_allowed: final(403),
  policy: final(403),
  not_found: final(404),
  repo_not_found: final(404),
  ref_not_found: final(404),
  cancelled: passing(410),
  expired: passing(410),
  session_lost: passing(410),
  session_oom: passing(410),
  build_failed: final(422),
  build_oom: final(422),
  build_timeout: final(422),
  clone_limit: final(422),
  pull_failed: final(422),
  unsupported_environment: final(422),
  rate_limited: passing(429),
  internal: passing(500),
  push_failed: passing(502),
  host_down: passing(502),
  session_crashed: passing(502),
  unhealthy: passing(502),
  quota: passing(503),
  capacity: passing(503),
  host_limited: passing(503),
  registry_down: passing(503),
  build_lost: passing(503),
  spawn_timeout: passing(504),
  disk_full: passing(507),
  hub_unreachable: passing(),
  blocked: final(),
  offline: passing(),
  kernel_dead: passing(),
  kernel_oom: passing(),
};

export type ErrorCode = keyof typeof ERRORS;

export const isErrorCode = (value: unknown): value is ErrorCode =>
  typeof value === 'string' && Object.hasOwn(ERRORS, value);

/** Where in the repository a failure has its cause. `line` counts from 1. */
export interface ErrorDetail {
  readonly file?: string;
  readonly line?: number;
  readonly package?: string;
}

/** The body of an error outside a stream: problem JSON of RFC 9457, with our code beside it. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: ErrorCode;
  readonly retryable: boolean;
  readonly retryAfterMs?: number;
  readonly where?: ErrorDetail;
}

export const PROBLEM_CONTENT_TYPE = 'application/problem+json';
