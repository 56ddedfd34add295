import { EventSource } from 'eventsource';
import { HEADERS } from './contract/index.ts';
import { LiveleafError } from './errors.ts';
import { errorOfResponse } from './problem.ts';
import type { World } from './world.ts';

export interface EventStreamOptions {
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** What was seen last; sent as `Last-Event-ID`. */
  readonly lastEventId?: string | undefined;
  /** Without a byte for so long the stream counts as cut, in milliseconds. */
  readonly silenceMs: number;
  /** The same, once the page has woken from sleep and nothing has come since. */
  readonly wakeSilenceMs: number;
  readonly signal: AbortSignal;
  onOpen(): void;
  /** Called with each whole event, in order. */
  onEvent(data: string, id: string): void;
  /** Makes reading wait while the consumer is behind. */
  room?(): Promise<void> | undefined;
}

/** How one connection ended; whether to open the next is the caller's business. */
export type StreamEnd =
  /** It had been open. */
  | { readonly kind: 'cut'; readonly cause?: unknown }
  /** It never opened. */
  | { readonly kind: 'unreachable'; readonly cause?: unknown }
  /** The server has nothing more to say (204). */
  | { readonly kind: 'ended' }
  | { readonly kind: 'refused'; readonly status: number; readonly error: LiveleafError }
  | { readonly kind: 'aborted' };

const isEventStream = (headers: Headers): boolean =>
  headers.get('content-type')?.startsWith('text/event-stream') ?? false;

/** Passes a body on, telling of each chunk, and reads no further while there is no room. */
const watched = (
  body: ReadableStream<Uint8Array>,
  onChunk: () => void,
  onWaiting: (waiting: boolean) => void,
  room: (() => Promise<void> | undefined) | undefined,
): ReadableStream<Uint8Array> => {
  const reader = body.getReader();
  return new ReadableStream<Uint8Array>(
    {
      pull: async (controller) => {
        const waiting = room?.();
        if (waiting) {
          onWaiting(true);
          await waiting;
          onWaiting(false);
        }
        const { done, value } = await reader.read();
        onChunk();
        if (done) controller.close();
        else controller.enqueue(value);
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  );
};

/** Reads one connection of a server-sent event stream to its end; never reconnects by itself, never rejects. */
export const readEventStream = (world: World, options: EventStreamOptions): Promise<StreamEnd> =>
  new Promise((resolve) => {
    const { signal } = options;
    if (signal.aborted) return resolve({ kind: 'aborted' });
    let opened = false;
    let over = false;
    let refusal: Extract<StreamEnd, { kind: 'refused' }> | undefined;
    let lastByteAt = world.now();
    let allowedMs = options.silenceMs;
    let timer: ReturnType<World['setTimeout']> | undefined;

    const end = (outcome: StreamEnd) => {
      over = true;
      world.clearTimeout(timer);
      stopWaking();
      signal.removeEventListener('abort', onAbort);
      source.close();
      resolve(outcome);
    };
    const onAbort = () => end({ kind: 'aborted' });
    const broken = (cause: unknown): StreamEnd => ({ kind: opened ? 'cut' : 'unreachable', cause });

    const watch = () => {
      world.clearTimeout(timer);
      if (over) return;
      const leftMs = lastByteAt + allowedMs - world.now();
      // A timer may fire a little early, so a rest of a millisecond counts as none.
      if (leftMs <= 1) end(broken(new Error(`Nothing came for ${allowedMs / 1_000} s.`)));
      else timer = world.setTimeout(watch, leftMs);
    };
    const onChunk = () => {
      lastByteAt = world.now();
      allowedMs = options.silenceMs;
    };
    const onWaiting = (waiting: boolean) => {
      lastByteAt = world.now();
      if (waiting) world.clearTimeout(timer);
      else watch();
    };
    const stopWaking = world.onWake(() => {
      allowedMs = Math.min(options.silenceMs, options.wakeSilenceMs);
      watch();
    });

    const source = new EventSource(options.url, {
      fetch: async (address, init) => {
        const { lastEventId } = options;
        const response = await world.fetch(String(address), {
          ...(init as RequestInit),
          credentials: 'omit',
          headers: {
            ...init.headers,
            ...options.headers,
            ...(lastEventId === undefined ? {} : { [HEADERS.lastEventId]: lastEventId }),
          },
        });
        onChunk();
        const { status, headers, redirected, url } = response;
        if (status !== 200 && status !== 204) {
          refusal = { kind: 'refused', status, error: await errorOfResponse(response, world.now()) };
        } else if (status === 200 && !isEventStream(headers)) {
          const type = headers.get('content-type') ?? 'no content type';
          const message = `${options.url} answered with ${type} instead of an event stream; is it the address of a hub?`;
          refusal = { kind: 'refused', status, error: new LiveleafError('hub_unreachable', message) };
          await response.body?.cancel();
        }
        const body = response.body && !refusal ? watched(response.body, onChunk, onWaiting, options.room) : null;
        return { status, headers, redirected, url, body } as Response;
      },
    });
    source.addEventListener('open', () => {
      opened = true;
      options.onOpen();
    });
    source.addEventListener('message', (event) => {
      if (!over && !signal.aborted) options.onEvent(String(event.data), event.lastEventId);
    });
    source.addEventListener('error', (event) => {
      if (event.code === 204) end({ kind: 'ended' });
      else end(refusal ?? broken(event.message === undefined ? undefined : new Error(event.message)));
    });
    signal.addEventListener('abort', onAbort);
    watch();
  });
