import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { WarmEntry } from '../../../server/spawners/local-warm-pool.ts';
import { askSession, launch, processesOf, seed, sessionWorld, until, type SessionWorld } from './session-world.ts';

describe('warm things', { timeout: 120_000 }, () => {
  let world: SessionWorld;
  beforeEach(async () => {
    world = await sessionWorld();
  });
  afterEach(() => world.end());

  const warm = async (): Promise<WarmEntry[]> => {
    const { state } = world.options;
    const files = (await readdir(state.sessions)).map((name) => join(state.session(name), 'warm.json'));
    const texts = await Promise.all(files.map((file) => readFile(file, 'utf8').catch(() => '')));
    return texts.filter((text) => text !== '').map((text) => JSON.parse(text) as WarmEntry);
  };
  const waitFor = (kind: WarmEntry['kind'], count = 1) =>
    until(async () => (await warm()).filter((entry) => entry.kind === kind).length === count, 30_000);

  it('a started server takes any environment and is replaced', async () => {
    const spawner = await world.spawner({ warmServers: 1 });
    await waitFor('server');
    const [entry] = await warm();
    assert.deepEqual(await spawner.list(), []);
    const session = await launch(spawner, world.launchable({ 'sub/x.txt': '' }), { path: 'sub/book.ipynb' });
    assert.equal(session.name, entry?.name);
    assert.equal((await spawner.get(session.name))?.warm, 'server');
    assert.match(await session.run('import os; print(os.getcwd())'), /content\/sub$/);
    assert.equal(await session.run('import sys; print(sys.prefix)'), world.environment.prefix);
    await waitFor('server');
    assert.notEqual((await warm())[0]?.name, entry?.name);
  });

  it('a dead server is replaced, and never given away', async () => {
    const spawner = await world.spawner({ warmServers: 1, sweepMs: 600_000 });
    await waitFor('server');
    const [entry] = await warm();
    const file = join(world.options.state.session(entry?.name ?? ''), 'process.json');
    process.kill((JSON.parse(await readFile(file, 'utf8')) as { pid: number }).pid, 'SIGKILL');
    await new Promise((resolve) => setTimeout(resolve, 200));
    const record = await spawner.reserve(seed());
    assert.notEqual(record.name, entry?.name);
    assert.equal(record.warm, 'none');
  });

  it('a session of an environment that was just used takes another commit, path and variables', async () => {
    const spawner = await world.spawner({ warmSessions: 1 });
    const first = await launch(spawner, world.launchable());
    await first.run('1');
    await waitFor('session');
    const second = await launch(spawner, world.launchable({ 'book/two.txt': 'two' }, { BINDER_REF_URL: 'ref-two' }), {
      path: 'book/two.ipynb',
    });
    assert.equal((await spawner.get(second.name))?.warm, 'session');
    const printed = await second.run(
      'import os; print(os.path.basename(os.getcwd()), os.listdir("."), os.environ["BINDER_REF_URL"], sorted(n for n in globals() if n[0] != "_"))',
    );
    assert.equal(printed, "book ['two.txt'] ref-two ['In', 'Out', 'exit', 'get_ipython', 'open', 'os', 'quit']");
    const restart = `api/kernels/${second.kernel}/restart`;
    assert.equal((await askSession(second.name, second.upstream, restart, { method: 'POST' })).status, 200);
    const again = await second.run('import os; print(os.path.basename(os.getcwd()), os.environ["BINDER_REF_URL"])');
    assert.equal(again, 'book ref-two');
    assert.deepEqual(
      (await spawner.list()).map(({ name }) => name),
      [first.name, second.name],
    );
    await waitFor('session');
  });

  it('a session of an older generation of its environment starts its kernel anew', async () => {
    const spawner = await world.spawner({ warmSessions: 1 });
    await launch(spawner, world.launchable());
    await waitFor('session');
    const environment = { ...world.environment, generation: '2', displayName: 'newer' };
    const second = await launch(spawner, { ...world.launchable({ a: '' }, { BINDER_REF_URL: 'two' }), environment });
    assert.equal((await spawner.get(second.name))?.warm, 'session');
    const { text } = await askSession(second.name, second.upstream, 'api/kernels');
    assert.deepEqual(
      (JSON.parse(text) as { id: string }[]).map(({ id }) => id),
      [second.kernel],
    );
    assert.equal(await second.run('import os; print(os.environ["BINDER_REF_URL"], os.listdir("."))'), "two ['a']");
  });

  it('a session is not made when memory is short, and goes when it waits too long', async () => {
    let available = 0;
    const options = { warmSessions: 1, availableBytes: async () => available, sweepMs: 100, warmSessionIdleMs: 300 };
    const spawner = await world.spawner(options);
    const first = await launch(spawner, world.launchable());
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    assert.deepEqual(await warm(), []);
    available = 2 ** 40;
    await waitFor('session');
    assert.deepEqual((await spawner.environmentsInUse()).length, 2);
    await waitFor('session', 0);
    await spawner.stop(first.name);
    await until(async () => (await processesOf(world.folder)).length === 0);
  });
});
