import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { lstat, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { startGitServer, type GitServer } from '../../helpers/git-server.ts';

const SCRIPT = join(import.meta.dirname, '../../../images/session/build/fetch_commit.py');

interface Fetched {
  readonly status: number | null;
  readonly output: string;
  readonly folder: string;
  readonly result: { readonly ok?: boolean; readonly code?: string; readonly reason?: string };
}

const fetchCommit = async (
  t: TestContext,
  source: Readonly<Record<string, unknown>>,
  env: Readonly<Record<string, string>> = {},
): Promise<Fetched> => {
  const root = await mkdtemp(join(tmpdir(), 'liveleaf-fetch-'));
  t.after(() => rm(root, { recursive: true, force: true }));
  const folder = join(root, 'source');
  const child = spawn('python3', ['-I', '-S', SCRIPT], {
    env: {
      PATH: process.env['PATH'],
      LIVELEAF_SOURCE: JSON.stringify({ into: folder, ...source }),
      LIVELEAF_RESULT: join(root, 'result'),
      ...env,
    },
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const status = await new Promise<number | null>((resolve) => child.on('close', resolve));
  const text = await readFile(join(root, 'result'), 'utf8').catch(() => '{}');
  return { status, output, folder, result: JSON.parse(text) as Fetched['result'] };
};

const serve = async (t: TestContext, ...args: Parameters<typeof startGitServer>): Promise<GitServer> => {
  const server = await startGitServer(...args);
  t.after(() => server.close());
  return server;
};

test('a commit comes as its files, byte for byte, without what git would make of them', async (t) => {
  const server = await serve(t, {
    repos: {
      'own/code': {
        'pyproject.toml': '[project]\n',
        'src/a.py': 'print(1)\r\n',
        'run.sh': { mode: '100755', content: '#!/bin/sh\n' },
        '.gitattributes': '* text=auto export-subst\nhidden.txt export-ignore\n',
        'hidden.txt': '$Format:%H$\n',
        link: { mode: '120000', content: 'src/a.py' },
      },
    },
  });
  const commit = await server.git('own/code', 'rev-parse', 'main');
  const { status, output, folder } = await fetchCommit(t, { url: server.url('own/code'), commit });
  assert.equal(status, 0, output);
  assert.equal(await readFile(join(folder, 'src/a.py'), 'utf8'), 'print(1)\r\n');
  assert.equal(await readFile(join(folder, 'hidden.txt'), 'utf8'), '$Format:%H$\n');
  assert.equal(await readFile(join(folder, 'link'), 'utf8'), 'print(1)\r\n');
  assert.equal((await lstat(join(folder, 'run.sh'))).mode & 0o111, 0o111);
  assert.deepEqual((await readdir(join(folder, '..'))).sort(), ['source']);
  assert.match(output, /^Fetching .* at [0-9a-f]{40}\.\n6 files, \d+ bytes\.\n$/);
});

test('a commit that no ref points to any more is found in the history of an old host', async (t) => {
  const server = await serve(t, { repos: { 'own/code': { 'a.txt': 'one' } }, oldProtocol: true });
  const first = await server.git('own/code', 'rev-parse', 'main');
  await server.commit('own/code', { 'a.txt': 'two' });
  const { status, output, folder } = await fetchCommit(t, { url: server.url('own/code'), commit: first });
  assert.equal(status, 0, output);
  assert.equal(await readFile(join(folder, 'a.txt'), 'utf8'), 'one');
});

test('links that leave the repository are left out, and nothing is written through a link', async (t) => {
  const server = await serve(t, {
    repos: {
      'own/code': {
        'a.txt': 'one',
        absolute: { mode: '120000', content: '/etc/passwd' },
        up: { mode: '120000', content: '../outside' },
        'deep/round': { mode: '120000', content: '../a.txt' },
      },
    },
  });
  const commit = await server.git('own/code', 'rev-parse', 'main');
  const { status, output, folder } = await fetchCommit(t, { url: server.url('own/code'), commit });
  assert.equal(status, 0, output);
  assert.deepEqual((await readdir(folder)).sort(), ['a.txt', 'deep']);
  assert.equal(await readFile(join(folder, 'deep/round'), 'utf8'), 'one');
  assert.match(output, /Left out: absolute.*\n.*Left out: up/);
});

test('each failure has its code, and leaves nothing to install', async (t) => {
  const server = await serve(t, {
    repos: { 'own/code': { 'a.txt': 'one', 'b.txt': 'two' }, 'own/hidden': { 'a.txt': '' } },
    private: ['own/hidden'],
  });
  const commit = await server.git('own/code', 'rev-parse', 'main');
  const url = server.url('own/code');
  const cases: readonly (readonly [string, Readonly<Record<string, unknown>>])[] = [
    ['ref_not_found', { url, commit: 'f'.repeat(40) }],
    ['ref_not_found', { url, commit: 'main' }],
    ['ref_not_found', { url, commit: '--upload-pack=touch' }],
    ['repo_not_found', { url: server.url('own/nothing'), commit }],
    ['repo_not_found', { url: server.url('own/hidden'), commit }],
    ['policy', { url: 'ext::sh -c true', commit }],
    ['policy', { url: 'file:///etc', commit }],
    ['policy', { url: 'https://user:secret@example.org/a.git', commit }],
    ['policy', { url: 'ssh://example.org/a.git', commit }],
    ['clone_limit', { url, commit, maxFiles: 1 }],
    ['clone_limit', { url, commit, maxBytes: 4_096, maxPathBytes: 3 }],
    ['host_down', { url: 'http://127.0.0.1:9/a.git', commit }],
  ];
  for (const [code, source] of cases) {
    const { status, result, folder, output } = await fetchCommit(t, source);
    assert.equal(status, 1, JSON.stringify(source));
    assert.equal(result.code, code, `${JSON.stringify(source)}: ${output}`);
    assert.equal(result.ok, false);
    await assert.rejects(lstat(folder), JSON.stringify(source));
    assert.doesNotMatch(output, /secret/);
  }
});

test('a host that never answers, or that answers without end, is given up at its limit', async (t) => {
  const server = await serve(t, { repos: { 'own/code': { 'a.txt': 'one' } } });
  const commit = await server.git('own/code', 'rev-parse', 'main');
  const url = server.url('own/code');
  server.fault('own/code', { kind: 'hang' });
  const hung = await fetchCommit(t, { url, commit, timeoutSeconds: 1 });
  assert.equal(hung.result.code, 'clone_limit', hung.output);
  server.fault('own/code', { kind: 'huge' });
  const huge = await fetchCommit(t, { url, commit, maxBytes: 2_000_000, timeoutSeconds: 20 });
  assert.equal(huge.status, 1);
  assert.match(huge.result.code ?? '', /clone_limit|host_down/);
});

test('a repository that moved is followed', async (t) => {
  const server = await serve(t, { repos: { 'own/code': { 'a.txt': 'one' }, 'own/old': { 'a.txt': 'old' } } });
  const commit = await server.git('own/code', 'rev-parse', 'main');
  server.fault('own/old', {
    kind: 'redirect',
    location: `${server.url('own/code')}/info/refs?service=git-upload-pack`,
  });
  const { status, folder, output } = await fetchCommit(t, { url: server.url('own/old'), commit });
  assert.equal(status, 0, output);
  assert.equal(await readFile(join(folder, 'a.txt'), 'utf8'), 'one');
});
