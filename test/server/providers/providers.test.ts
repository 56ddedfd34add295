import assert from 'node:assert/strict';
import { mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { PROVIDERS, parseRepoSpec, repoSpec } from '../../../sdk/contract/index.ts';
import { systemClock } from '../../../server/clock.ts';
import { createProviders, type ProvidersConfig } from '../../../server/providers/providers.ts';
import { codeOf, createContentWorld, type ContentWorld } from '../../helpers/content-world.ts';
import { startGitServer, type GitServer } from '../../helpers/git-server.ts';

const { signal } = new AbortController();

describe('The providers', () => {
  let server: GitServer;
  let world: ContentWorld;
  let commit: string;
  const providers = (config: ProvidersConfig = {}) =>
    createProviders(config, {
      client: world.client,
      content: world.store,
      clock: systemClock,
      log: { warn: () => {} },
    });
  const resolve = (text: string, config?: ProvidersConfig) => {
    const spec = parseRepoSpec(text);
    return (providers(config).get(spec.provider) ?? assert.fail(spec.provider)).resolve(spec, signal);
  };
  before(async () => {
    server = await startGitServer({
      repos: { 'owner/name': { a: 'a' }, 'group/sub/project': { a: 'a' }, abc123: { a: 'a' } },
    });
    world = await createContentWorld();
    commit = await server.git('owner/name', 'rev-parse', 'main');
    await server.git('owner/name', '-c', 'user.name=t', '-c', 'user.email=t@example.org', 'tag', '-am', 'one', 'v1');
    await server.commit('owner/name', { b: 'b' }, 'x/main');
  });
  after(async () => {
    await world.close();
    await server.close();
  });

  it('are one for each kind of the contract, each with what a link maker needs', () => {
    assert.deepEqual([...providers().keys()], [...PROVIDERS]);
    for (const [id, { display }] of providers()) {
      assert.equal(display.id, id);
      assert.doesNotThrow(() => new RegExp(display.spec.validateRegex));
      if (display.detect !== undefined) assert.doesNotThrow(() => new RegExp(display.detect?.regex ?? ''));
    }
    const detect = new RegExp(providers().get('gh')?.display.detect?.regex ?? '');
    for (const text of [
      'https://github.com/owner/name',
      'https://github.com/owner/name.git',
      'owner/name',
      'owner/name/',
    ])
      assert.equal(detect.exec(text)?.groups?.['repo'], 'owner/name', text);
  });

  it('resolve branches, tags and full names of GitHub, GitLab, gists and plain git', async () => {
    const hosts = {
      providers: { gh: { host: server.address }, gl: { host: server.address }, gist: { host: `${server.address}/` } },
    };
    const gh = await resolve('gh/owner/name/HEAD', hosts);
    assert.deepEqual(gh, {
      spec: repoSpec('gh', 'owner/name', 'HEAD'),
      resolvedRef: commit,
      source: { kind: 'git', url: server.url('owner/name'), commit },
      repoUrl: `${server.address}/owner/name`,
      refUrl: `${server.address}/owner/name/tree/${commit}`,
    });
    for (const ref of ['main', 'v1', 'refs/heads/main', 'refs/tags/v1', 'refs/tags%2Fv1'])
      assert.equal((await resolve(`gh/owner/name/${ref}`, hosts)).resolvedRef, commit, ref);
    assert.notEqual((await resolve('gh/owner/name/x/main', hosts)).resolvedRef, commit);
    const gl = await resolve('gl/group%2Fsub%2Fproject/main', hosts);
    assert.equal(gl.source.kind === 'git' && gl.source.url, server.url('group/sub/project'));
    assert.equal(gl.refUrl, `${server.address}/group/sub/project/-/tree/${gl.resolvedRef}`);
    const gist = await resolve('gist/someone/abc123', hosts);
    assert.equal(gist.source.kind === 'git' && gist.source.url, server.url('abc123'));
    assert.equal(gist.repoUrl, `${server.address}/someone/abc123`);
    const git = await resolve(`git/${encodeURIComponent(server.url('owner/name'))}/v1`);
    assert.equal(git.resolvedRef, commit);
    assert.equal(git.repoUrl, server.url('owner/name'));
  });

  it('go to the public hosts when nothing else is configured', async () => {
    const full = 'c'.repeat(40);
    const urls = await Promise.all(
      ['gh/owner/name', 'gl/group%2Fproject', 'gist/user/abc'].map(async (spec) => {
        const { source } = await resolve(`${spec}/${full}`);
        return source.kind === 'git' ? source.url : '';
      }),
    );
    assert.deepEqual(urls, [
      'https://github.com/owner/name.git',
      'https://gitlab.com/group/project.git',
      'https://gist.github.com/abc.git',
    ]);
  });

  it('ask nobody about a whole commit id', async () => {
    const asked = server.requests.length;
    const url = encodeURIComponent('https://nowhere.invalid/x');
    assert.equal((await resolve(`git/${url}/${'d'.repeat(40)}`)).resolvedRef, 'd'.repeat(40));
    assert.equal(server.requests.length, asked);
  });
});

describe('The dir provider', () => {
  let world: ContentWorld;
  let root: string;
  const resolve = (repo: string, ref = 'HEAD') => {
    const parts = { client: world.client, content: world.store, clock: systemClock, log: { warn: () => {} } };
    const provider = createProviders({ dirs: { docs: join(root, 'docs'), gone: join(root, 'gone') } }, parts).get(
      'dir',
    );
    return (provider ?? assert.fail('no dir')).resolve(repoSpec('dir', repo, ref), signal);
  };
  before(async () => {
    world = await createContentWorld();
    root = await realpath(await mkdtemp(join(tmpdir(), 'liveleaf-roots-')));
    await mkdir(join(root, 'docs', 'chapter'), { recursive: true });
    await mkdir(join(root, 'docs-private'));
    await writeFile(join(root, 'docs', 'chapter', 'a.md'), 'a');
    await writeFile(join(root, 'docs-private', 'secret'), 's');
    await symlink('../docs-private', join(root, 'docs', 'out'));
    await symlink('chapter', join(root, 'docs', 'in'));
  });
  after(async () => {
    await world.close();
    await rm(root, { recursive: true });
  });

  it('resolves a folder to the digest of its content, and that digest to itself', async () => {
    const found = await resolve('docs/chapter');
    assert.match(found.resolvedRef, /^[0-9a-f]{64}$/);
    assert.deepEqual(found.source, { kind: 'dir', folder: join(root, 'docs', 'chapter'), digest: found.resolvedRef });
    assert.equal(found.repoUrl, pathToFileURL(join(root, 'docs', 'chapter')).href);
    assert.equal((await resolve('docs/chapter', found.resolvedRef)).resolvedRef, found.resolvedRef);
    assert.equal((await resolve('docs/in')).resolvedRef, found.resolvedRef);
    await writeFile(join(root, 'docs', 'chapter', 'a.md'), 'b');
    assert.notEqual((await resolve('docs/chapter')).resolvedRef, found.resolvedRef);
    assert.equal((await resolve('docs/chapter', found.resolvedRef)).resolvedRef, found.resolvedRef);
  });

  it('never leaves its root', async () => {
    assert.equal(await codeOf(resolve('docs/out')), 'bad_spec');
    assert.equal(await codeOf(resolve('docs/out/secret')), 'bad_spec');
    for (const path of ['..', '../docs-private', 'chapter/../../docs-private', '/etc', 'a\\b'])
      assert.throws(() => repoSpec('dir', `docs/${path}`), { code: 'bad_spec' }, path);
  });

  it('names the roots that there are, and says which refs a folder has', async () => {
    await assert.rejects(resolve('other/.'), /knows docs, gone/);
    for (const name of ['other/.', 'constructor/.', 'gone/.', 'docs/absent', 'docs/chapter/a.md'])
      assert.equal(await codeOf(resolve(name)), 'repo_not_found', name);
    for (const ref of ['main', 'a'.repeat(40), 'A'.repeat(64), 'f'.repeat(64)])
      assert.equal(await codeOf(resolve('docs/chapter', ref)), 'ref_not_found', ref);
  });
});
