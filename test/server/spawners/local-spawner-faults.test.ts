import assert from 'node:assert/strict';
import { cp, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { HubError } from '../../../server/errors.ts';
import type { LocalSpawner } from '../../../server/spawners/local-spawner.ts';
import type { SessionError } from '../../../server/spawners/spawner.ts';
import {
  filesContent,
  launch,
  processesOf,
  SCRIPTS,
  seed,
  sessionWorld,
  until,
  type SessionWorld,
} from './session-world.ts';

const HUB = join(import.meta.dirname, 'hub-process.ts');
const run = promisify(execFile);

describe('faults of a session', { timeout: 120_000 }, () => {
  let world: SessionWorld;
  beforeEach(async () => {
    world = await sessionWorld();
  });
  afterEach(async () => {
    await world.end();
    assert.deepEqual(await processesOf(world.folder), []);
  });

  /** A spawner whose servers run another program in place of Jupyter. */
  const withServer = async (program: string, change = {}): Promise<LocalSpawner> => {
    const scripts = join(world.folder, 'scripts');
    await mkdir(scripts, { recursive: true });
    for (const file of ['monitor.py', 'isolation.py']) await cp(join(SCRIPTS, file), join(scripts, file));
    await writeFile(join(scripts, 'serve.py'), program);
    return world.spawner({ scripts, ...change });
  };

  const failure = async (spawner: LocalSpawner, launchable = world.launchable()): Promise<HubError> => {
    const { name } = await spawner.reserve(seed());
    const error: unknown = await spawner
      .start(name, launchable, () => undefined, new AbortController().signal)
      .then(
        () => undefined,
        (reason: unknown) => reason,
      );
    assert.ok(error instanceof HubError, String(error));
    return error;
  };

  it('a server that ends at once is session_crashed, with what it said', async () => {
    const spawner = await withServer('import sys\nsys.exit("no module named jupyter today")');
    const error = await failure(spawner);
    assert.equal(error.code, 'session_crashed');
    assert.deepEqual(error.logTail, ['no module named jupyter today']);
  });

  it('an interpreter that is gone is session_crashed', async () => {
    const spawner = await world.spawner({ python: '/nonexistent/bin/python' });
    assert.equal((await failure(spawner)).code, 'session_crashed');
  });

  it('a server that never listens is spawn_timeout, and its processes end', async () => {
    const spawner = await withServer('import time\ntime.sleep(600)', { startTimeoutMs: 700 });
    assert.equal((await failure(spawner)).code, 'spawn_timeout');
    assert.deepEqual(await processesOf(world.folder), []);
  });

  it('a server that listens but never answers is unhealthy', async () => {
    const program = `
import json, socket, sys, time
settings = json.load(open(sys.argv[1]))
listening = socket.socket(socket.AF_UNIX)
listening.bind(settings["listen"]["socket"])
listening.listen()
time.sleep(600)
`;
    const spawner = await withServer(program, { answerMs: 200 });
    assert.equal((await failure(spawner)).code, 'unhealthy');
  });

  it('a log that floods is kept within bounds, newest lines last', async () => {
    const program = 'import sys\nfor n in range(400000): print("line", n)\nsys.exit(1)';
    const spawner = await withServer(program);
    const error = await failure(spawner);
    assert.equal(error.logTail?.at(-1), 'line 399999');
    const [name] = await readdir(world.options.state.sessions);
    assert.ok((await readFile(join(world.options.state.session(name ?? ''), 'server.log'))).length <= 2 ** 20);
  });

  it('content that breaks off fails with its own error; too much of it is clone_limit', async () => {
    const spawner = await world.spawner({ limits: { contentBytes: 1000 } });
    const broken = () =>
      Readable.from(
        (async function* () {
          yield Buffer.alloc(512);
          throw new HubError('host_down', 'The repository’s host went away.');
        })(),
      );
    const content = { ...filesContent({}), archive: broken };
    assert.equal((await failure(spawner, { ...world.launchable(), content })).code, 'host_down');
    assert.equal((await failure(spawner, world.launchable({ big: 'x'.repeat(2000) }))).code, 'clone_limit');
  });

  it('a full disk is disk_full, and the hub goes on', async () => {
    const cover = `mount -t tmpfs -o size=3m none '${world.options.state.sessions}'`;
    const hub = [process.execPath, '--import', 'tsx', HUB, world.folder, 'full', 'auto', String(8 * 2 ** 20)];
    await mkdir(world.options.state.sessions);
    const command = ['-U', '-r', '-m', 'sh', '-c', `${cover} && exec "$@"`, 'sh', ...hub];
    const { stdout, stderr } = await run('unshare', command, { timeout: 60_000 }).catch(
      (error: { stdout: string; stderr: string }) => error,
    );
    // Where no small disk can be made for it, the hub must at least have said that it has no namespaces.
    if (/unshare|mount/.test(stderr)) {
      assert.match((await (await world.spawner()).describe())[0] ?? '', /not isolated/);
      return;
    }
    assert.match(stdout, /failed disk_full\n$/);
  });

  it('a cancelled start leaves nothing, whenever it is cancelled', async () => {
    const spawner = await world.spawner();
    let wholeMs = 0;
    // The first start also compiles; the second is as long as those that follow.
    for (let start = 0; start < 2; start += 1) {
      const startedAt = performance.now();
      await launch(spawner, world.launchable()).then(({ name }) => spawner.stop(name));
      wholeMs = performance.now() - startedAt;
    }
    for (const part of [0, 0.02, 0.2, 0.5]) {
      const cancel = new AbortController();
      const { name } = await spawner.reserve(seed());
      const started = spawner.start(name, world.launchable(), () => undefined, cancel.signal);
      setTimeout(() => cancel.abort(), part * wholeMs);
      await assert.rejects(started, { code: 'cancelled' });
      assert.deepEqual(await readdir(world.options.state.sessions), []);
      assert.deepEqual(await readdir(world.options.state.launches), []);
      assert.deepEqual(await readdir(world.options.sockets), []);
      assert.deepEqual(await processesOf(world.folder), []);
    }
  });

  it('a session that is stopped while it starts leaves nothing either', async () => {
    const spawner = await world.spawner();
    const { name } = await spawner.reserve(seed());
    const started = spawner.start(name, world.launchable(), () => undefined, new AbortController().signal);
    const refused = assert.rejects(started, { code: 'cancelled' });
    await new Promise((resolve) => setTimeout(resolve, 200));
    await spawner.stop(name);
    await refused;
    assert.deepEqual(await readdir(world.options.state.sessions), []);
    assert.deepEqual(await processesOf(world.folder), []);
  });

  it('two starts at once are one, and both see the steps', async () => {
    const spawner = await world.spawner();
    const { name } = await spawner.reserve(seed());
    const steps: string[][] = [[], []];
    const { signal } = new AbortController();
    const records = await Promise.all(
      steps.map((seen) => spawner.start(name, world.launchable(), (step) => seen.push(step), signal)),
    );
    assert.deepEqual(records[0], records[1]);
    assert.deepEqual(steps[0], ['server', 'content', 'kernel']);
    assert.deepEqual(steps[1], steps[0]);
  });

  for (const isolation of ['auto', 'none'] as const)
    it(`a server that is killed is told within seconds, and its tree ends (isolation ${isolation})`, async () => {
      const spawner = await world.spawner({ isolation });
      const session = await launch(spawner, world.launchable());
      const lost: [string, SessionError][] = [];
      spawner.onLost((name, error) => lost.push([name, error]));
      await session.run('import os, signal; os.kill(os.getppid(), signal.SIGKILL)').catch(() => undefined);
      await until(() => lost.length === 1, 3_000);
      assert.equal(lost[0]?.[0], session.name);
      assert.equal(lost[0]?.[1].code, 'session_lost');
      assert.match(lost[0]?.[1].message ?? '', /signal 9|exit code/);
      const record = await spawner.get(session.name);
      assert.deepEqual([record?.state, record?.error?.code], ['failed', 'session_lost']);
      assert.equal(spawner.upstream(session.name), undefined);
      await until(async () => (await processesOf(world.folder)).length === 0, 3_000);
      assert.deepEqual(await readdir(world.options.state.session(session.name)), ['record.json']);
    });

  it('without namespaces a stopped session’s runaways end as well, even when its first process was killed', async () => {
    const spawner = await world.spawner({ isolation: 'none' });
    assert.match((await spawner.describe())[0] ?? '', /not isolated/);
    for (const killFirst of [false, true]) {
      const session = await launch(spawner, world.launchable());
      await session.run('import subprocess; subprocess.Popen(["setsid", "-f", "sleep", "600"])');
      if (killFirst) {
        const file = join(world.options.state.session(session.name), 'process.json');
        process.kill((JSON.parse(await readFile(file, 'utf8')) as { pid: number }).pid, 'SIGKILL');
      }
      await spawner.stop(session.name);
      assert.deepEqual(await processesOf(world.folder), []);
    }
  });

  it('a failed launch keeps its record and nothing else, until its time is over', async () => {
    const spawner = await world.spawner({ keepFailedMs: 400, sweepMs: 50 });
    const { name, launchId } = await spawner.reserve(seed());
    await spawner.fail(name, { code: 'build_failed', message: 'It does not build.' });
    assert.equal((await spawner.findByLaunch(launchId))?.error?.code, 'build_failed');
    await assert.rejects(
      spawner.start(name, world.launchable(), () => undefined, new AbortController().signal),
      { code: 'build_failed' },
    );
    await until(async () => (await spawner.list()).length === 0);
    assert.equal(await spawner.findByLaunch(launchId), undefined);
  });

  it('names that are none reach no path', async () => {
    const spawner = await world.spawner();
    for (const name of ['..', '../../x', '', 'A', 'x/y', '.']) {
      assert.equal(await spawner.get(name), undefined);
      await spawner.stop(name);
    }
    assert.equal(await readFile(world.options.state.keys, 'utf8'), 'the keys of the hub');
    await assert.rejects(spawner.reserve(seed({ launchId: '../../escape' })));
  });
});
