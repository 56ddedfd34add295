import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import { openSse, type SseStream } from '../../helpers/sse-client.ts';
import { startTestHub, type TestHub } from '../../helpers/test-hub.ts';

describe('the queue', () => {
  let hub: TestHub;
  let open: SseStream[] = [];
  afterEach(async () => {
    for (const stream of open) stream.close();
    open = [];
    await hub.close();
  });
  const launch = async (spec = 'gh/owner/name/HEAD') => {
    const response = await fetch(`${hub.address}/api/launches`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ spec }),
    });
    const created = (await response.json()) as { id: string; token: string };
    const authorization = `Bearer ${created.token}`;
    const url = `${hub.address}/api/launches/${created.id}`;
    const stream = await openSse(`${url}/events`, { authorization });
    open.push(stream);
    return { ...created, stream, stop: () => fetch(url, { method: 'DELETE', headers: { authorization } }) };
  };
  const isEnd = ({ data }: { data: Record<string, unknown> }) =>
    data['phase'] === 'ready' || data['phase'] === 'failed';

  it('lets exactly ten of fifty in, tells the others their places, and removes their reservations when time is up', async () => {
    hub = await startTestHub({ settings: { quota: { total: 10, perRepo: 0, queueTimeoutMs: 1_500 } } });
    const launches = await Promise.all(Array.from({ length: 50 }, () => launch()));
    const ends = await Promise.all(launches.map(({ stream }) => stream.until(isEnd, 20_000)));
    assert.equal(ends.filter(({ data }) => data['phase'] === 'ready').length, 10);
    const refused = ends.filter(({ data }) => data['phase'] === 'failed');
    assert.equal(refused.length, 40);
    assert.ok(refused.every(({ data }) => data['code'] === 'capacity' && Number(data['retryAfterMs']) > 0));
    const records = [...hub.spawner.records.values()];
    assert.equal(records.filter(({ state }) => state === 'ready').length, 10);
    assert.ok(records.every(({ state }) => state === 'ready' || state === 'failed'));
    const places = launches.flatMap(({ stream }) =>
      stream.messages.filter(({ data }) => data['position'] !== undefined).map(({ data }) => Number(data['position'])),
    );
    assert.equal(Math.max(...places), 40);
    assert.equal(Math.min(...places), 1);
  });

  it('lets the next in when a place becomes free, in the order in which they came', async () => {
    hub = await startTestHub({ settings: { quota: { total: 1, perRepo: 0 } } });
    const first = await launch();
    await first.stream.until(isEnd);
    const second = await launch();
    await second.stream.until(({ data }) => data['position'] === 1);
    const third = await launch();
    await third.stream.until(({ data }) => data['position'] === 2);
    assert.ok(
      second.stream.messages.every(({ data }) => data['phase'] === 'waiting'),
      'nothing out of order meanwhile',
    );
    await first.stop();
    await second.stream.until(({ data }) => data['phase'] === 'ready');
    await third.stream.until(({ data }) => data['position'] === 1);
    await second.stop();
    await third.stream.until(({ data }) => data['phase'] === 'ready');
    assert.deepEqual(
      third.stream.messages.map(({ data }) => data['phase']).filter((phase, index, all) => phase !== all[index - 1]),
      ['waiting', 'fetching', 'built', 'launching', 'ready'],
    );
  });

  it('limits one repository, whatever the ref, without holding others back', async () => {
    hub = await startTestHub({ settings: { quota: { total: 5, perRepo: 1, queueTimeoutMs: 300 } } });
    const one = await launch('gh/owner/name/a');
    await one.stream.until(isEnd);
    const two = await launch('gh/owner/name/b');
    const other = await launch('gh/owner/other/HEAD');
    assert.equal((await other.stream.until(isEnd)).data['phase'], 'ready');
    assert.equal((await two.stream.until(isEnd)).data['code'], 'quota');
  });

  it('lets nobody in when the quota is nothing', async () => {
    hub = await startTestHub({ settings: { quota: { total: 0 } } });
    const { data } = await (await launch()).stream.until(isEnd);
    assert.equal(data['code'], 'capacity');
  });

  it('lets go of a place in the queue that is cancelled', async () => {
    hub = await startTestHub({ settings: { quota: { total: 1, perRepo: 0 } } });
    const first = await launch();
    await first.stream.until(isEnd);
    const second = await launch();
    await second.stream.until(({ data }) => data['position'] === 1);
    await second.stop();
    assert.equal((await second.stream.until(isEnd)).data['code'], 'cancelled');
    assert.equal(hub.spawner.records.size, 1);
  });

  it('keeps the order of the queue over a restart', async () => {
    hub = await startTestHub({ settings: { quota: { total: 1, perRepo: 0 } } });
    const first = await launch();
    await first.stream.until(isEnd);
    const second = await launch();
    await second.stream.until(({ data }) => data['position'] === 1);
    await hub.restart();
    // The client’s pool of connections has to notice that they are gone.
    await new Promise((resolve) => setTimeout(resolve, 100));
    const third = await launch();
    await third.stream.until(({ data }) => data['position'] === 2);
    const again = await openSse(`${hub.address}/api/launches/${second.id}/events`, {
      authorization: `Bearer ${second.token}`,
      'last-event-id': second.stream.lastId()!,
    });
    open.push(again);
    await again.until(({ data }) => data['position'] === 1);
    await first.stop();
    await again.until(({ data }) => data['phase'] === 'ready');
    assert.equal(third.stream.messages.at(-1)!.data['phase'], 'waiting');
  });
});
