import assert from 'node:assert/strict';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { HubError } from '../../../server/errors.ts';
import { systemClock } from '../../../server/clock.ts';
import {
  codeOf,
  createContentWorld,
  type ContentWorld,
  type ContentWorldOptions,
} from '../../helpers/content-world.ts';
import { runGit } from '../../helpers/git-repository.ts';
import { startGitServer, type GitServer } from '../../helpers/git-server.ts';

describe('The git content store, when things go wrong', () => {
  let server: GitServer;
  let world: ContentWorld;
  let tip: string;
  const renew = async (options: ContentWorldOptions): Promise<void> => {
    await world.close();
    world = await createContentWorld(options);
  };
  before(async () => {
    server = await startGitServer({ repos: { 'o/n': { a: 'a', b: 'b', c: 'c' } } });
    tip = await server.git('o/n', 'rev-parse', 'main');
  });
  beforeEach(async () => {
    world = await createContentWorld();
  });
  afterEach(async () => {
    server.fault('o/n');
    // Nothing is left behind, neither a process nor a half-made repository.
    await until(async () => (await world.running()).length === 0);
    await until(async () => !(await world.kept()).some((name) => name.startsWith('tmp-')));
    await world.close();
  });
  after(() => server.close());

  it('gives up on a host that hangs, and leaves no process', async () => {
    await renew({ limits: { timeoutMs: 400 } });
    server.fault('o/n', { kind: 'hang' });
    const started = performance.now();
    assert.equal(await codeOf(world.open(server.url('o/n'), tip)), 'clone_limit');
    assert.ok(performance.now() - started < 5_000);
  });

  it('ends git with all its helpers when the last who waits has left, and not before', async () => {
    server.fault('o/n', { kind: 'hang' });
    const [first, second] = [new AbortController(), new AbortController()];
    const waiting = [
      world.open(server.url('o/n'), tip, first.signal),
      world.open(server.url('o/n'), tip, second.signal),
    ];
    await until(async () => world.started.some(({ argv }) => argv.includes('fetch')));
    const isFetching = async (): Promise<boolean> => (await world.running()).length > 0;
    first.abort(new Error('left'));
    await assert.rejects(waiting[0]!, /left/);
    assert.ok(await isFetching());
    second.abort(new Error('left too'));
    await assert.rejects(waiting[1]!, /left too/);
  });

  it('opens again after a cancel', async () => {
    server.fault('o/n', { kind: 'hang' });
    const stop = new AbortController();
    const waiting = world.open(server.url('o/n'), tip, stop.signal);
    await delay(50);
    stop.abort(new Error('stop'));
    await assert.rejects(waiting);
    server.fault('o/n');
    assert.equal(await (await world.open(server.url('o/n'), tip)).read('a'), 'a');
  });

  it('waits for a host that is merely slow', async () => {
    server.fault('o/n', { kind: 'slow', delayMs: 150 });
    assert.equal(await (await world.open(server.url('o/n'), tip)).read('a'), 'a');
  });

  it('stops an archive when its reader leaves', async () => {
    const big = await server.commit('o/big', { big: Buffer.alloc(20_000_000, 'x') });
    const content = await world.open(server.url('o/big'), big);
    const archive = content.archive();
    await new Promise((resolve) => archive.once('data', resolve));
    archive.destroy();
    const stop = new AbortController();
    const second = content.archive(stop.signal);
    second.once('data', () => stop.abort(new Error('stopped')));
    await assert.rejects(async () => {
      for await (const _ of second);
    }, /stopped/);
  });

  it('errors an archive whose repository has gone, rather than end it early', async () => {
    const content = await world.open(server.url('o/n'), tip);
    await rm(join(world.root, 'git', (await world.kept())[0] ?? '', 'objects'), { recursive: true });
    await assert.rejects(async () => {
      for await (const _ of content.archive());
    });
  });

  it('refuses more files, more bytes and longer paths than allowed, before anything is unpacked', async () => {
    await renew({ limits: { maxFiles: 2 } });
    assert.equal(await codeOf(world.open(server.url('o/n'), tip)), 'clone_limit');
    const deep = await server.commit('o/deep', { [`${'d/'.repeat(150)}f`]: 'x' });
    await renew({ limits: { maxPathBytes: 200 } });
    assert.equal(await codeOf(world.open(server.url('o/deep'), deep)), 'clone_limit');
    // A megabyte of one letter is a kilobyte of pack.
    const zeros = await server.commit('o/zeros', { zeros: Buffer.alloc(1_000_000) });
    await renew({ limits: { maxBytes: 500_000 } });
    assert.equal(await codeOf(world.open(server.url('o/zeros'), zeros)), 'clone_limit');
    const noise = await server.commit('o/noise', { noise: crypto.getRandomValues(new Uint8Array(60_000)) });
    await renew({ limits: { maxBytes: 30_000 } });
    assert.equal(await codeOf(world.open(server.url('o/noise'), noise)), 'clone_limit');
  });

  it('survives a git bomb: ten objects that stand for a thousand million files', { timeout: 30_000 }, async () => {
    const folder = server.folder('o/bomb');
    await server.commit('o/bomb', { a: 'a' });
    let object = (await runGit(folder, ['hash-object', '-w', '--stdin'], 'boom\n')).trim();
    for (let level = 0; level < 9; level += 1) {
      const kind = level === 0 ? '100644 blob' : '040000 tree';
      const lines = Array.from({ length: 10 }, (_, index) => `${kind} ${object}\tf${index}\n`).join('');
      object = (await runGit(folder, ['mktree'], lines)).trim();
    }
    const who = ['-c', 'user.name=t', '-c', 'user.email=t@example.org'];
    const bomb = (await runGit(folder, [...who, 'commit-tree', '-m', 'bomb', object])).trim();
    const started = performance.now();
    assert.equal(await codeOf(world.open(server.url('o/bomb'), bomb)), 'clone_limit');
    assert.ok(performance.now() - started < 20_000);
    assert.deepEqual(await world.kept(), []);
  });

  it('asks git for its version once, and names the cure for one that is missing or too old', async () => {
    const open = (store: ContentWorld['store']) =>
      store.open(
        { kind: 'git', url: server.url('o/n'), commit: tip },
        { signal: new AbortController().signal, log: () => {} },
      );
    const failing = async (git: string): Promise<string> => {
      const error: unknown = await open(world.again({ git })).catch((reason: unknown) => reason);
      assert.ok(error instanceof HubError && error.code === 'unhealthy', String(error));
      return error.message;
    };
    assert.match(await failing('/nowhere/git'), /cannot be run.*apt install git/);
    const old = join(world.root, 'old-git');
    await writeFile(old, '#!/bin/sh\necho git version 2.34.1\n', { mode: 0o755 });
    assert.match(await failing(old), /git 2\.34\.1 is too old\. Install git 2\.39/);
    await open(world.store);
    const again = await server.commit('o/n', { d: 'd' }, 'other');
    await world.open(server.url('o/n'), again);
    assert.equal(world.started.filter(({ argv }) => argv.at(-1) === 'version' && argv[4] === 'git').length, 1);
  });

  it('says that the disk is full', async () => {
    const fake = join(world.root, 'full-git');
    const full = 'fatal: write error: No space left on device';
    await writeFile(
      fake,
      `#!/bin/sh\ncase "$1" in version) echo git version 2.45.0;; fetch) echo "${full}" >&2; exit 128;; *) exec git "$@";; esac\n`,
      { mode: 0o755 },
    );
    const { signal } = new AbortController();
    const store = world.again({ git: fake });
    assert.equal(
      await codeOf(store.open({ kind: 'git', url: server.url('o/n'), commit: tip }, { signal, log: () => {} })),
      'disk_full',
    );
  });

  it('evicts what was not used for long, and what is too much, but nothing used just now', async () => {
    let nowMs = Date.now();
    await renew({ clock: { ...systemClock, now: () => nowMs } });
    const noise = () => crypto.getRandomValues(new Uint8Array(40_000));
    const first = await server.commit('o/first', { noise: noise() });
    const other = await server.commit('o/other', { noise: noise() });
    await world.open(server.url('o/first'), first);
    nowMs += 3_600_000;
    await world.open(server.url('o/other'), other);
    await world.store.gc({ maxBytes: 0 });
    assert.equal((await world.kept()).length, 2);
    nowMs += 1_800_000;
    await world.store.gc({ maxBytes: 100_000 });
    assert.deepEqual(await hasCommits(world, [first, other]), [true, true]);
    await world.store.gc({ maxBytes: 60_000 });
    assert.deepEqual(await hasCommits(world, [first, other]), [false, true]);
    nowMs += 15 * 86_400_000;
    await world.store.gc();
    assert.deepEqual(await hasCommits(world, [first, other]), [false, false]);
    assert.equal(await (await world.open(server.url('o/first'), first)).list().then(({ length }) => length), 1);
  });

  it('clears away what a killed hub left behind', async () => {
    await world.open(server.url('o/n'), tip);
    await mkdir(join(world.root, 'git', 'tmp-999999999-0011223344556677.git', 'objects'), { recursive: true });
    await world.store.gc();
    assert.deepEqual(await hasCommits(world, [tip]), [true]);
    assert.equal((await world.kept()).length, 1);
  });
});

const hasCommits = async (world: ContentWorld, commits: readonly string[]): Promise<readonly boolean[]> => {
  const names = await world.kept();
  return commits.map((commit) => names.some((name) => name.includes(commit)));
};

const until = async (condition: () => Promise<boolean>): Promise<void> => {
  const deadline = performance.now() + 5_000;
  while (!(await condition())) {
    assert.ok(performance.now() < deadline, 'waited too long');
    await delay(20);
  }
};
