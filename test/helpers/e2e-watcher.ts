import assert from 'node:assert/strict';
import { comparePositions, isLogPhase, isTerminal, parseEventId, positionOf, RANKS } from '../../sdk/contract/index.ts';
import type { LaunchEvent, LogEvent, ReceivedEvent } from '../../sdk/index.ts';
import type { Launch } from '../../sdk/index.ts';
import { openSse } from './sse-client.ts';

type Fits = (event: ReceivedEvent) => boolean;

/** Somebody who follows a launch to its end, whatever breaks in between. */
export interface Watcher {
  readonly events: readonly ReceivedEvent[];
  /** Resolves with the first event that fits, also of the past; rejects after `timeoutMs`, default 60 s, or at the end. */
  until(fits: Fits, timeoutMs?: number): Promise<ReceivedEvent>;
  /** Resolves with all events when the launch has ended. */
  readonly done: Promise<readonly ReceivedEvent[]>;
}

const collect = (source: AsyncIterable<ReceivedEvent>): Watcher => {
  const events: ReceivedEvent[] = [];
  const wakers = new Set<() => void>();
  let ended = false;
  const wake = (): void => {
    for (const waker of wakers) waker();
  };
  const done = (async () => {
    try {
      for await (const event of source) {
        events.push(event);
        wake();
      }
      return events;
    } finally {
      ended = true;
      wake();
    }
  })();
  done.catch(() => undefined);
  return {
    events,
    done,
    until: (fits, timeoutMs = 60_000) =>
      new Promise((resolve, reject) => {
        const end = (settle: () => void): void => {
          clearTimeout(timer);
          wakers.delete(look);
          settle();
        };
        const failed = (why: string) => new Error(`${why}; seen: ${JSON.stringify(events.slice(-30))}`);
        const look = (): void => {
          const found = events.find(fits);
          if (found !== undefined) end(() => resolve(found));
          else if (ended) end(() => reject(failed('It ended without that event')));
        };
        const timer = setTimeout(() => end(() => reject(failed('That event did not come in time'))), timeoutMs);
        wakers.add(look);
        look();
      }),
  };
};

/** Follows a launch of the SDK, as a page does. */
export const watchLaunch = (launch: Launch): Watcher => collect(launch);

const PATIENCE_MS = 60_000;

/** Follows a stream as a script with curl does: again and again with the last id that it saw, from where that is. */
async function* readAgainAndAgain(
  url: string,
  signal: AbortSignal,
  onId: (id: string) => void,
): AsyncGenerator<ReceivedEvent> {
  let lastId: string | undefined;
  let heardAt = Date.now();
  while (!signal.aborted) {
    if (Date.now() - heardAt > PATIENCE_MS) throw new Error(`Nothing came from ${url} for a minute.`);
    const headers: Record<string, string> = lastId === undefined ? {} : { 'last-event-id': lastId };
    const stream = await openSse(url, headers).catch(() => undefined);
    if (stream === undefined) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      continue;
    }
    const stop = () => stream.close();
    signal.addEventListener('abort', stop);
    let read = 0;
    let isOpen = true;
    void stream.ended.then(() => (isOpen = false));
    try {
      for (;;) {
        const wasOpen = isOpen;
        const id = stream.lastId();
        if (id !== undefined) onId(id);
        for (const { data } of stream.messages.slice(read)) {
          read += 1;
          heardAt = Date.now();
          const event = { ...data, phase: String(data['phase']) } as ReceivedEvent;
          yield event;
          if (isTerminal(event)) return;
        }
        if (!wasOpen) break;
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    } finally {
      signal.removeEventListener('abort', stop);
      stream.close();
    }
    lastId = stream.lastId() ?? lastId;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Follows a launch by BinderHub's address; `token` is the launch's, which stands in the ids, once one was seen. */
export const watchBuild = (
  url: string,
  signal: AbortSignal,
): { readonly watcher: Watcher; readonly token: () => string | undefined } => {
  let token: string | undefined;
  const watcher = collect(readAgainAndAgain(url, signal, (id) => (token = parseEventId(id)?.launch)));
  return { watcher, token: () => token };
};

export const isLine =
  (phase: 'fetching' | 'building' | 'launching', line: number): Fits =>
  (event) =>
    event.phase === phase && (event as LogEvent).line >= line;

export const says =
  (message: string): Fits =>
  (event) =>
    'message' in event && event.message?.trim() === message;

export const isPhase =
  (phase: ReceivedEvent['phase']): Fits =>
  (event) =>
    event.phase === phase;

/** The texts of a phase's log, in the order in which they came. */
export const logOf = (events: readonly ReceivedEvent[], phase: string): readonly string[] =>
  events.flatMap((event) => (event.phase === phase ? [(event as LogEvent).message.trimEnd()] : []));

/** Asserts that a watcher saw every line of every log once and in order, phases in the order of their ranks, and one end. */
export const assertWhole = (events: readonly ReceivedEvent[]): void => {
  const known = events.filter((event): event is LaunchEvent => event.phase !== 'unknown');
  assert.equal(known.length, events.length, `unknown events: ${JSON.stringify(events)}`);
  const lines = known.filter(({ phase }) => isLogPhase(phase)) as LogEvent[];
  const next = new Map<string, number>();
  for (const [at, event] of lines.entries()) {
    const expected = (next.get(event.phase) ?? 0) + 1;
    assert.equal(event.line, expected, `${event.phase} line ${event.line} where ${expected} was due`);
    next.set(event.phase, event.line);
    const before = lines[at - 1];
    if (before) assert.ok(comparePositions(positionOf(before), positionOf(event)) < 0, 'logs came out of order');
  }
  const ends = known.filter(isTerminal);
  assert.equal(ends.length, 1, `${ends.length} terminal events`);
  assert.equal(RANKS[known.at(-1)!.phase], RANKS.ready, 'something followed the end');
};
