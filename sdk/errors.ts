import { ERRORS, type ErrorCode, type ErrorDetail } from './contract/index.ts';

const MARKER = Symbol.for('liveleaf.error');

export interface LiveleafErrorOptions {
  readonly retryable?: boolean;
  readonly retryAfterMs?: number;
  readonly detail?: ErrorDetail;
  readonly logTail?: readonly string[];
  readonly cause?: unknown;
}

/** A failure with a code of the contract and a sentence for the person who sees it. */
export class LiveleafError extends Error {
  override readonly name = 'LiveleafError';
  readonly [MARKER] = true;
  readonly code: ErrorCode;
  /** Whether asking again may help. */
  readonly retryable: boolean;
  readonly retryAfterMs: number | undefined;
  readonly detail: ErrorDetail | undefined;
  /** The last lines of the build or server log, where there is one. */
  readonly logTail: readonly string[] | undefined;

  constructor(code: ErrorCode, message: string, options: LiveleafErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retryable = options.retryable ?? ERRORS[code].retryable;
    this.retryAfterMs = options.retryAfterMs;
    this.detail = options.detail;
    this.logTail = options.logTail;
  }

  /** Recognises an error of any copy of this package. */
  static isInstance(value: unknown): value is LiveleafError {
    return typeof value === 'object' && value !== null && (value as Record<symbol, unknown>)[MARKER] === true;
  }
}
