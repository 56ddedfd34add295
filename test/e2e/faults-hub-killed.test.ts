import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { connectKernel, type Execution, type ReadyEvent, type Server } from '../../sdk/index.ts';
import { LAUNCH_STEPS } from '../helpers/e2e-launch-steps.ts';
import { assertWhole, logOf, type Watcher } from '../helpers/e2e-watcher.ts';
import { startWorld, type E2eWorld } from '../helpers/e2e-world.ts';

const readyOf = async (watcher: Watcher): Promise<ReadyEvent> => {
  const last = (await watcher.done).at(-1);
  assert.equal(last?.phase, 'ready', JSON.stringify(last));
  return last as ReadyEvent;
};

const serverOf = ({ url, token, session }: ReadyEvent): Server => ({
  kind: 'liveleaf',
  url,
  token,
  session,
  expiresAt: Number.POSITIVE_INFINITY,
  idleTimeoutMs: Number.POSITIVE_INFINITY,
});

const textOf = async (execution: Execution): Promise<string> => {
  let text = '';
  for await (const output of execution) if (output.type === 'stream') text += output.text;
  await execution.result;
  return text;
};

describe('a hub that is killed', { timeout: 400_000 }, () => {
  let world: E2eWorld;
  before(async () => {
    world = await startWorld({ config: { quota: { total: 2 } } });
  });
  after(() => world.end());
  afterEach(() => world.stopAll());

  for (const [at, step] of LAUNCH_STEPS.entries())
    it(
      `while ${step.name}: both watchers see every line once, one build, one server each, and the output`,
      { timeout: 60_000 },
      async () => {
        const { hub, builds } = world;
        const { spec, paced, lines, reached, release } = await step.prepare(world, `killed-${at}`);
        const { launch, watcher } = world.launch(spec);
        const raw = world.build(spec);
        // What nothing holds there would be past the step by the time that the other one comes to it.
        await Promise.all([reached(watcher), step.hasServer === true ? undefined : reached(raw)]);
        const serversBefore = step.hasServer === true ? await world.servers() : [];
        await hub.kill();
        if (step.releasedBy === 'nobody') await release();
        await hub.start();
        if (step.releasedBy === 'hub') await release();

        const server = await launch.server;
        const ready = await readyOf(raw);
        await readyOf(watcher);
        let builders = 0;
        for (const { events } of [watcher, raw]) {
          assertWhole(events);
          const steps = logOf(events, 'building').filter((line) => line.startsWith('step '));
          // Whoever comes when the other one's build is done already has nothing to watch.
          const isCached = events.some((event) => event.phase === 'built' && event.cached === true);
          assert.deepEqual(
            steps,
            Array.from({ length: isCached ? 0 : lines }, (_, line) => `step ${line + 1}`),
          );
          builders += isCached ? 0 : 1;
          assert.equal(logOf(events, 'fetching').filter((line) => line.startsWith('Resolved ')).length, 1);
          assert.equal(logOf(events, 'launching').length, 3);
        }
        assert.ok(builders > 0, 'nobody saw the build');
        assert.equal(await builds.runs(paced), 1);
        const servers = await world.servers();
        assert.equal(servers.length, 2);
        for (const pid of serversBefore) assert.ok(servers.includes(pid), 'a server that ran was given up');
        assert.notEqual(server.session, ready.session);
        const names = [server.session, ready.session].sort();
        assert.deepEqual((await world.records()).map(({ name }) => name).sort(), names);
        assert.deepEqual((await readdir(join(hub.stateDir, 'sessions'))).sort(), names);
        for (const each of [server, serverOf(ready)]) assert.equal(await world.output(each, 'print(6 * 7)'), '42');
      },
    );

  it('while a cell runs: the cell runs on, and its output arrives once and in order', { timeout: 60_000 }, async () => {
    const { hub } = world;
    const { spec } = await world.pacedRepo('killed-cell', { lines: 1 });
    const server = await world.launch(spec).launch.server;
    const kernel = await connectKernel(server);
    try {
      assert.equal(await textOf(kernel.execute('kept = 6')), '');
      const execution = kernel.execute(
        'import time\nfor n in range(60):\n    print("out", n, flush=True)\n    time.sleep(0.1)',
      );
      let text = '';
      const reading = (async () => {
        for await (const output of execution) if (output.type === 'stream') text += output.text;
      })();
      while (!text.includes('out 5\n')) await delay(20);
      await hub.kill();
      await delay(500);
      await hub.start();
      await reading;
      assert.equal((await execution.result).status, 'ok');
      assert.deepEqual(
        text.trim().split('\n'),
        Array.from({ length: 60 }, (_, n) => `out ${n}`),
      );
      assert.equal(await textOf(kernel.execute('print(kept * 7)')), '42\n');
      assert.equal((await world.servers()).length, 1);
    } finally {
      kernel.dispose();
    }
  });
});
