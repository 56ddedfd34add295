/** A process of its own: sends one log to many readers, as plain Node would or through the hub's event channel. */
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { EventChannel } from '../../server/sse/event-channel.ts';
import { EventFeed } from '../../server/sse/event-feed.ts';
import { EventStreams } from '../../server/sse/event-streams.ts';
import { formatEvent, SSE_HEADERS } from '../../server/sse/sse-format.ts';
import { encodeEvent, formatEventId, type LogEvent } from '../../sdk/contract/index.ts';

const mode = process.argv[2];
const LAUNCH = 'a'.repeat(32);

const eventText = (event: LogEvent): string =>
  formatEvent(formatEventId(LAUNCH, { rank: 2, line: event.line }), encodeEvent(event));

const logEvent = (line: number): LogEvent => ({ phase: 'building', line, message: `line ${line} `.padEnd(180, 'x') });

interface Sender {
  serve(response: ServerResponse): void;
  send(event: LogEvent): Promise<void>;
}

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** What one writes by hand: a buffer an event, written to each reader, waiting for those that are behind. */
const rawSender = (): Sender => {
  const readers = new Set<ServerResponse>();
  return {
    serve: (response) => {
      response.writeHead(200, SSE_HEADERS).flushHeaders();
      readers.add(response);
      response.on('close', () => readers.delete(response));
    },
    send: async (event) => {
      const bytes = Buffer.from(eventText(event));
      for (const reader of readers) reader.write(bytes);
      const behind = [...readers].filter((reader) => reader.writableNeedDrain);
      await Promise.all(behind.map((reader) => new Promise((resolve) => reader.once('drain', resolve))));
      await nextTurn();
    },
  };
};

const channelSender = (): Sender => {
  const feed = new EventFeed<LogEvent>();
  const channel = new EventChannel({ feed, encode: eventText });
  const streams = new EventStreams();
  return {
    serve: (response) =>
      streams.open({ response, address: '127.0.0.1', channel, lacks: () => true, headers: SSE_HEADERS, opening: '' }),
    send: async (event) => {
      feed.append(event);
      await nextTurn();
    },
  };
};

const sender = mode === 'raw' ? rawSender() : channelSender();
const server = createServer((_request, response) => sender.serve(response));

const memory = (): number => {
  globalThis.gc?.();
  globalThis.gc?.();
  return process.memoryUsage().rss;
};

process.on('message', (message: { kind: 'memory' } | { kind: 'send'; count: number }) => {
  if (message.kind === 'memory') process.send?.({ kind: 'memory', bytes: memory() });
  else {
    void (async () => {
      for (let line = 1; line <= message.count; line++) await sender.send(logEvent(line));
    })();
  }
});
process.on('disconnect', () => process.exit(0));
server.listen({ port: 0, host: '127.0.0.1', backlog: 8192 }, () => {
  process.send?.({ kind: 'listening', port: (server.address() as AddressInfo).port });
});
