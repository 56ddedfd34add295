import type { ErrorCode } from './errors.ts';
import type { Phase } from './phases.ts';

/** The body of `POST /api/launches`. */
export interface LaunchRequest {
  /** `<provider>/<spec>/<ref>`, as `formatRepoSpec` writes it. */
  readonly spec: string;
  /** The kernel to start; default `python3`. `none` starts none. */
  readonly kernel?: string;
  /** The notebook whose folder is the kernel's working directory, relative to the repository; default its root. */
  readonly path?: string;
  /** A named size of session; default the hub's own. */
  readonly profile?: string;
}

/** What `GET /api/launches/:id` answers. */
export interface LaunchState {
  readonly id: string;
  readonly spec: string;
  readonly phase: Phase;
  readonly resolvedRef?: string;
  readonly environment?: string;
  readonly session?: string;
  readonly position?: number;
  readonly error?: { readonly code: ErrorCode; readonly message: string };
  readonly createdAt: number;
  readonly expiresAt?: number;
}

/** The answer to `POST /api/launches`: 201, or 200 where an `Idempotency-Key` met an existing launch. */
export interface LaunchCreated {
  readonly id: string;
  /** The capability to watch, cancel and receive the session; sent as `Authorization: Bearer`. */
  readonly token: string;
  readonly state: LaunchState;
}
