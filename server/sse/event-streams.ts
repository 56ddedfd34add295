import type { OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { HubError } from '../errors.ts';
import type { ChannelReader, EventChannel } from './event-channel.ts';
import { formatRetry, HEARTBEAT } from './sse-format.ts';

export interface EventStreamsOptions {
  /** Streams open at once; default 10,000. */
  readonly maxStreams?: number;
  /** Streams open at once from one address that is not this machine's; default 20. */
  readonly maxStreamsPerAddress?: number;
  /** A comment is sent this often, so that no proxy takes the stream for dead; default 15 s. */
  readonly heartbeatMs?: number;
  /** A client that takes no byte for this long is cut off; it resumes by its last id; default 60 s. */
  readonly stalledMs?: number;
}

export interface OpenStream<Item> {
  readonly response: ServerResponse;
  /** The client's address, for the limit. */
  readonly address: string;
  readonly channel: EventChannel<Item>;
  readonly lacks: (item: Item) => boolean;
  readonly headers: OutgoingHttpHeaders;
  /** Written before everything else. */
  readonly opening: string;
  /** Whether comments and hints of event streams may be sent; default true. */
  readonly sse?: boolean;
  /** How long the answer stays open after its last event, for clients that take an end for an error; default 0. */
  readonly lingerMs?: number;
  /** For clients that cannot resume: left open at shutdown until its end or the drain's. Default false. */
  readonly drains?: boolean;
  readonly onClose?: () => void;
}

const isLoopback = (address: string): boolean => /^(?:::ffff:)?127\.|^::1$/.test(address);

/** A stream as it is kept, whatever it carries. */
interface KeptStream {
  readonly response: ServerResponse;
  readonly open: Pick<OpenStream<unknown>, 'address' | 'sse' | 'drains'>;
  stalledBeats: number;
  ending: boolean;
}

class Stream<Item> implements ChannelReader<Item>, KeptStream {
  readonly lacks: (item: Item) => boolean;
  readonly response: ServerResponse;
  readonly open: OpenStream<Item>;
  stalledBeats = 0;
  ending = false;

  constructor(open: OpenStream<Item>) {
    this.open = open;
    this.lacks = open.lacks;
    this.response = open.response;
  }

  write(bytes: Buffer): boolean {
    return this.response.write(bytes);
  }

  end(): void {
    this.ending = true;
    const { lingerMs = 0 } = this.open;
    if (lingerMs === 0) this.response.end();
    else setTimeout(() => this.response.end(), lingerMs).unref();
  }
}

/** Every open stream of the hub: their limits, their heartbeat and their end. */
export class EventStreams {
  readonly #streams = new Set<KeptStream>();
  readonly #perAddress = new Map<string, number>();
  readonly #options: Required<EventStreamsOptions>;
  #heartbeat: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: EventStreamsOptions = {}) {
    this.#options = {
      maxStreams: 10_000,
      maxStreamsPerAddress: 20,
      heartbeatMs: 15_000,
      stalledMs: 60_000,
      ...options,
    };
  }

  /** How many streams are open. */
  get size(): number {
    return this.#streams.size;
  }

  /** Answers with a stream. Throws HubError `rate_limited` or `capacity` before a byte is written. */
  open<Item>(open: OpenStream<Item>): void {
    this.#admit(open.address);
    const { response, channel } = open;
    const stream = new Stream(open);
    this.#streams.add(stream);
    this.#perAddress.set(open.address, (this.#perAddress.get(open.address) ?? 0) + 1);
    response.once('close', () => {
      channel.detach(stream);
      this.#forget(stream);
      open.onClose?.();
    });
    response.on('drain', () => {
      stream.stalledBeats = 0;
      channel.pump(stream);
    });
    // A client that goes away in the middle of a write is no news.
    response.on('error', () => undefined);
    response.writeHead(200, open.headers);
    if (open.opening === '') response.flushHeaders();
    else response.write(open.opening);
    this.#heartbeat ??= setInterval(() => this.#beat(), this.#options.heartbeatMs).unref();
    channel.attach(stream);
  }

  /**
   * Ends all streams for a shutdown, with a hint when to come again: at once those that resume by themselves,
   * the others when their launch has ended or `drainMs` has passed.
   */
  async close(drainMs = 0): Promise<void> {
    this.#closed = true;
    const cut = (stream: KeptStream) => {
      if (stream.response.writableEnded) return;
      if (stream.open.sse ?? true) stream.response.write(formatRetry(2_000));
      stream.response.end();
    };
    for (const stream of this.#streams) if (!(stream.open.drains ?? false) || drainMs === 0) cut(stream);
    const deadline = performance.now() + drainMs;
    while (this.#streams.size > 0 && performance.now() < deadline)
      await new Promise((resolve) => setTimeout(resolve, 20));
    for (const stream of this.#streams) cut(stream);
    clearInterval(this.#heartbeat);
    this.#heartbeat = undefined;
  }

  #admit(address: string): void {
    const retryAfterMs = 5_000;
    if (this.#closed)
      throw new HubError('capacity', 'The hub is stopping; try again in a moment.', { retryAfterMs: 2_000 });
    if (this.#streams.size >= this.#options.maxStreams)
      throw new HubError('capacity', 'This hub has as many open streams as it can serve; try again in a moment.', {
        retryAfterMs,
      });
    const { maxStreamsPerAddress } = this.#options;
    if (!isLoopback(address) && (this.#perAddress.get(address) ?? 0) >= maxStreamsPerAddress)
      throw new HubError(
        'rate_limited',
        `Your address has ${maxStreamsPerAddress} streams open, the most that are allowed; close a page and try again.`,
        { retryAfterMs },
      );
  }

  #forget(stream: KeptStream): void {
    if (!this.#streams.delete(stream)) return;
    const { address } = stream.open;
    const left = (this.#perAddress.get(address) ?? 1) - 1;
    if (left > 0) this.#perAddress.set(address, left);
    else this.#perAddress.delete(address);
    if (this.#streams.size > 0) return;
    clearInterval(this.#heartbeat);
    this.#heartbeat = undefined;
  }

  #beat(): void {
    const { heartbeatMs, stalledMs } = this.#options;
    for (const stream of this.#streams) {
      if (stream.ending) continue;
      if (!stream.response.writableNeedDrain) {
        stream.stalledBeats = 0;
        if (stream.open.sse ?? true) stream.response.write(HEARTBEAT);
      } else if (++stream.stalledBeats * heartbeatMs >= stalledMs) stream.response.destroy();
    }
  }
}
