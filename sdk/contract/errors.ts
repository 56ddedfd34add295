/**
 * Every failure that a launch, a session or a page can end in, with its HTTP status and whether
 * asking again may help. `internal` means a bug. Codes without a status arise in the page alone.
 */
export const ERRORS = {
  bad_spec: { status: 400, retryable: false },
  unauthorized: { status: 401, retryable: false },
  banned: { status: 403, retryable: false },
  not_allowed: { status: 403, retryable: false },
  policy: { status: 403, retryable: false },
  not_found: { status: 404, retryable: false },
  repo_not_found: { status: 404, retryable: false },
  ref_not_found: { status: 404, retryable: false },
  cancelled: { status: 410, retryable: true },
  expired: { status: 410, retryable: true },
  session_lost: { status: 410, retryable: true },
  session_oom: { status: 410, retryable: true },
  build_failed: { status: 422, retryable: false },
  build_oom: { status: 422, retryable: false },
  build_timeout: { status: 422, retryable: false },
  clone_limit: { status: 422, retryable: false },
  pull_failed: { status: 422, retryable: false },
  unsupported_environment: { status: 422, retryable: false },
  rate_limited: { status: 429, retryable: true },
  internal: { status: 500, retryable: true },
  push_failed: { status: 502, retryable: true },
  host_down: { status: 502, retryable: true },
  session_crashed: { status: 502, retryable: true },
  unhealthy: { status: 502, retryable: true },
  quota: { status: 503, retryable: true },
  capacity: { status: 503, retryable: true },
  host_limited: { status: 503, retryable: true },
  registry_down: { status: 503, retryable: true },
  build_lost: { status: 503, retryable: true },
  spawn_timeout: { status: 504, retryable: true },
  disk_full: { status: 507, retryable: true },
  hub_unreachable: { status: undefined, retryable: true },
  blocked: { status: undefined, retryable: false },
  offline: { status: undefined, retryable: true },
  kernel_dead: { status: undefined, retryable: true },
  kernel_oom: { status: undefined, retryable: true },
} as const satisfies Record<string, { status: number | undefined; retryable: boolean }>;

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
