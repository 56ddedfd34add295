import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, realpath, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { systemClock } from '../../../server/clock.ts';
import { codeOf, createContentWorld, untar, type ContentWorld } from '../../helpers/content-world.ts';
import { runGit } from '../../helpers/git-repository.ts';

const { signal } = new AbortController();

describe('The dir content store', () => {
  let world: ContentWorld;
  let folder: string;
  before(async () => {
    world = await createContentWorld();
  });
  after(() => world.close());
  beforeEach(async () => {
    folder = await realpath(await mkdtemp(join(tmpdir(), 'liveleaf-folder-')));
  });
  afterEach(() => rm(folder, { recursive: true }));

  const write = async (files: Record<string, string>): Promise<void> => {
    for (const [path, text] of Object.entries(files)) {
      await mkdir(join(folder, dirname(path)), { recursive: true });
      await writeFile(join(folder, path), text);
    }
  };
  const git = (...args: string[]): Promise<string> => runGit(folder, args);
  const open = async (store = world.store) => {
    const digest = await store.snapshot(folder, signal);
    return store.open({ kind: 'dir', folder, digest }, { signal, log: () => {} });
  };
  const paths = async (): Promise<string[]> => (await (await open()).list()).map(({ path }) => path);

  it('takes what git tracks or would track, also where the folder is a part of the repository', async () => {
    await write({
      '.gitignore': '*.log\nbuild/\n',
      'a.md': 'a',
      'x.log': 'x',
      'build/out': 'o',
      'sub/b.md': 'b',
      '.env.example': 'e',
    });
    await git('init', '-q');
    await git('add', 'a.md');
    await write({ 'sub/untracked.md': 'u', 'removed.md': 'r' });
    await git('add', 'removed.md');
    await rm(join(folder, 'removed.md'));
    assert.deepEqual(await paths(), ['.env.example', '.gitignore', 'a.md', 'sub/b.md', 'sub/untracked.md']);
    const below = await world.store.snapshot(join(folder, 'sub'), signal);
    const content = await world.store.open(
      { kind: 'dir', folder: join(folder, 'sub'), digest: below },
      { signal, log: () => {} },
    );
    assert.deepEqual(
      (await content.list()).map(({ path }) => path),
      ['b.md', 'untracked.md'],
    );
  });

  it('takes all but dot-folders where there is no repository, no git, or git ignores the folder', async () => {
    await write({ 'a.md': 'a', '.hidden/b': 'b', 'sub/.cache/c': 'c', 'sub/d': 'd', '.dotfile': 'e' });
    const expected = ['.dotfile', 'a.md', 'sub/d'];
    assert.deepEqual(await paths(), expected);
    await git('init', '-q');
    const without = await open(world.again({ git: '/nowhere/git' }));
    assert.deepEqual(
      (await without.list()).map(({ path }) => path),
      expected,
    );
    await write({ '.git/info/exclude': 'sub\n', 'sub/.gitignore': '*\n' });
    const ignored = await world.store.snapshot(join(folder, 'sub'), signal);
    assert.equal(await world.store.hasSnapshot(join(folder, 'sub'), ignored), true);
  });

  it('digests path, mode and bytes, in the order of paths, and nothing else', async () => {
    await write({ b: 'two', 'a/x': 'one', 'a-x': 'three' });
    await chmod(join(folder, 'b'), 0o755);
    const digest = createHash('sha256');
    for (const [mode, path, text] of [
      ['100644', 'a-x', 'three'],
      ['100644', 'a/x', 'one'],
      ['100755', 'b', 'two'],
    ] as const)
      digest.update(`${mode} ${text.length} ${path}\0${text}`);
    assert.equal(await world.store.snapshot(folder, signal), digest.digest('hex'));
    const before_ = await world.store.snapshot(folder, signal);
    await chmod(join(folder, 'b'), 0o711);
    await writeFile(join(folder, 'b'), 'two');
    assert.equal(await world.store.snapshot(folder, signal), before_);
    await chmod(join(folder, 'b'), 0o644);
    assert.notEqual(await world.store.snapshot(folder, signal), before_);
    await chmod(join(folder, 'b'), 0o755);
    await rename(join(folder, 'b'), join(folder, 'c'));
    assert.notEqual(await world.store.snapshot(folder, signal), before_);
  });

  it('fills a session from the bytes that were digested, whatever the folder holds by then', async () => {
    await write({ 'a.md': 'before', 'big.bin': 'x'.repeat(700_000), empty: '' });
    await symlink('a.md', join(folder, 'link'));
    const content = await open();
    await write({ 'a.md': 'after' });
    await rm(join(folder, 'big.bin'));
    assert.equal(await content.read('a.md'), 'before');
    assert.equal(await content.read('link'), undefined);
    assert.equal(await codeOf(content.read('big.bin', 1_000)), 'clone_limit');
    assert.deepEqual(await untar(content), {
      'a.md': 'before',
      'big.bin': 'x'.repeat(700_000),
      empty: '',
      link: '-> a.md',
    });
    const [first, second] = await Promise.all([buffer(content.archive()), buffer(content.archive())]);
    assert.ok(first.equals(second));
  });

  it('leaves out links that leave the folder and repositories inside it, and says so', async () => {
    await write({ 'a.md': 'a', 'nested/b.md': 'b' });
    await git('init', '-q');
    await runGit(join(folder, 'nested'), ['init', '-q']);
    await symlink('/etc/passwd', join(folder, 'abs'));
    await symlink('../../etc', join(folder, 'up'));
    await symlink('a.md', join(folder, 'inside'));
    const content = await open();
    assert.deepEqual(
      (await content.list()).map(({ path }) => path),
      ['a.md', 'inside'],
    );
    assert.deepEqual(content.notices, [
      'Submodules and nested repositories are not fetched; these folders are empty: "nested".',
      'Links that lead out of the repository are left out: "abs", "up".',
    ]);
  });

  it('does not read a tracked file through a folder that has become a link', async () => {
    const outside = await mkdtemp(join(tmpdir(), 'liveleaf-outside-'));
    try {
      await writeFile(join(outside, 'secret'), 'secret');
      await write({ 'sub/secret': 'harmless', 'a.md': 'a' });
      await git('init', '-q');
      await git('add', '.');
      await rm(join(folder, 'sub'), { recursive: true });
      await symlink(outside, join(folder, 'sub'));
      const content = await open();
      assert.deepEqual(
        (await content.list()).map(({ path }) => path),
        ['a.md'],
      );
      assert.ok(!(await buffer(content.archive())).includes('secret'));
    } finally {
      await rm(outside, { recursive: true });
    }
  });

  it('runs nothing that the repository’s configuration or hooks say', async () => {
    const canary = join(folder, '.git', 'canary');
    await write({ 'a.md': 'a' });
    await git('init', '-q');
    const script = `#!/bin/sh\ntouch ${canary}\n`;
    await writeFile(join(folder, '.git', 'evil'), script, { mode: 0o755 });
    for (const [key, value] of [
      ['core.fsmonitor', join(folder, '.git', 'evil')],
      ['core.hooksPath', join(folder, '.git')],
      ['core.pager', join(folder, '.git', 'evil')],
      ['filter.x.clean', join(folder, '.git', 'evil')],
      ['alias.ls-files', `!${join(folder, '.git', 'evil')}`],
      ['diff.external', join(folder, '.git', 'evil')],
      ['core.sshCommand', join(folder, '.git', 'evil')],
    ] as const)
      await git('config', key, value);
    await write({ '.gitattributes': '* filter=x\n' });
    assert.deepEqual(await paths(), ['.gitattributes', 'a.md']);
    assert.ok(!existsSync(canary));
    // The same repository does run it for an ordinary git, so the canary is a live one.
    await git('status').catch(() => '');
    assert.ok(existsSync(canary));
  });

  it('keeps a snapshot for the folder that it was taken of, and for no other', async () => {
    await write({ 'one/a': 'secret', 'two/b': 'b' });
    const one = await world.store.snapshot(join(folder, 'one'), signal);
    assert.equal(await world.store.hasSnapshot(join(folder, 'one'), one), true);
    assert.equal(await world.store.hasSnapshot(join(folder, 'two'), one), false);
    const opening = world.store.open(
      { kind: 'dir', folder: join(folder, 'two'), digest: one },
      { signal, log: () => {} },
    );
    assert.equal(await codeOf(opening), 'ref_not_found');
    for (const digest of ['HEAD', '../x', '', 'A'.repeat(64)])
      assert.equal(await world.store.hasSnapshot(join(folder, 'one'), digest), false);
  });

  it('opens a kept snapshot after a restart, and says when one is kept no longer', async () => {
    await write({ 'a.md': 'one' });
    const first = await world.store.snapshot(folder, signal);
    await write({ 'a.md': 'two' });
    const source = { kind: 'dir', folder, digest: first } as const;
    let nowMs = Date.now();
    const later = world.again({ clock: { ...systemClock, now: () => nowMs } });
    assert.equal(await (await later.open(source, { signal, log: () => {} })).read('a.md'), 'one');
    nowMs += 15 * 86_400_000;
    await later.gc();
    assert.equal(await codeOf(later.open(source, { signal, log: () => {} })), 'ref_not_found');
    await write({ 'a.md': 'one' });
    assert.equal(await (await later.open(source, { signal, log: () => {} })).read('a.md'), 'one');
  });

  it('refuses a folder that is too large or has too many files, and leaves nothing of the attempt', async () => {
    await write(Object.fromEntries(Array.from({ length: 30 }, (_, index) => [`f${index}`, 'x'.repeat(100)])));
    assert.equal(await codeOf(world.again({ limits: { maxFiles: 10 } }).snapshot(folder, signal)), 'clone_limit');
    assert.equal(await codeOf(world.again({ limits: { maxBytes: 1_000 } }).snapshot(folder, signal)), 'clone_limit');
    await git('init', '-q');
    assert.equal(await codeOf(world.again({ limits: { maxFiles: 10 } }).snapshot(folder, signal)), 'clone_limit');
    assert.equal(await codeOf(world.store.snapshot(join(folder, 'absent'), signal)), 'repo_not_found');
    assert.equal(await codeOf(world.store.snapshot(join(folder, 'f1'), signal)), 'repo_not_found');
    const kept = await readdir(join(world.root, 'dir'));
    assert.ok(
      kept.every((name) => /^[0-9a-f]{32}\.[0-9a-f]{64}$/.test(name)),
      kept.join(' '),
    );
  });

  it('reads a folder again only when it has changed', async () => {
    await write({ 'a.md': 'one', 'b.md': 'b' });
    let nowMs = Date.now() + 10_000;
    const store = world.again({ clock: { ...systemClock, now: () => nowMs } });
    const first = await store.snapshot(folder, signal);
    // Whatever is read is written below this folder first, which its time of change tells.
    const kept = join(world.root, 'dir');
    const takes = async (): Promise<boolean> => {
      const { mtimeMs } = await stat(kept);
      await store.snapshot(folder, signal);
      return (await stat(kept)).mtimeMs !== mtimeMs;
    };
    assert.equal(await takes(), false);
    nowMs += 60_000;
    assert.equal(await takes(), false);
    await writeFile(join(folder, 'a.md'), 'two');
    const second = await store.snapshot(folder, signal);
    assert.notEqual(second, first);
    await writeFile(join(folder, 'a.md'), 'one');
    assert.equal(await store.snapshot(folder, signal), first);
    // What changed a moment ago is not trusted, however it looks.
    const hasty = world.again();
    await writeFile(join(folder, 'a.md'), 'new');
    const { mtimeMs } = await stat(kept);
    await hasty.snapshot(folder, signal);
    const between = (await stat(kept)).mtimeMs;
    assert.notEqual(between, mtimeMs);
    await hasty.snapshot(folder, signal);
    assert.notEqual((await stat(kept)).mtimeMs, between);
  });

  it('gives the same lines for the same content, without the folder’s place on the machine', async () => {
    await write({ 'a.md': 'a' });
    const digest = await world.store.snapshot(folder, signal);
    const lines = async (): Promise<string[]> => {
      const log: string[] = [];
      await world.store.open({ kind: 'dir', folder, digest }, { signal, log: (line) => log.push(line) });
      return log;
    };
    assert.deepEqual(await lines(), [`Reading the folder as of ${digest}.`, '1 file, 1 B.']);
    assert.deepEqual(await lines(), await lines());
  });

  it('survives files that come and go while it reads', async () => {
    await write(Object.fromEntries(Array.from({ length: 60 }, (_, index) => [`f${index}`, 'x'.repeat(2_000)])));
    let isBusy = true;
    const churn = (async () => {
      for (let turn = 0; isBusy; turn += 1) {
        await writeFile(join(folder, `t${turn % 5}`), 'y'.repeat(turn % 3_000));
        await rm(join(folder, `t${(turn + 2) % 5}`), { force: true });
      }
    })();
    try {
      for (let turn = 0; turn < 10; turn += 1) {
        const code = await codeOf(world.store.snapshot(folder, signal));
        assert.ok(code === 'ok' || code === 'host_down', code);
      }
    } finally {
      isBusy = false;
      await churn;
    }
    const content = await open();
    for (const [path, text] of Object.entries(await untar(content))) assert.equal(await content.read(path), text);
  });
});
