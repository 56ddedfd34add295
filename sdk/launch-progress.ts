import {
  comparePositions,
  isLogPhase,
  isTerminal,
  positionOf,
  START_OF_STREAM,
  type EventPosition,
  type FailedEvent,
  type LogEvent,
  type ReadyEvent,
  type ReceivedEvent,
} from './contract/index.ts';
import { LiveleafError } from './errors.ts';
import type { Server } from './kernel.ts';
import { OnePassQueue } from './one-pass-queue.ts';

/** Events that may wait for a slow reader before reading from the hub pauses. */
const MAX_WAITING_EVENTS = 1_000;
const LOG_TAIL_LINES = 20;

export type ConnectionListener = (state: 'open' | 'reconnecting', attempt: number) => void;

const failedEvent = (error: LiveleafError): FailedEvent => ({
  phase: 'failed',
  message: error.message,
  code: error.code,
  retryable: error.retryable,
  ...(error.retryAfterMs === undefined ? {} : { retryAfterMs: error.retryAfterMs }),
  ...(error.detail === undefined ? {} : { detail: error.detail }),
  ...(error.logTail === undefined ? {} : { logTail: error.logTail }),
});

const errorOf = (event: FailedEvent, logTail: readonly string[]): LiveleafError =>
  new LiveleafError(event.code, event.message, {
    retryable: event.retryable,
    ...(event.retryAfterMs === undefined ? {} : { retryAfterMs: event.retryAfterMs }),
    ...(event.detail === undefined ? {} : { detail: event.detail }),
    logTail: event.logTail ?? logTail,
  });

/** What a launch has come to, whichever protocol drives it: its events once and in order, one end, its connection. */
export class LaunchProgress {
  readonly events = new OnePassQueue<ReceivedEvent>({
    name: 'A launch',
    limit: MAX_WAITING_EVENTS,
    dropped: (count) => ({
      phase: 'unknown',
      message: `${count} earlier events were not kept, since nobody read them yet.`,
      fields: { dropped: count },
    }),
  });
  readonly server: Promise<Server>;
  /** Aborts when the launch has ended, or when its caller no longer waits. */
  readonly over: AbortSignal;
  readonly #over = new AbortController();
  readonly #kind: () => Server['kind'];
  readonly #listeners = new Set<ConnectionListener>();
  readonly #logTail: string[] = [];
  #resolve!: (server: Server) => void;
  #reject!: (error: LiveleafError) => void;
  #seen: EventPosition = START_OF_STREAM;

  constructor(kind: () => Server['kind']) {
    this.#kind = kind;
    this.over = this.#over.signal;
    this.server = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.server.catch(() => undefined);
  }

  get ended(): boolean {
    return this.over.aborted;
  }

  /** Takes an event from a stream; a log line that was seen before, and anything after the end, is let go. */
  accept(event: ReceivedEvent): void {
    if (this.ended || this.#isRepeated(event)) return;
    if (isLogPhase(event.phase)) this.#keepTail((event as LogEvent).message);
    this.events.push(event);
    if (!isTerminal(event)) return;
    if (event.phase === 'ready') this.#ready(event);
    else this.#reject(errorOf(event, this.#logTail));
    this.#end();
  }

  /** Ends the launch with a failure that no event told of. */
  fail(error: LiveleafError): void {
    this.accept(failedEvent(error));
  }

  /** Ends the waiting, not the launch: no terminal event comes. */
  abandon(reason: unknown): void {
    if (this.ended) return;
    const message = 'The page stopped waiting for this launch; the launch itself goes on.';
    this.#reject(new LiveleafError('cancelled', message, { cause: reason }));
    this.#end();
  }

  onConnection(listener: ConnectionListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  setConnection(state: 'open' | 'reconnecting', attempt: number): void {
    if (this.ended) return;
    for (const listener of this.#listeners) listener(state, attempt);
  }

  #isRepeated(event: ReceivedEvent): boolean {
    if (event.phase === 'unknown') return false;
    const position = positionOf(event);
    const isNew = comparePositions(position, this.#seen) > 0;
    if (isNew) this.#seen = position;
    // BinderHub's lines have no numbers; there is then nothing to compare.
    return isLogPhase(event.phase) && position.line > 0 && !isNew;
  }

  #keepTail(message: string): void {
    this.#logTail.push(message);
    if (this.#logTail.length > LOG_TAIL_LINES) this.#logTail.shift();
  }

  #ready(event: ReadyEvent): void {
    const { url, token, expiresAt, idleTimeoutMs, session, kernel } = event;
    this.#resolve({
      kind: this.#kind(),
      url,
      token,
      expiresAt,
      idleTimeoutMs,
      session,
      ...(kernel === undefined ? {} : { kernel }),
    });
  }

  #end(): void {
    this.events.end();
    this.#listeners.clear();
    this.#over.abort();
  }
}
