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

/** The steps in plain words, in order; a step stands for several phases. */
export const STEPS: readonly { readonly phases: readonly LaunchProgress['phase'][]; readonly words: string }[] = [
  { phases: ['waiting'], words: 'Asking the hub' },
  { phases: ['fetching'], words: 'Fetching the repository' },
  { phases: ['building', 'pushing', 'built'], words: 'Preparing the environment' },
  { phases: ['launching'], words: 'Starting the server' },
  { phases: ['connecting'], words: 'Connecting to the kernel' },
];

/** The index of a phase's step. */
export const stepOf = (phase: LaunchProgress['phase']): number =>
  STEPS.findIndex(({ phases }) => phases.includes(phase));

/** What is going on, in one short sentence. */
export const describeProgress = (progress: LaunchProgress): string => {
  if (progress.reconnecting) return 'The connection to the hub was lost; trying again';
  if (progress.phase === 'waiting' && progress.position !== undefined)
    return `Waiting in the queue, place ${progress.position}`;
  return STEPS[stepOf(progress.phase)]?.words ?? 'Working';
};

/** Where in the repository a failure has its cause, as `requirements.txt, line 3, nunpy`; empty where it is not known. */
export const describePlace = (detail: ErrorDetail | undefined): string => {
  if (!detail) return '';
  const line = detail.line === undefined ? '' : `, line ${detail.line}`;
  const file = detail.file === undefined ? '' : `${detail.file}${line}`;
  return [file, detail.package].filter(Boolean).join(', ');
};
