import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import fc from 'fast-check';
import { processesOf } from '../helpers/e2e-traces.ts';
import { assertWhole } from '../helpers/e2e-watcher.ts';
import { startWorld, type E2eWorld } from '../helpers/e2e-world.ts';

const ROUNDS = 2;
const WARM = { servers: 2, sessions: 1 };

describe('a hub with warm servers that is killed at any moment', { timeout: 600_000 }, () => {
  let world: E2eWorld;
  before(async () => {
    world = await startWorld({
      config: { pool: WARM },
    });
  });
  after(() => world.end());

  /** Sessions that are more than files: what a kill left of a folder that was being removed is swept a minute later. */
  const sessions = async (): Promise<string[]> => {
    const root = join(world.hub.stateDir, 'sessions');
    const names = await readdir(root);
    const contents = await Promise.all(names.map((name) => readdir(join(root, name)).catch((): string[] => [])));
    return names.filter((_, at) => ['record.json', 'process.json'].some((file) => contents[at]?.includes(file)));
  };

  /** Waits until the pool is at most as full as it may be and nothing runs beside it. */
  const settled = async (): Promise<void> => {
    const deadline = Date.now() + 20_000;
    for (;;) {
      const names = await sessions();
      const servers = await world.servers();
      const commands = (await processesOf(world.hub.stateDir, [world.hub.pid])).map(({ command }) => command);
      const strays = commands.filter((command) => !names.some((name) => command.includes(name.slice(0, 13))));
      const isWithin = names.length <= WARM.servers + WARM.sessions;
      if (isWithin && servers.length === names.length && strays.length === 0) return;
      if (Date.now() > deadline) assert.fail(JSON.stringify({ names, servers, strays }));
      await delay(100);
    }
  };

  const moments = fc.sample(fc.array(fc.integer({ min: 0, max: 2_500 }), { minLength: 1, maxLength: 3 }), ROUNDS);
  for (const [round, kills] of moments.entries())
    it(
      `after ${kills.join(', ')} ms: one build, one server, every line, the output, and no stray`,
      { timeout: 90_000 },
      async () => {
        const { hub, builds } = world;
        const { spec, paced } = await world.pacedRepo(`any-${round}`, { lines: 20 });
        const { launch, watcher } = world.launch(spec);
        // A hub that never answered is given up after seconds, as its address may be wrong.
        await watcher.until(() => true, 20_000);
        for (const afterMs of kills) {
          await delay(afterMs);
          await hub.kill();
          await hub.start();
        }
        const server = await launch.server;
        assertWhole(await watcher.done);
        assert.ok((await builds.runs(paced)) === 1, 'one build');
        assert.equal((await world.records()).length, 1);
        assert.equal(await world.output(server, 'print(6 * 7)'), '42');
        await launch.cancel();
        await settled();
        assert.deepEqual(await world.records(), []);
      },
    );
});
