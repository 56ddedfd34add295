import { LiveleafError } from '../sdk/errors.ts';
import type { ErrorCode, ErrorDetail, Phase, ReceivedEvent } from '../sdk/contract/index.ts';

/** A failure as the page shows it. */
export interface Failure {
  readonly code: ErrorCode;
  readonly message: string;
  readonly retryable: boolean;
  readonly detail?: ErrorDetail;
  readonly logTail?: readonly string[];
}

export const asFailure = (error: unknown): Failure => {
  const known = LiveleafError.isInstance(error)
    ? error
    : new LiveleafError('internal', error instanceof Error ? error.message : String(error), { cause: error });
  const { code, message, retryable, detail, logTail } = known;
  return { code, message, retryable, ...(detail ? { detail } : {}), ...(logTail ? { logTail } : {}) };
};

/** How far a launch has come. */
export interface LaunchProgress {
  readonly phase: Exclude<Phase, 'ready' | 'failed'> | 'connecting';
  readonly startedAt: number;
  /** Text of the log, piece by piece. One array for the whole launch, appended to in place: a flood must not be copied. */
  readonly log: string[];
  /** How many pieces `log` held at this point. */
  readonly lines: number;
  readonly position?: number;
  readonly message?: string;
  readonly usualMs?: number;
  /** Whether the environment existed already; undefined as long as that is not known. */
  readonly cached?: boolean;
  readonly reconnecting: boolean;
}

/** Where the page's session stands: one tagged field. */
export type SessionState =
  | { readonly kind: 'none' }
  | { readonly kind: 'launching'; readonly progress: LaunchProgress }
  | { readonly kind: 'live'; readonly notice?: string }
  | { readonly kind: 'failed'; readonly failure: Failure; readonly progress: LaunchProgress }
  | { readonly kind: 'cancelled' }
  | { readonly kind: 'lost'; readonly failure: Failure };

export const startProgress = (startedAt: number): LaunchProgress => ({
  phase: 'waiting',
  startedAt,
  log: [],
  lines: 0,
  reconnecting: false,
});

const appendLine = ({ log }: LaunchProgress, message: string): Pick<LaunchProgress, 'lines'> => ({
  lines: log.push(/[\r\n]$/.test(message) ? message : `${message}\n`),
});

/** Adds one event of the stream. Terminal events and unknown phases without a message change nothing. */
export const reduceProgress = (progress: LaunchProgress, event: ReceivedEvent): LaunchProgress => {
  switch (event.phase) {
    case 'waiting': {
      const { position: _position, message: _message, ...rest } = progress;
      return {
        ...rest,
        phase: 'waiting',
        ...(event.position === undefined ? {} : { position: event.position }),
        ...(event.message === undefined ? {} : { message: event.message }),
        ...(event.usualMs === undefined ? {} : { usualMs: event.usualMs }),
      };
    }
    case 'built':
      return { ...progress, phase: 'built', cached: event.cached };
    case 'fetching':
    case 'building':
    case 'pushing':
    case 'launching':
      return { ...progress, phase: event.phase, ...appendLine(progress, event.message) };
    case 'unknown':
      return event.message === undefined ? progress : { ...progress, ...appendLine(progress, event.message) };
    case 'ready':
    case 'failed':
      return progress;
  }
};
