import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import fc from 'fast-check';
import { BINDERHUB } from '../../sdk/contract/index.ts';
import { assertWhole, isLine, isPhase, logOf, says, watchBuild, type Watcher } from '../helpers/e2e-watcher.ts';
import { startWorld, type E2eWorld } from '../helpers/e2e-world.ts';
import { startFaultProxy, type FaultProxy } from '../helpers/fault-proxy.ts';
import { openSse } from '../helpers/sse-client.ts';

const LINES = 40;

describe('a stream that is cut', { timeout: 240_000 }, () => {
  let world: E2eWorld;
  let faults: FaultProxy;
  const target = { host: '127.0.0.1', port: 0 };
  before(async () => {
    faults = await startFaultProxy(target);
    world = await startWorld({ config: { publicUrl: `http://127.0.0.1:${faults.port}/` } });
    target.port = Number(new URL(world.hub.address).port);
  });
  after(async () => {
    await faults.close();
    await world.end();
  });
  afterEach(async () => {
    faults.resetAfterBytes(undefined);
    faults.accept();
    faults.resume();
    await world.stopAll();
  });

  const through = () => `http://127.0.0.1:${faults.port}`;

  const assertBuild = ({ events }: Watcher): void => {
    assertWhole(events);
    assert.equal(events.at(-1)?.phase, 'ready', JSON.stringify(events.at(-1)));
    assert.deepEqual(
      logOf(events, 'building').filter((line) => line.startsWith('step ')),
      Array.from({ length: LINES }, (_, line) => `step ${line + 1}`),
    );
  };

  it(
    'at random bytes, again and again: pages and scripts see every line once, and one launch each is made',
    { timeout: 120_000 },
    async () => {
      const { spec, paced } = await world.pacedRepo('cut', { lines: LINES, pauseS: 0.08 });
      const cuts = fc.sample(fc.integer({ min: 1, max: 3_000 }), 500);
      const stop = new AbortController();
      // A script that is cut before its first id has nothing to resume by, and begins anew: it gets that far first.
      const raw = watchBuild(through() + BINDERHUB.build(spec), stop.signal);
      await raw.watcher.until(() => true, 10_000);
      faults.reset();
      // Every connection gets another number of bytes, from 1 on: cuts fall into heads, ids, data and between events.
      let isCutting = true;
      const cutting = (async () => {
        for (let at = 0; isCutting; at += 1) {
          faults.resetAfterBytes(cuts[at % cuts.length]);
          await delay(15);
        }
        faults.resetAfterBytes(undefined);
      })();
      const { launch, watcher } = world.launch(spec, { hub: through() });
      try {
        await Promise.all([watcher.until(isPhase('built'), 60_000), raw.watcher.until(isPhase('built'), 60_000)]);
      } finally {
        isCutting = false;
        await cutting;
      }
      const server = await launch.server;
      await Promise.all([watcher.done, raw.watcher.done]);
      stop.abort();
      assert.ok(faults.accepted > 8, `only ${faults.accepted} connections`);
      for (const each of [watcher, raw.watcher]) assertBuild(each);
      assert.equal(await world.builds.runs(paced), 1);
      assert.equal((await world.records()).length, 2);
      assert.equal(await world.output(server, 'print(6 * 7)'), '42');
      await world.cancelToken(raw.token());
    },
  );

  for (const fault of ['reset', 'cut', 'stall'] as const)
    it(
      `by a network that ${fault === 'stall' ? 'goes silent and then resets' : `does ${fault}`} in the middle of a build: the page says so and goes on`,
      { timeout: 60_000 },
      async () => {
        const { spec } = await world.pacedRepo(`network-${fault}`, { lines: LINES, pauseS: 0.05 });
        const { launch, watcher } = world.launch(spec, { hub: through(), kernel: 'none' });
        const states: string[] = [];
        launch.onConnection((state) => states.push(state));
        await watcher.until(says('step 5'));
        if (fault === 'stall') {
          faults.stall();
          await delay(500);
          faults.refuse();
          faults.reset();
          await delay(300);
          faults.resume();
        } else {
          faults.refuse();
          faults[fault]();
          await delay(300);
        }
        faults.accept();
        await launch.server;
        await watcher.done;
        assertBuild(watcher);
        assert.ok(states.includes('reconnecting'), JSON.stringify(states));
        assert.equal(states.at(-1), 'open');
      },
    );

  it(
    'a page that comes with an id of a line gets the next one, and after the end nothing more',
    { timeout: 60_000 },
    async () => {
      const { spec } = await world.pacedRepo('resumed', { lines: LINES, pauseS: 0.01 });
      const url = world.hub.address.replace(/\/$/, '') + BINDERHUB.build(spec);
      const first = await openSse(url);
      const at = await first.until(({ data }) => data['phase'] === 'building' && Number(data['line']) >= 9, 30_000);
      first.close();
      const second = await openSse(url, { 'last-event-id': String(at.id) });
      const ready = await second.until(({ data }) => data['phase'] === 'ready', 30_000);
      second.close();
      const lines = second.messages
        .filter(({ data }) => data['phase'] === 'building')
        .map(({ data }) => Number(data['line']));
      assert.equal(lines[0], Number(at.data['line']) + 1);
      assert.deepEqual(
        lines,
        Array.from(lines, (_, index) => lines[0]! + index),
      );
      // Until its own id is presented, the end is told again.
      const third = await openSse(url, { 'last-event-id': String(second.messages.at(-2)?.id) });
      await third.until(({ data }) => data['phase'] === 'ready' && data['url'] === ready.data['url']);
      third.close();
      const fourth = await openSse(url, { 'last-event-id': String(ready.id) });
      assert.equal(fourth.status, 204);
      assert.equal((await world.records()).length, 1);
      await world.cancelToken(/^[^.]+/.exec(String(ready.id))?.[0]);
    },
  );

  it('ids that no hub wrote begin a launch of their own and disturb nobody’s', { timeout: 60_000 }, async () => {
    const { spec } = await world.pacedRepo('forged', { lines: 5 });
    const url = world.hub.address.replace(/\/$/, '') + BINDERHUB.build(spec);
    const mine = world.launch(spec, { kernel: 'none' });
    await mine.watcher.until(isLine('building', 1));
    for (const id of [
      'x',
      'a.b.c',
      `${'A'.repeat(22)}.9.1`,
      `${'A'.repeat(22)}.2.-1`,
      '../../x.2.1',
      'é.2.1'.normalize('NFD').replace(/[^ -~]/g, ''),
    ]) {
      const stream = await openSse(url, { 'last-event-id': id });
      const first = await stream.until(() => true);
      assert.equal(first.data['phase'], 'waiting', id);
      const token = /^[^.]+/.exec(String(stream.lastId()))?.[0];
      assert.notEqual(token, id.split('.')[0]);
      stream.close();
      await world.cancelToken(token);
    }
    await mine.launch.server;
    assertWhole(await mine.watcher.done);
  });
});
