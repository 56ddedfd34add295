import { createParser } from 'eventsource-parser';

export interface SseMessage {
  readonly id: string | undefined;
  readonly data: Record<string, unknown>;
}

export interface SseStream {
  readonly status: number;
  readonly headers: Headers;
  /** The last id in the stream, with or without data. */
  lastId(): string | undefined;
  readonly messages: SseMessage[];
  /** Resolves at the stream's end, however it ends. */
  readonly ended: Promise<void>;
  /** Resolves when a message fits; rejects after `timeoutMs` (default 5 s) or at the end. */
  until(fits: (message: SseMessage) => boolean, timeoutMs?: number): Promise<SseMessage>;
  close(): void;
}

/** Opens a stream as a client would. `maxBytes` cuts the connection after so many. */
export const openSse = async (
  url: string,
  headers: Record<string, string> = {},
  maxBytes = Number.POSITIVE_INFINITY,
): Promise<SseStream> => {
  const stop = new AbortController();
  const response = await fetch(url, { headers: { accept: 'text/event-stream', ...headers }, signal: stop.signal });
  const messages: SseMessage[] = [];
  const waiters = new Set<() => void>();
  let last: string | undefined;
  let done = false;
  const parser = createParser({
    onEvent: ({ id, data }) => messages.push({ id, data: JSON.parse(data) as Record<string, unknown> }),
  });
  const read = async (): Promise<void> => {
    let bytes = 0;
    let text = '';
    const decoder = new TextDecoder();
    try {
      for await (const chunk of response.body ?? []) {
        const taken = (chunk as Uint8Array).subarray(0, maxBytes - bytes);
        bytes += taken.length;
        const piece = decoder.decode(taken, { stream: true });
        parser.feed(piece);
        text += piece;
        // As browsers do: an id counts once the block that holds it is complete.
        const complete = text.slice(0, text.lastIndexOf('\n\n') + 2);
        last = [...complete.matchAll(/^id: (.*)$/gm)].at(-1)?.[1] ?? last;
        text = text.slice(complete.length);
        for (const wake of waiters) wake();
        if (bytes >= maxBytes) break;
      }
    } catch {
      // A cut is what many tests are about.
    }
    stop.abort();
    done = true;
    for (const wake of waiters) wake();
  };
  const ended = read();
  return {
    status: response.status,
    headers: response.headers,
    lastId: () => last,
    messages,
    ended,
    until: (fits, timeoutMs = 5_000) =>
      new Promise((resolve, reject) => {
        const look = () => {
          const found = messages.find(fits);
          if (found === undefined && !done) return;
          clearTimeout(timer);
          waiters.delete(look);
          if (found !== undefined) resolve(found);
          else reject(new Error(`the stream ended without it: ${JSON.stringify(messages.map(({ data }) => data))}`));
        };
        const timer = setTimeout(() => {
          waiters.delete(look);
          reject(new Error(`nothing fitted in time: ${JSON.stringify(messages.map(({ data }) => data))}`));
        }, timeoutMs);
        waiters.add(look);
        look();
      }),
    close: () => stop.abort(),
  };
};
