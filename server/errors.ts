import {
  ERRORS,
  PROBLEM_CONTENT_TYPE,
  type ErrorCode,
  type ErrorDetail,
  type FailedEvent,
  type Problem,
} from '../sdk/contract/index.ts';

export interface HubErrorOptions {
  readonly detail?: ErrorDetail;
  readonly retryAfterMs?: number;
  readonly logTail?: readonly string[];
  readonly cause?: unknown;
}

/** A failure that a person sees: a code of the contract and one sentence that says what to do. */
export class HubError extends Error {
  override readonly name = 'HubError';
  readonly code: ErrorCode;
  readonly detail: ErrorDetail | undefined;
  readonly retryAfterMs: number | undefined;
  readonly logTail: readonly string[] | undefined;

  constructor(code: ErrorCode, message: string, options: HubErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.detail = options.detail;
    this.retryAfterMs = options.retryAfterMs;
    this.logTail = options.logTail;
  }
}

/** Any thrown value as a HubError; what is none becomes `internal`, with a sentence that gives nothing away. */
export const toHubError = (error: unknown): HubError => {
  if (error instanceof HubError) return error;
  if (error instanceof Error && 'code' in error && error.code === 'bad_spec')
    return new HubError('bad_spec', error.message);
  return new HubError('internal', 'The hub made a mistake; its log has the details. Trying again may help.', {
    cause: error,
  });
};

/** The event that ends a stream with this failure. */
export const toFailedEvent = (error: HubError): FailedEvent => ({
  phase: 'failed',
  message: error.message,
  code: error.code,
  retryable: ERRORS[error.code].retryable,
  ...(error.retryAfterMs === undefined ? {} : { retryAfterMs: error.retryAfterMs }),
  ...(error.detail === undefined ? {} : { detail: error.detail }),
  ...(error.logTail === undefined ? {} : { logTail: error.logTail }),
});

/** The body of an error answer, RFC 9457. */
export const toProblem = (error: HubError): Problem => ({
  type: `urn:liveleaf:error:${error.code}`,
  title: error.code,
  status: ERRORS[error.code].status ?? 500,
  detail: error.message,
  code: error.code,
  retryable: ERRORS[error.code].retryable,
  ...(error.retryAfterMs === undefined ? {} : { retryAfterMs: error.retryAfterMs }),
  ...(error.detail === undefined ? {} : { where: error.detail }),
});

export { PROBLEM_CONTENT_TYPE };
