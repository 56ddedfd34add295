import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, readFile, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { createInterface } from 'node:readline';
import { isAlive, type ProcessIdentity } from '../../../server/processes/process-identity.ts';
import { newName, processesOf, runCode, seed, sessionWorld, until, type SessionWorld } from './session-world.ts';

const HUB = join(import.meta.dirname, 'hub-process.ts');

/** Starts a hub that launches, and kills it `laterMs` after it has reached a step. */
const killHubAt = async (world: SessionWorld, launchId: string, step: string, laterMs: number, isolation = 'auto') => {
  const hub = spawn(process.execPath, ['--import', 'tsx', HUB, world.folder, launchId, isolation], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(hub, 'exit');
  for await (const line of createInterface({ input: hub.stdout })) if (line === step) break;
  await new Promise((resolve) => setTimeout(resolve, laterMs));
  hub.kill('SIGKILL');
  await ended;
};

const monitors = async (world: SessionWorld) => {
  const found: number[] = [];
  for (const pid of await processesOf(world.folder)) {
    const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    if (command.includes('serve.py')) found.push(pid);
  }
  return found;
};

describe('a hub that is killed', { timeout: 180_000 }, () => {
  let world: SessionWorld;
  beforeEach(async () => {
    world = await sessionWorld();
  });
  afterEach(() => world.end());

  const places = [
    ['reserved', 0, 'auto'],
    ['server', 0, 'auto'],
    ['server', 25, 'auto'],
    ['server', 60, 'none'],
    ['content', 0, 'auto'],
    ['kernel', 0, 'auto'],
    ['ready', 0, 'none'],
  ] as const;
  for (const [step, laterMs, isolation] of places)
    it(`loses nothing at '${step}' + ${laterMs} ms (isolation ${isolation}): the next one goes on with one server`, async () => {
      const launchId = `launch-${step}-${laterMs}`;
      await killHubAt(world, launchId, step, laterMs, isolation);
      const spawner = await world.spawner({ isolation });
      const record = await spawner.findByLaunch(launchId);
      assert.ok(record);
      assert.equal((await spawner.reserve(seed({ launchId }))).name, record.name);
      assert.equal((await spawner.list()).length, 1);
      const ready = await spawner.start(record.name, world.launchable(), () => undefined, new AbortController().signal);
      assert.equal(ready.state, 'ready');
      const upstream = spawner.upstream(record.name);
      assert.ok(upstream && ready.kernelSession);
      assert.equal(
        await runCode(record.name, upstream, ready.kernelSession.id, 'print(open("hello.txt").read())'),
        'hello',
      );
      assert.equal((await monitors(world)).length, 1);
      await spawner.stop(record.name);
      assert.deepEqual(await processesOf(world.folder), []);
    });

  it('leaves what is warm to the next one', async () => {
    const first = await world.spawner({ warmServers: 1 });
    const warm = async () => {
      const names = await readdir(world.options.state.sessions);
      const files = await Promise.all(
        names.map((name) => readdir(world.options.state.session(name)).catch(() => [] as string[])),
      );
      return names.filter((_, index) => files[index]?.includes('warm.json'));
    };
    await until(async () => (await warm()).length === 1, 30_000);
    const [name] = await warm();
    // A second hub over the same folder stands for one that was started again: it finds the same server.
    const second = await world.spawner({ warmServers: 1 });
    const record = await second.reserve(seed());
    assert.deepEqual([record.name, record.warm], [name, 'server']);
    const other = await first.reserve(seed());
    assert.notEqual(other.name, name);
  });

  it('whose session died meanwhile tells so to whoever asks, then forgets it', async () => {
    const launchId = 'died-meanwhile';
    await killHubAt(world, launchId, 'ready', 0);
    const [name] = await readdir(world.options.state.sessions);
    const file = join(world.options.state.session(name ?? ''), 'process.json');
    const identity = JSON.parse(await readFile(file, 'utf8')) as ProcessIdentity;
    process.kill(identity.pid, 'SIGKILL');
    await until(async () => !(await isAlive(identity)));
    const spawner = await world.spawner({ keepFailedMs: 300, sweepMs: 50 });
    const record = await spawner.findByLaunch(launchId);
    assert.equal(record?.error?.code, 'session_lost');
    assert.equal(spawner.upstream(record.name), undefined);
    await until(async () => (await spawner.findByLaunch(launchId)) === undefined);
    assert.deepEqual(await readdir(world.options.state.sessions), []);
  });

  it('leaves folders without a record, which are swept with their processes and links', async () => {
    const { state } = world.options;
    const forgotten = newName();
    await mkdir(state.session(forgotten), { recursive: true });
    await writeFile(join(state.session(forgotten), 'record.json.123'), '{');
    await utimes(state.session(forgotten), 1, 1);
    const recent = newName();
    await mkdir(state.session(recent));
    await world.spawner({ sweepMs: 50 });
    await until(async () => !(await readdir(state.sessions)).includes(forgotten));
    assert.deepEqual(await readdir(state.sessions), [recent]);
  });
});

describe('two hubs over one folder', { timeout: 60_000 }, () => {
  it('make one session of one launch', async () => {
    const world = await sessionWorld();
    try {
      const hubs = [await world.spawner(), await world.spawner(), await world.spawner()];
      for (let round = 0; round < 20; round++) {
        const launch = seed({ launchId: `round-${round}` });
        await Promise.allSettled(hubs.flatMap((hub) => [hub.reserve(launch), hub.reserve(launch)]));
        const records = (await hubs[0]?.list())?.filter((record) => record.launchId === launch.launchId);
        assert.equal(records?.length, 1);
        const found = await Promise.all(hubs.map((hub) => hub.findByLaunch(launch.launchId)));
        assert.deepEqual(new Set(found.map((record) => record?.name)), new Set([records?.[0]?.name]));
      }
    } finally {
      await world.end();
    }
  });
});
