import { ERRORS, isErrorCode, type ErrorCode, type ErrorDetail } from './errors.ts';
import { isLogPhase, isPhase, RANKS, type LogPhase, type Phase } from './phases.ts';

/** Nothing runs yet: the launch is being resolved, or queued at `position` (counted from 1). */
export interface WaitingEvent {
  readonly phase: 'waiting';
  readonly message?: string;
  readonly position?: number;
  readonly usualMs?: number;
}

/** One line of a log. `line` counts from 1 within its phase; `message` may hold ANSI codes and `\r`. */
export interface LogEvent {
  readonly phase: LogPhase;
  readonly message: string;
  readonly line: number;
}

/** The environment exists; `cached` tells whether this launch had to wait for its build. */
export interface BuiltEvent {
  readonly phase: 'built';
  readonly environment: string;
  readonly cached: boolean;
}

/** The session answers. `url` ends in a slash; `expiresAt` is in milliseconds since 1970. */
export interface ReadyEvent {
  readonly phase: 'ready';
  readonly url: string;
  readonly token: string;
  readonly expiresAt: number;
  readonly idleTimeoutMs: number;
  readonly session: string;
  readonly kernel?: { readonly id: string; readonly name: string };
}

/** The launch ended without a session. */
export interface FailedEvent {
  readonly phase: 'failed';
  readonly message: string;
  readonly code: ErrorCode;
  readonly retryable: boolean;
  readonly retryAfterMs?: number;
  readonly detail?: ErrorDetail;
  readonly logTail?: readonly string[];
}

/** What a hub writes. */
export type LaunchEvent = WaitingEvent | LogEvent | BuiltEvent | ReadyEvent | FailedEvent;

/** What a reader makes of an event whose phase it does not know: kept, shown, never fatal. */
export interface UnknownEvent {
  readonly phase: 'unknown';
  readonly message?: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** What a reader yields. */
export type ReceivedEvent = LaunchEvent | UnknownEvent;

export type TerminalEvent = ReadyEvent | FailedEvent;

export const isTerminal = (event: { readonly phase: string }): event is TerminalEvent =>
  event.phase === 'ready' || event.phase === 'failed';

/** A place in a launch's stream: what has been seen up to and including it. */
export interface EventPosition {
  readonly rank: number;
  readonly line: number;
}

export const START_OF_STREAM: EventPosition = { rank: 0, line: 0 };

/** Negative when `left` comes before `right`, 0 when they are the same place. */
export const comparePositions = (left: EventPosition, right: EventPosition): number =>
  left.rank - right.rank || left.line - right.line;

/** The place of an event in its stream; phases without lines stand at line 0. */
export const positionOf = (event: LaunchEvent): EventPosition => ({
  rank: RANKS[event.phase],
  line: isLogPhase(event.phase) ? (event as LogEvent).line : 0,
});

/** An event's id on the wire: `<launch>.<rank>.<line>`; `launch` is the launch's id, or its token on BinderHub's route. */
export const formatEventId = (launch: string, position: EventPosition): string =>
  `${launch}.${position.rank}.${position.line}`;

const EVENT_ID = /^([A-Za-z0-9_-]{1,128})\.([0-6])\.(0|[1-9][0-9]{0,8})$/;

/** Reads an event id, or returns undefined for anything that no hub wrote. */
export const parseEventId = (text: string): { launch: string; position: EventPosition } | undefined => {
  const match = EVENT_ID.exec(text);
  if (!match) return undefined;
  return { launch: match[1]!, position: { rank: Number(match[2]), line: Number(match[3]) } };
};

/**
 * Writes an event as the one JSON object of its `data:` field.
 * Strict: throws a TypeError on an unknown phase, a log event without a line or an unknown error code.
 */
export const encodeEvent = (event: LaunchEvent): string => {
  if (!isPhase(event.phase)) throw new TypeError(`unexpected phase ${JSON.stringify(event.phase)}`);
  if (isLogPhase(event.phase)) {
    const { line, message } = event as LogEvent;
    if (!Number.isSafeInteger(line) || line < 1)
      throw new TypeError(`a ${event.phase} event needs a line from 1 on, got ${line}`);
    if (typeof message !== 'string') throw new TypeError(`a ${event.phase} event needs a message`);
  }
  if (event.phase === 'failed' && !isErrorCode(event.code))
    throw new TypeError(`unexpected error code ${JSON.stringify(event.code)}`);
  return JSON.stringify(event);
};

const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);
const count = (value: unknown): number | undefined =>
  typeof value === 'number' && Number.isFinite(value) ? value : undefined;

/** BinderHub and its clients have spelled phases in capitals and with synonyms. */
const SPELLINGS: Readonly<Record<string, Phase>> = { failure: 'failed', error: 'failed' };

/** The code of a `failed` event from a hub that sends none, from BinderHub's `status_code`. */
const codeOfStatus = (status: number | undefined): ErrorCode => {
  if (status === undefined) return 'build_failed';
  const match = (Object.keys(ERRORS) as ErrorCode[]).find((code) => ERRORS[code].status === status);
  return match ?? (status >= 500 ? 'internal' : 'bad_spec');
};

/**
 * Reads the `data:` field of an event. Tolerant: unknown fields are kept, phases are lower-cased, log lines may
 * lack a number (BinderHub sends none; `line` is then 0), an unknown phase becomes `unknown`.
 * Returns undefined for what is not a JSON object.
 */
export const decodeEvent = (data: string): ReceivedEvent | undefined => {
  let fields: Record<string, unknown>;
  try {
    const value: unknown = JSON.parse(data);
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
    fields = value as Record<string, unknown>;
  } catch {
    return undefined;
  }
  const spelled = text(fields['phase'])?.toLowerCase() ?? '';
  const phase = SPELLINGS[spelled] ?? spelled;
  if (!isPhase(phase)) {
    const message = text(fields['message']);
    return { phase: 'unknown', fields, ...(message === undefined ? {} : { message }) };
  }
  if (isLogPhase(phase))
    return { ...fields, phase, message: text(fields['message']) ?? '', line: count(fields['line']) ?? 0 };
  if (phase === 'failed') return decodeFailed(fields);
  if (phase === 'built') {
    return {
      ...fields,
      phase,
      environment: text(fields['environment']) ?? text(fields['imageName']) ?? '',
      cached: fields['cached'] === true,
    };
  }
  if (phase === 'ready') {
    const url = text(fields['url']) ?? '';
    return {
      ...fields,
      phase,
      url: url === '' || url.endsWith('/') ? url : `${url}/`,
      token: text(fields['token']) ?? '',
      expiresAt: count(fields['expiresAt']) ?? Number.POSITIVE_INFINITY,
      idleTimeoutMs: count(fields['idleTimeoutMs']) ?? Number.POSITIVE_INFINITY,
      session: text(fields['session']) ?? '',
    } as ReadyEvent;
  }
  return { ...fields, phase } as WaitingEvent;
};

const decodeFailed = (fields: Record<string, unknown>): FailedEvent => {
  const code = isErrorCode(fields['code']) ? fields['code'] : codeOfStatus(count(fields['status_code']));
  return {
    ...fields,
    phase: 'failed',
    code,
    message: text(fields['message'])?.trim() || 'The launch failed and the hub gave no reason.',
    retryable: typeof fields['retryable'] === 'boolean' ? fields['retryable'] : ERRORS[code].retryable,
  };
};
