import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { EventChannel, type ChannelReader } from '../../../server/sse/event-channel.ts';
import { EventFeed } from '../../../server/sse/event-feed.ts';

interface Recorded extends ChannelReader<number> {
  readonly chunks: Buffer[];
  ended: boolean;
  /** Whether the next write says that the client is behind. */
  full: boolean;
}

const reader = (after = 0): Recorded => ({
  chunks: [],
  ended: false,
  full: false,
  lacks: (item) => item > after,
  write(bytes) {
    assert.equal(this.full, false, 'a reader that is behind is left alone');
    this.chunks.push(bytes);
    return !this.full;
  },
  end() {
    this.ended = true;
  },
});

const numbers = ({ chunks }: Recorded): number[] =>
  Buffer.concat(chunks)
    .toString()
    .split('\n')
    .filter((text) => text !== '')
    .map(Number);

const channelOf = (feed: EventFeed<number>, options = {}) =>
  new EventChannel<number>({ feed, encode: (item) => `${item}\n`, batchMs: 0, ...options });

const turn = () => new Promise((resolve) => setTimeout(resolve, 2));

describe('an event channel', () => {
  it('gives every reader each item after its place once, in order, however batches fall', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat({ max: 30 }), { minLength: 1, maxLength: 8 }),
        fc.array(fc.record({ joins: fc.nat({ max: 8 }), after: fc.nat({ max: 60 }) }), { minLength: 1, maxLength: 6 }),
        fc.integer({ min: 4, max: 200 }),
        fc.integer({ min: 1, max: 300 }),
        async (bursts, joins, batchBytes, keptBytes) => {
          const feed = new EventFeed<number>();
          const channel = channelOf(feed, { batchBytes, keptBytes });
          const readers = joins.map(({ after }) => reader(after));
          let next = 1;
          for (const [index, burst] of bursts.entries()) {
            joins.forEach(({ joins: at }, which) => at === index && channel.attach(readers[which]!));
            for (let count = 0; count < burst; count++) feed.append(next++);
            await new Promise((resolve) => setImmediate(resolve));
          }
          joins.forEach(({ joins: at }, which) => at >= bursts.length && channel.attach(readers[which]!));
          feed.end();
          const all = Array.from({ length: next - 1 }, (_, index) => index + 1);
          joins.forEach(({ after }, which) => {
            assert.deepEqual(
              numbers(readers[which]!),
              all.filter((item) => item > after),
            );
            assert.equal(readers[which]!.ended, true);
          });
          assert.equal(channel.readers, 0);
        },
      ),
      { numRuns: 150 },
    );
  });

  it('hands the same buffer to all readers', async () => {
    const feed = new EventFeed<number>();
    const channel = channelOf(feed);
    const readers = [reader(), reader(), reader()];
    for (const each of readers) channel.attach(each);
    for (let item = 1; item <= 100; item++) feed.append(item);
    await turn();
    assert.equal(new Set(readers.map(({ chunks }) => chunks[0])).size, 1);
    assert.equal(readers[0]!.chunks.length, 1, 'a burst is one write');
  });

  it('holds nothing for a reader that is behind, and goes on where it was', async () => {
    const feed = new EventFeed<number>();
    const channel = channelOf(feed, { batchBytes: 64, keptBytes: 128 });
    const slow = reader();
    let taken = 0;
    slow.write = (bytes) => {
      slow.chunks.push(bytes);
      taken++;
      return false;
    };
    channel.attach(slow);
    for (let item = 1; item <= 5_000; item++) feed.append(item);
    await turn();
    assert.equal(taken, 1);
    feed.end();
    while (!slow.ended) channel.pump(slow);
    assert.deepEqual(
      numbers(slow),
      Array.from({ length: 5_000 }, (_, index) => index + 1),
    );
  });

  it('lets go of the feed when its last reader leaves', async () => {
    const feed = new EventFeed<number>();
    const channel = channelOf(feed);
    const one = reader();
    channel.attach(one);
    channel.detach(one);
    feed.append(1);
    await turn();
    assert.deepEqual(one.chunks, []);
    const two = reader();
    channel.attach(two);
    assert.deepEqual(numbers(two), [1]);
  });
});
