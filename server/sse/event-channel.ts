import type { EventFeed } from './event-feed.ts';

/** What a channel writes to: one client's open answer. */
export interface ChannelReader<Item> {
  /** Whether the client lacks this item; asked until the first yes, and never again. */
  readonly lacks: (item: Item) => boolean;
  /** Takes bytes; false when the client is behind, who then calls `pump` once it is not. */
  write(bytes: Buffer): boolean;
  /** Nothing will follow. */
  end(): void;
}

export interface EventChannelOptions<Item> {
  readonly feed: EventFeed<Item>;
  readonly encode: (item: Item) => string;
  /** Items that are sent at once and not with the batch; default none. */
  readonly urgent?: (item: Item) => boolean;
  /** How long items are gathered into one write; default 16. */
  readonly batchMs?: number;
  /** Largest batch; default 64 KiB. */
  readonly batchBytes?: number;
  /** How many bytes of past batches are kept for readers that come late; older ones are encoded again; default 1 MiB. */
  readonly keptBytes?: number;
}

interface Batch {
  readonly start: number;
  readonly end: number;
  readonly size: number;
  buffer: Buffer | undefined;
}

interface Place<Item> {
  readonly reader: ChannelReader<Item>;
  nextBatch: number;
  found: boolean;
  behind: boolean;
}

/**
 * Encodes a feed once for all of its readers: one unchanging buffer for each batch, handed to everybody by reference.
 * A reader that is behind holds nothing but its place, so queues are bounded however slow it is.
 */
export class EventChannel<Item> {
  readonly #options: Required<EventChannelOptions<Item>>;
  readonly #batches: Batch[] = [];
  readonly #places = new Map<ChannelReader<Item>, Place<Item>>();
  #sealed = 0;
  #keptFrom = 0;
  #kept = 0;
  #timer: NodeJS.Timeout | undefined;
  #lastFlush = 0;
  #stop: (() => void) | undefined;

  constructor(options: EventChannelOptions<Item>) {
    this.#options = { urgent: () => false, batchMs: 16, batchBytes: 65_536, keptBytes: 1_048_576, ...options };
  }

  get readers(): number {
    return this.#places.size;
  }

  attach(reader: ChannelReader<Item>): void {
    this.#stop ??= this.#options.feed.onChange(() => this.#changed());
    this.#places.set(reader, { reader, nextBatch: 0, found: false, behind: false });
    this.#seal();
    this.pump(reader);
  }

  detach(reader: ChannelReader<Item>): void {
    this.#places.delete(reader);
    if (this.#places.size > 0) return;
    this.#stop?.();
    this.#stop = undefined;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const batch of this.#batches) batch.buffer = undefined;
    this.#keptFrom = this.#batches.length;
    this.#kept = 0;
  }

  /** Goes on with a reader that was behind. */
  pump(reader: ChannelReader<Item>): void {
    const place = this.#places.get(reader);
    if (place === undefined) return;
    place.behind = false;
    this.#advance(place);
  }

  #advance(place: Place<Item>): void {
    while (place.nextBatch < this.#batches.length) {
      const bytes = this.#bytesFor(place, this.#batches[place.nextBatch++]!);
      if (bytes === undefined) continue;
      if (!place.reader.write(bytes)) {
        place.behind = true;
        return;
      }
    }
    const { feed } = this.#options;
    if (!feed.ended || this.#sealed < feed.items.length) return;
    this.detach(place.reader);
    place.reader.end();
  }

  #bytesFor(place: Place<Item>, batch: Batch): Buffer | undefined {
    let start = batch.start;
    if (!place.found) {
      const { items } = this.#options.feed;
      while (start < batch.end && !place.reader.lacks(items[start]!)) start++;
      if (start === batch.end) return undefined;
      place.found = true;
    }
    if (start === batch.start && batch.buffer !== undefined) return batch.buffer;
    return Buffer.from(this.#encode(start, batch.end));
  }

  #encode(start: number, end: number): string {
    const { feed, encode } = this.#options;
    let text = '';
    for (let index = start; index < end; index++) text += encode(feed.items[index]!);
    return text;
  }

  #changed(): void {
    const { feed, urgent, batchMs } = this.#options;
    const last = feed.items.at(-1);
    if (feed.ended || (last !== undefined && urgent(last))) {
      this.#flush();
      return;
    }
    if (this.#timer !== undefined) return;
    const waitMs = Math.max(0, this.#lastFlush + batchMs - performance.now());
    this.#timer = setTimeout(() => this.#flush(), waitMs).unref();
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#lastFlush = performance.now();
    this.#seal();
    for (const place of this.#places.values()) if (!place.behind) this.#advance(place);
  }

  /** Turns what is new into batches. */
  #seal(): void {
    const { feed, encode, batchBytes, keptBytes } = this.#options;
    let start = this.#sealed;
    let text = '';
    const close = (end: number) => {
      if (end === start) return;
      const buffer = Buffer.from(text);
      this.#batches.push({ start, end, size: buffer.length, buffer });
      this.#kept += buffer.length;
      start = end;
      text = '';
    };
    for (let index = start; index < feed.items.length; index++) {
      text += encode(feed.items[index]!);
      if (text.length >= batchBytes) close(index + 1);
    }
    close(feed.items.length);
    this.#sealed = feed.items.length;
    while (this.#kept > keptBytes && this.#keptFrom < this.#batches.length - 1) {
      const batch = this.#batches[this.#keptFrom++]!;
      if (batch.buffer !== undefined) this.#kept -= batch.size;
      batch.buffer = undefined;
    }
  }
}
