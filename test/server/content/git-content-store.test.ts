import assert from 'node:assert/strict';
import { readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { after, before, describe, it } from 'node:test';
import { codeOf, createContentWorld, untar, type ContentWorld } from '../../helpers/content-world.ts';
import { startGitServer, type GitServer } from '../../helpers/git-server.ts';

const LFS = `version https://git-lfs.github.com/spec/v1\noid sha256:${'4d'.repeat(32)}\nsize 12345\n`;

const FILES = {
  'README.md': 'hello\n',
  'binder/requirements.txt': 'numpy\n',
  'run.sh': { mode: '100755', content: '#!/bin/sh\n' },
  'ünïcödé "quoted".txt': 'u',
  inside: { mode: '120000', content: 'binder/requirements.txt' },
} as const;

for (const oldProtocol of [false, true]) {
  describe(`The git content store and a host that speaks ${oldProtocol ? 'the old protocol' : 'version 2'}`, () => {
    let server: GitServer;
    let world: ContentWorld;
    before(async () => {
      server = await startGitServer({ repos: { 'o/n': FILES }, oldProtocol });
      world = await createContentWorld();
    });
    after(async () => {
      await world.close();
      await server.close();
    });

    it('gives the files of one commit: listed, read one by one, and as a tar', async () => {
      const commit = await server.git('o/n', 'rev-parse', 'main');
      const content = await world.open(server.url('o/n'), commit);
      assert.deepEqual(await content.list(), [
        { path: 'README.md', mode: '100644', sizeBytes: 6 },
        { path: 'binder/requirements.txt', mode: '100644', sizeBytes: 6 },
        { path: 'inside', mode: '120000', sizeBytes: 23 },
        { path: 'run.sh', mode: '100755', sizeBytes: 10 },
        { path: 'ünïcödé "quoted".txt', mode: '100644', sizeBytes: 1 },
      ]);
      assert.equal(await content.read('binder/requirements.txt'), 'numpy\n');
      for (const path of ['inside', 'binder', 'nope', '../README.md', '/README.md', '--help', ''])
        assert.equal(await content.read(path), undefined, path);
      assert.equal(await codeOf(content.read('README.md', 5)), 'clone_limit');
      assert.deepEqual(await untar(content), {
        'README.md': 'hello\n',
        'binder/': '',
        'binder/requirements.txt': 'numpy\n',
        inside: '-> binder/requirements.txt',
        'run.sh': '#!/bin/sh\n',
        'ünïcödé "quoted".txt': 'u',
      });
      assert.deepEqual(content.notices, []);
    });

    it('fetches an earlier commit that no ref points to', async () => {
      const first = await server.git('o/n', 'rev-parse', 'main');
      await server.commit('o/n', { 'README.md': 'second\n' });
      await server.commit('o/n', { 'README.md': 'third\n' });
      const middle = await server.git('o/n', 'rev-parse', 'main~1');
      assert.equal(await (await world.open(server.url('o/n'), middle)).read('README.md'), 'second\n');
      assert.equal(await (await world.open(server.url('o/n'), first)).read('README.md'), 'hello\n');
    });

    it('says that a commit does not exist', async () => {
      assert.equal(await codeOf(world.open(server.url('o/n'), '1'.repeat(40))), 'ref_not_found');
      const tree = await server.git('o/n', 'rev-parse', 'main^{tree}');
      assert.equal(await codeOf(world.open(server.url('o/n'), tree)), 'ref_not_found');
      for (const commit of ['main', '--upload-pack=x', 'HEAD', '1234567', ''])
        assert.equal(await codeOf(world.open(server.url('o/n'), commit)), 'ref_not_found', commit);
    });
  });
}

describe('The git content store', () => {
  let server: GitServer;
  let world: ContentWorld;
  const tip = (repo: string): Promise<string> => server.git(repo, 'rev-parse', 'main');
  before(async () => {
    server = await startGitServer({ repos: { 'o/n': FILES, 'o/hidden': { a: 'a' } }, private: ['o/hidden'] });
    world = await createContentWorld();
  });
  after(async () => {
    await world.close();
    await server.close();
  });

  it('needs no network for a commit that it keeps, after a restart of the hub too', async () => {
    const commit = await tip('o/n');
    await world.open(server.url('o/n'), commit);
    const before_ = server.requests.length;
    const { signal } = new AbortController();
    const lines: string[][] = [];
    for (const store of [world.store, world.again({ lookup: () => Promise.reject(new Error('no network')) })]) {
      const log: string[] = [];
      const content = await store.open(
        { kind: 'git', url: server.url('o/n'), commit },
        { signal, log: (line) => log.push(line) },
      );
      assert.equal(await content.read('README.md'), 'hello\n');
      lines.push(log);
    }
    assert.equal(server.requests.length, before_);
    assert.deepEqual(lines[0], lines[1]);
    assert.deepEqual(lines[0], [`Fetching ${server.url('o/n')} at ${commit}.`, '5 files, 46 B.']);
  });

  it('fetches once for a hundred who open the same commit at once', async () => {
    const commit = await server.commit('o/hundred', { a: 'a' });
    const before_ = server.fetches();
    const logs = new Set<string>();
    await Promise.all(
      Array.from({ length: 100 }, async () => {
        const log: string[] = [];
        const { signal } = new AbortController();
        const source = { kind: 'git', url: server.url('o/hundred'), commit } as const;
        const content = await world.store.open(source, { signal, log: (line) => log.push(line) });
        assert.equal(await content.read('a'), 'a');
        logs.add(log.join('\n'));
      }),
    );
    assert.equal(server.fetches() - before_, 1);
    assert.equal(logs.size, 1);
  });

  it('fetches only what changed since a commit that it keeps', async () => {
    const big = Array.from({ length: 3_000 }, (_, index) => `${index * 7919} ${Math.sin(index)}`).join('\n');
    const first = await server.commit('o/book', { 'data.csv': big, 'chapter.md': 'one' });
    const second = await server.commit('o/book', { 'chapter.md': 'two' });
    await world.open(server.url('o/book'), first);
    const before_ = new Set(await packs(world));
    const content = await world.open(server.url('o/book'), second);
    assert.equal(await content.read('chapter.md'), 'two');
    assert.equal(await content.read('data.csv'), big);
    const fresh = (await packs(world)).filter((name) => !before_.has(name));
    assert.equal(fresh.length, 1);
    await rm(join(world.root, 'git', await nameOf(world, first)), { recursive: true });
    assert.equal((await untar(content))['data.csv'], big);
  });

  it('fetches anew where an earlier commit on disk is broken', async () => {
    const first = await server.commit('o/broken', { a: 'a'.repeat(5_000) });
    await world.open(server.url('o/broken'), first);
    const folder = join(world.root, 'git', await nameOf(world, first), 'objects', 'pack');
    for (const name of await readdir(folder)) {
      await rm(join(folder, name));
      await writeFile(join(folder, name), 'rubbish');
    }
    const second = await server.commit('o/broken', { b: 'b' });
    assert.equal(await (await world.open(server.url('o/broken'), second)).read('b'), 'b');
  });

  it('tells what is absent: submodules, LFS files, links that lead out', async () => {
    const commit = await server.commit('o/absent', {
      'lib/sub': { mode: '160000', content: '1'.repeat(40) },
      '.gitattributes': '*.bin filter=lfs diff=lfs merge=lfs -text\n',
      'model.bin': LFS,
      'plain.txt': LFS.replace('lfs', 'no'),
      up: { mode: '120000', content: '../../etc/passwd' },
      abs: { mode: '120000', content: '/etc/passwd' },
      down: { mode: '120000', content: 'plain.txt' },
    });
    const content = await world.open(server.url('o/absent'), commit);
    assert.deepEqual(content.notices, [
      'Submodules and nested repositories are not fetched; these folders are empty: "lib/sub".',
      'Files kept in Git LFS are not fetched; only their pointers are there: "model.bin".',
      'Links that lead out of the repository are left out: "abs", "up".',
    ]);
    const files = await untar(content);
    assert.equal(files['down'], '-> plain.txt');
    assert.equal(files['model.bin'], LFS);
    assert.ok(!('up' in files) && !('abs' in files));
    const paths = (await content.list()).map(({ path }) => path);
    assert.ok(!paths.includes('up') && !paths.includes('abs'));
  });

  it('archives every byte as committed, whatever attributes the repository sets', async () => {
    const commit = await server.commit('o/attributes', {
      '.gitattributes':
        'secret export-ignore\nfolder export-ignore\nid.txt export-subst ident\neol.txt text eol=crlf\nutf.txt working-tree-encoding=UTF-16\n',
      'folder/.gitattributes': '* export-ignore\n',
      'folder/file': 'f',
      secret: 's',
      'id.txt': '$Format:%H$ $Id$\n',
      'eol.txt': 'a\nb\n',
      'utf.txt': 'plain\n',
    });
    const content = await world.open(server.url('o/attributes'), commit);
    const files = await untar(content);
    assert.equal(files['folder/file'], 'f');
    assert.equal(files['secret'], 's');
    assert.equal(files['id.txt'], '$Format:%H$ $Id$\n');
    assert.equal(files['eol.txt'], 'a\nb\n');
    assert.equal(files['utf.txt'], 'plain\n');
    for (const { path, mode } of await content.list())
      if (mode === '100644') assert.equal(files[path], await content.read(path), path);
  });

  it('gives the same tar for the same commit every time', async () => {
    const content = await world.open(server.url('o/n'), await tip('o/n'));
    const [first, second] = await Promise.all([buffer(content.archive()), buffer(content.archive())]);
    assert.ok(first.equals(second));
  });

  it('follows a moved repository, through the same checks', async () => {
    const commit = await tip('o/n');
    server.fault('o/moved', { kind: 'redirect', location: `${server.url('o/n')}/info/refs?service=git-upload-pack` });
    assert.equal(await (await world.open(server.url('o/moved'), commit)).read('README.md'), 'hello\n');
    server.fault('o/inside', { kind: 'redirect', location: 'http://127.0.0.2:1/x/info/refs?service=git-upload-pack' });
    assert.equal(await codeOf(world.open(server.url('o/inside'), commit)), 'policy');
  });

  it('tells an absent or private repository from a host in trouble', async () => {
    const some = '2'.repeat(40);
    assert.equal(await codeOf(world.open(server.url('o/nowhere'), some)), 'repo_not_found');
    assert.equal(await codeOf(world.open(server.url('o/hidden'), await tip('o/hidden'))), 'repo_not_found');
    for (const [status, code] of [
      [404, 'repo_not_found'],
      [401, 'repo_not_found'],
      [403, 'repo_not_found'],
      [429, 'host_limited'],
      [500, 'host_down'],
      [503, 'host_down'],
    ] as const) {
      server.fault('o/odd', { kind: 'status', status });
      assert.equal(await codeOf(world.open(server.url('o/odd'), some)), code, String(status));
    }
    assert.equal(await codeOf(world.open('http://127.0.0.1:1/o/n.git', some)), 'host_down');
  });

  it('leaves nothing of a fetch that failed', async () => {
    for (const name of await world.kept()) assert.match(name, /^[0-9a-f]{32}\.[0-9a-f]{40}\.git$/);
    assert.deepEqual(await world.running(), []);
  });
});

const packs = async (world: ContentWorld): Promise<readonly string[]> => {
  const names = await Promise.all(
    (await world.kept()).map((name) => readdir(join(world.root, 'git', name, 'objects', 'pack'))),
  );
  return [...new Set(names.flat().filter((name) => name.endsWith('.pack')))];
};

const nameOf = async (world: ContentWorld, commit: string): Promise<string> =>
  (await world.kept()).find((name) => name.includes(commit)) ?? assert.fail(`${commit} is not kept`);
