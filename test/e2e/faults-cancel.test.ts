import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { LiveleafError } from '../../sdk/index.ts';
import { LAUNCH_STEPS } from '../helpers/e2e-launch-steps.ts';
import { assertNothingLeft } from '../helpers/e2e-traces.ts';
import { startWorld, type E2eWorld } from '../helpers/e2e-world.ts';

describe('a launch that is cancelled', { timeout: 300_000 }, () => {
  let world: E2eWorld;
  before(async () => {
    world = await startWorld({ config: { quota: { total: 2 } } });
  });
  after(() => world.end());

  for (const [at, step] of LAUNCH_STEPS.entries())
    it(`while ${step.name}: it says so once, and leaves nothing`, { timeout: 60_000 }, async () => {
      const { hub, builds } = world;
      const { spec, paced, reached, release } = await step.prepare(world, `cancelled-${at}`);
      const { launch, watcher } = world.launch(spec);
      await reached(watcher);
      await launch.cancel();
      const events = await watcher.done;
      const last = events.at(-1);
      // A server that was about to answer may do so first; the session is then what the cancel ends.
      const cameFirst = step.hasServer === true && last?.phase === 'ready';
      if (step.isOver === true || cameFirst) assert.equal(last?.phase, 'ready');
      else {
        assert.equal(last?.phase === 'failed' && last.code, 'cancelled');
        await assert.rejects(launch.server, (error) => LiveleafError.isInstance(error) && error.code === 'cancelled');
      }
      await release();
      await world.stopAll();
      await assertNothingLeft(hub.stateDir, hub.pid);
      assert.deepEqual(await readdir(join(hub.stateDir, 'sessions')), []);
      assert.deepEqual(await readdir(join(hub.stateDir, 'launches')), []);

      // The same can be launched again, and a build that was cancelled begins anew.
      const before = await builds.runs(paced);
      await builds.go(paced);
      const again = world.launch(spec, { kernel: 'none' });
      await again.launch.server;
      const isBuilt = (await again.watcher.done).some((event) => event.phase === 'built' && event.cached);
      assert.equal((await builds.runs(paced)) - before, isBuilt ? 0 : 1);
      await world.stopAll();
    });
});
