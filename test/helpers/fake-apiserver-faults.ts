import { systemClock } from '../../server/clock.ts';
import { sendStatus, type ApiFault } from './fake-apiserver.ts';

/** Refuses, as the API does. */
export const refusal =
  (code: number, reason: string, message = reason, headers: Readonly<Record<string, string>> = {}): ApiFault =>
  ({ response }) =>
    sendStatus(response, code, reason, message, headers);

/** What a proxy on the way says where the API is away. */
export const badGateway: ApiFault = ({ response }) => {
  response.writeHead(502, { 'content-type': 'text/html' });
  response.end('<html><body><h1>502 Bad Gateway</h1></body></html>');
};

/** Takes the request and never answers. */
export const hang: ApiFault = () => undefined;

/** Begins the answer and says nothing more, and never closes. */
export const silence: ApiFault = ({ response }) => {
  response.flushHeaders();
};

/** Answers late. */
export const slow =
  (durationMs: number): ApiFault =>
  async ({ pass }) => {
    await systemClock.sleep(durationMs);
    await pass();
  };

/** Says this in a stream or as an answer, then ends it in order. */
export const saying =
  (text: string): ApiFault =>
  ({ response }) => {
    response.end(text);
  };

/** The event with which a watch says that it cannot go on from there. */
export const goneInStream: ApiFault = saying(
  `${JSON.stringify({ type: 'ERROR', object: { kind: 'Status', code: 410, reason: 'Expired', message: 'too old resource version' } })}\n`,
);

/** Resets the connection when so many bytes of the answer were sent; 0 resets before its head. */
export const resetAfter =
  (bytes: number): ApiFault =>
  async ({ response, pass }) => {
    const { socket } = response;
    if (socket === null) return;
    let left = bytes;
    const write = socket.write.bind(socket) as (chunk: unknown, encoding?: unknown, done?: unknown) => boolean;
    socket.write = ((chunk: string | Buffer, encoding?: BufferEncoding) => {
      const buffer = typeof chunk === 'string' ? Buffer.from(chunk, encoding) : chunk;
      if (left > 0) write(buffer.subarray(0, left));
      left -= buffer.length;
      // What was written goes out before the reset does.
      if (left <= 0) setImmediate(() => socket.resetAndDestroy());
      return true;
    }) as typeof socket.write;
    await pass();
  };

/** Tells the first two events of a watch in the wrong order, and the earlier one twice. */
export const disorder: ApiFault = async ({ pass }) => {
  const held: string[] = [];
  await pass({
    mangle: (line) => {
      if (held.length === 2) return [line];
      const [first] = held;
      held.push(line);
      return first === undefined ? [] : [line, first, first];
    },
  });
};
