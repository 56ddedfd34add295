import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { API, type FailedEvent, type LaunchCreated, type Problem } from '../../sdk/contract/index.ts';
import { assertWhole, isPhase } from '../helpers/e2e-watcher.ts';
import { startWorld, type E2eWorld } from '../helpers/e2e-world.ts';
import { openSse, type SseMessage } from '../helpers/sse-client.ts';
import type { ReceivedEvent } from '../../sdk/index.ts';

const CROWD = 100;
const QUOTA = { total: 4, perRepo: 3, queue: 30, queueTimeoutMs: 8_000 };

describe('a crowd', { timeout: 240_000 }, () => {
  let world: E2eWorld;
  before(async () => {
    world = await startWorld({ config: { quota: QUOTA } });
  });
  after(() => world.end());
  afterEach(() => world.stopAll());

  const isEnd = ({ data }: SseMessage): boolean => data['phase'] === 'ready' || data['phase'] === 'failed';

  /** A launch's events to its end. */
  const follow = async ({ id, token }: LaunchCreated): Promise<readonly ReceivedEvent[]> => {
    const url = world.hub.address.replace(/\/$/, '') + API.launchEvents(id);
    const stream = await openSse(url, { authorization: `Bearer ${token}` });
    await stream.until(isEnd, 60_000);
    stream.close();
    return stream.messages.map(({ data }) => data as unknown as ReceivedEvent);
  };

  it(
    'of 100 identical requests at once makes one launch, one build and one session, and all see the whole',
    { timeout: 90_000 },
    async () => {
      const { spec, paced } = await world.pacedRepo('identical', { lines: 30 });
      const answers = await Promise.all(Array.from({ length: CROWD }, () => world.post(spec, 'the same key')));
      const created = (await Promise.all(answers.map((answer) => answer.json()))) as LaunchCreated[];
      assert.deepEqual(
        answers.map(({ status }) => status).filter((status) => status !== 200),
        [201],
        'one made it, the others met it',
      );
      assert.equal(new Set(created.map(({ id }) => id)).size, 1);
      assert.equal(new Set(created.map(({ token }) => token)).size, 1);
      const seen = await Promise.all(created.map(follow));
      for (const events of seen) {
        assertWhole(events);
        assert.equal(events.at(-1)?.phase, 'ready');
      }
      assert.equal(
        new Set(seen.map((events) => JSON.stringify(events.at(-1)))).size,
        1,
        'all were given the same session',
      );
      assert.equal(await world.builds.runs(paced), 1);
      assert.equal((await world.records()).length, 1);
      assert.equal((await world.servers()).length, 1);
      assert.equal((await world.cancel(created[0]!)).status, 204);
      // Another spec under the same key is another launch.
      const another = (await (await world.post(await world.repo('plain'), 'the same key')).json()) as LaunchCreated;
      assert.notEqual(another.id, created[0]!.id);
      assert.equal((await world.cancel(another)).status, 204);
    },
  );

  it(
    'of 100 readers of one repository makes one build, lets in as many as there are places, and tells the others why',
    { timeout: 120_000 },
    async () => {
      const { spec, paced } = await world.pacedRepo('crowded', { lines: 60, pauseS: 0.05 });
      const answers = await Promise.all(Array.from({ length: CROWD }, (_, at) => world.post(spec, `key ${at}`)));
      const accepted: LaunchCreated[] = [];
      for (const answer of answers) {
        if (answer.status === 201) accepted.push((await answer.json()) as LaunchCreated);
        else {
          const problem = (await answer.json()) as Problem;
          assert.deepEqual([answer.status, problem.code, problem.retryable], [503, 'capacity', true]);
          assert.ok(Number(answer.headers.get('retry-after')) > 0);
          assert.match(problem.detail, /Too many users on this hub! Try again soon\./);
        }
      }
      assert.ok(accepted.length >= QUOTA.total + QUOTA.queue, `${accepted.length} were accepted`);
      const ends = await Promise.all(accepted.map(follow));
      for (const events of ends) assertWhole(events);
      const ready = ends.filter((events) => events.at(-1)?.phase === 'ready');
      assert.equal(ready.length, QUOTA.perRepo);
      for (const events of ends) {
        const last = events.at(-1) as FailedEvent;
        if (last.phase !== 'failed') continue;
        assert.deepEqual([last.code, last.retryable, last.retryAfterMs], ['quota', true, 30_000]);
        assert.match(last.message, /Too many users running gh\/owner\/crowded! Try again soon\./);
      }
      const positions = ends.flatMap((events) =>
        events.flatMap((event) => (event.phase === 'waiting' && event.position !== undefined ? [event.position] : [])),
      );
      assert.ok(
        positions.includes(1) && positions.every((position) => position >= 1 && position <= QUOTA.queue),
        JSON.stringify(positions),
      );
      assert.equal(await world.builds.runs(paced), 1);
      assert.equal((await world.servers()).length, QUOTA.perRepo);

      // Another repository has a place, the one after it has none until one is given back.
      const plain = await world.repo('plain');
      await world.launch(plain, { kernel: 'none' }).launch.server;
      const waiting = world.launch(plain, { kernel: 'none' });
      const first = await waiting.watcher.until((event) => event.phase === 'waiting' && event.position !== undefined);
      assert.equal(first.phase === 'waiting' && first.position, 1);
      const readyIds = accepted.filter((_, at) => ends[at]?.at(-1)?.phase === 'ready');
      assert.equal((await world.cancel(readyIds[0]!)).status, 204);
      await waiting.watcher.until(isPhase('ready'), 20_000);
      assertWhole(await waiting.watcher.done);
      for (const created of accepted) await world.cancel(created);
    },
  );

  it(
    'that finds the hub full for too long is told capacity, with when to come again',
    { timeout: 60_000 },
    async () => {
      const plain = await world.repo('plain');
      const other = await world.repo('other');
      const held = [plain, plain, other, other].map((spec) => world.launch(spec, { kernel: 'none' }));
      await Promise.all(held.map(({ launch }) => launch.server));
      const { watcher } = world.launch(plain, { kernel: 'none' });
      const last = (await watcher.done).at(-1) as FailedEvent;
      assert.deepEqual([last.phase, last.code, last.retryAfterMs], ['failed', 'capacity', 30_000]);
    },
  );
});
