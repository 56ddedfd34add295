/** What every event stream answers with; `no-transform` and `X-Accel-Buffering` keep middleboxes from gathering. */
export const SSE_HEADERS: Readonly<Record<string, string>> = {
  'content-type': 'text/event-stream',
  'cache-control': 'no-store, no-transform',
  'x-accel-buffering': 'no',
};

/** How soon a client whose stream was cut should come again. */
const RETRY_MS = 1_000;

export const HEARTBEAT = Buffer.from(': still here\n\n');

/** An event as it goes over the wire; `data` is JSON and so holds no line break. */
export const formatEvent = (id: string, data: string): string => `id: ${id}\ndata: ${data}\n\n`;

/** The first bytes of a stream: they carry an id, so that a cut right after them resumes the same launch. */
export const formatOpening = (id: string): string => `retry: ${RETRY_MS}\nid: ${id}\n\n`;

/** Told to clients whose stream is ended because the hub stops. */
export const formatRetry = (retryMs: number): string => `retry: ${retryMs}\n\n`;
