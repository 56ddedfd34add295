import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import { createProviders } from '../../../server/providers/providers.ts';
import { systemClock } from '../../../server/clock.ts';
import { toHubError } from '../../../server/errors.ts';
import { parseRepoSpec } from '../../../sdk/contract/index.ts';
import { FORBIDDEN_ANSWERS, FORBIDDEN_HOSTS } from '../../helpers/address-spellings.ts';
import { codeOf, createContentWorld, untar, type ContentWorld, type Started } from '../../helpers/content-world.ts';
import { runGit } from '../../helpers/git-repository.ts';
import { startGitServer, type GitServer } from '../../helpers/git-server.ts';
import { hostileSpecs } from '../../helpers/hostile-specs.ts';

const { signal } = new AbortController();
const COMMIT = 'a'.repeat(40);

/** What git was given before `--`, and after. */
const split = ({ argv }: Started): { words: readonly string[]; operands: readonly string[] } => {
  const at = argv.indexOf('--');
  return at < 0 ? { words: argv, operands: [] } : { words: argv.slice(0, at), operands: argv.slice(at + 1) };
};

describe('Fetching', () => {
  it('starts no fetch for any forbidden address, however it is spelled or resolved', async () => {
    const world = await createContentWorld({ private: [], lookup: async () => [] });
    try {
      for (const host of FORBIDDEN_HOSTS)
        assert.match(await codeOf(world.open(`https://${host}/o/n.git`, COMMIT)), /^(?:policy|bad_spec)$/, host);
      for (const answer of FORBIDDEN_ANSWERS) {
        const store = world.again({ lookup: async () => ['140.82.121.3', answer] });
        const opening = store.open(
          { kind: 'git', url: 'https://a.example/x', commit: COMMIT },
          { signal, log: () => {} },
        );
        assert.equal(await codeOf(opening), 'policy', answer);
      }
      assert.deepEqual(
        world.started.filter(({ argv }) => argv.includes('fetch')),
        [],
      );
    } finally {
      await world.close();
    }
  });

  it('tells git the checked address, so that a name whose answer flips cannot lead elsewhere', async () => {
    const server = await startGitServer({ repos: { 'o/n': { a: 'a' } } });
    const other = await startGitServer({ repos: { 'o/n': { a: 'other' } } });
    let asked = 0;
    const world = await createContentWorld({
      private: [`git.test:${server.port}`],
      lookup: async () => (asked++ === 0 ? ['127.0.0.1'] : ['127.0.0.9']),
    });
    try {
      const commit = await server.git('o/n', 'rev-parse', 'main');
      const content = await world.open(`http://git.test:${server.port}/o/n.git`, commit);
      assert.equal(await content.read('a'), 'a');
      assert.equal(asked, 1);
      assert.deepEqual(other.requests, []);
    } finally {
      await world.close();
      await server.close();
      await other.close();
    }
  });

  it('refuses what git would be redirected to', async () => {
    const inner = await startGitServer({ repos: { 'o/n': { a: 'a' } } });
    const outer = await startGitServer({ repos: {} });
    const world = await createContentWorld({ private: [`127.0.0.1:${outer.port}`] });
    try {
      const commit = await inner.git('o/n', 'rev-parse', 'main');
      outer.fault('o/n', { kind: 'redirect', location: `${inner.url('o/n')}/info/refs?service=git-upload-pack` });
      assert.equal(await codeOf(world.open(outer.url('o/n'), commit)), 'policy');
      assert.deepEqual(inner.requests, []);
    } finally {
      await world.close();
      await inner.close();
      await outer.close();
    }
  });
});

describe('Hostile specs', () => {
  let world: ContentWorld;
  let canary: string;
  before(async () => {
    canary = join(await mkdtemp(join(tmpdir(), 'liveleaf-canary-')), 'touched');
    // Every name resolves, and to an inner address: whatever passes all checks would be dialled there.
    world = await createContentWorld({ private: [], lookup: async () => ['10.0.0.1'] });
  });
  after(async () => {
    await world.close();
    await rm(join(canary, '..'), { recursive: true });
  });

  /** Takes a spec as far as it goes; returns the code that it ends in. */
  const attempt = async (text: string): Promise<string> => {
    try {
      const spec = parseRepoSpec(text);
      const providers = createProviders(
        { dirs: { docs: world.root } },
        { client: world.client, content: world.store, clock: systemClock, log: { warn: () => {} } },
      );
      const { source } = (await providers.get(spec.provider)?.resolve(spec, signal)) ?? assert.fail('no provider');
      await world.store.open(source, { signal, log: () => {} });
      return 'ok';
    } catch (error) {
      return toHubError(error).code;
    }
  };

  /** That nothing of a spec reached git but after `--`, and that no fetch was begun. */
  const checkStarted = (): void => {
    for (const started of world.started) {
      const { words, operands } = split(started);
      assert.ok(!words.includes('fetch'), words.join(' '));
      assert.deepEqual(operands, []);
      const settings = Object.entries(started.env).filter(([key]) => key.startsWith('GIT_CONFIG_VALUE_'));
      assert.ok(!settings.some(([, value]) => value?.includes('10.0.0.1') === true));
    }
    world.started.length = 0;
    assert.ok(!existsSync(canary));
  };

  it('more than two thousand of them, end in an error of the closed list, with nothing started or touched', async () => {
    const specs = hostileSpecs(canary);
    assert.ok(specs.length >= 2_000, `${specs.length} specs`);
    const allowed = ['bad_spec', 'policy', 'repo_not_found', 'ref_not_found', 'host_down'];
    for (const spec of specs) {
      const code = await attempt(spec);
      assert.ok(allowed.includes(code), `${JSON.stringify(spec)} ended in ${code}`);
    }
    checkStarted();
  });

  it('from a grammar of parts that have been attacks, end the same way', async () => {
    const part = fc.oneof(
      fc.constantFrom('--upload-pack=x', '-c', 'ext::sh -c x', 'file://', '..', '.git', '@', ':', '\\', '$(x)', '`x`', '%00', '%0a', ';', '&&', '127.0.0.1', '[::1]', 'refs/', '~', '^', '{}'),
      fc.string({ maxLength: 12 }),
    ); // prettier-ignore
    const grammar = fc
      .tuple(
        fc.constantFrom('gh', 'gl', 'gist', 'git', 'dir', 'x'),
        fc.array(part, { minLength: 1, maxLength: 6 }),
        fc.boolean(),
      )
      .map(([provider, parts, encode]) => `${provider}/${(encode ? parts.map(encodeURIComponent) : parts).join('/')}`);
    await fc.assert(
      fc.asyncProperty(grammar, async (spec) => {
        assert.match(await attempt(spec), /^(?:bad_spec|policy|repo_not_found|ref_not_found|host_down)$/);
      }),
      { numRuns: 1_000 },
    );
    checkStarted();
  });
});

describe('A hostile repository', () => {
  let server: GitServer;
  let world: ContentWorld;
  before(async () => {
    server = await startGitServer({ repos: { 'o/n': { a: 'a' } } });
    world = await createContentWorld();
  });
  after(async () => {
    await world.close();
    await server.close();
  });

  /** Commits a tree that `git fast-import` would not make. */
  const commitTree = async (repo: string, lines: string): Promise<string> => {
    await server.commit(repo, { a: 'a' });
    const folder = server.folder(repo);
    const tree = (await runGit(folder, ['mktree', '--missing'], lines)).trim();
    const who = ['-c', 'user.name=t', '-c', 'user.email=t@example.org'];
    return (await runGit(folder, [...who, 'commit-tree', '-m', 'x', tree])).trim();
  };

  const blob = async (repo: string, text: string): Promise<string> => {
    await server.commit(repo, { a: 'a' });
    return (await runGit(server.folder(repo), ['hash-object', '-w', '--stdin'], text)).trim();
  };

  it('with paths that leave their folder or pose as git’s own is refused', async () => {
    const file = await blob('o/paths', 'x');
    const inner = (await runGit(server.folder('o/paths'), ['mktree'], `100755 blob ${file}\tpost-checkout\n`)).trim();
    for (const name of ['..', '.', '.git', '.GIT', 'git~1', '.git\u200c'])
      assert.equal(
        await codeOf(world.open(server.url('o/paths'), await commitTree('o/paths', `040000 tree ${inner}\t${name}\n`))),
        'policy',
        name,
      );
  });

  it('whose submodules name commands, folders or options starts nothing', async () => {
    const marker = join(world.root, 'pwned');
    const modules = [
      `[submodule "../../hooks"]\n\tpath = sub\n\turl = ../x\n`,
      `[submodule "x"]\n\tpath = -u./touch\n\turl = -u./touch\n`,
      `[submodule "x"]\n\tpath = sub\n\turl = ext::sh -c touch% ${marker}\n\tupdate = !touch ${marker}\n`,
      `[submodule "x\r"]\n\tpath = "sub\r"\n\turl = file:///etc\n`,
    ];
    for (const [index, text] of modules.entries()) {
      const repo = `o/modules${index}`;
      const file = await blob(repo, text);
      const commit = await commitTree(repo, `100644 blob ${file}\t.gitmodules\n160000 commit ${COMMIT}\tsub\n`);
      assert.match(await codeOf(world.open(server.url(repo), commit)), /^(?:ok|policy)$/);
    }
    assert.ok(!existsSync(marker));
    assert.ok(!world.started.some(({ argv }) => argv.includes('submodule') || argv.includes('checkout')));
  });

  it('with links at odds with its folders gives neither a link’s target nor a file behind it', async () => {
    const commit = await server.commit('o/links', {
      up: { mode: '120000', content: '..' },
      'sideways/deep': { mode: '120000', content: '../up' },
      chain: { mode: '120000', content: 'sideways/deep/../../x' },
      loop: { mode: '120000', content: 'loop' },
      fine: { mode: '120000', content: 'a' },
      a: 'a',
    });
    const content = await world.open(server.url('o/links'), commit);
    assert.deepEqual(Object.keys(await untar(content)).toSorted(), ['a', 'fine', 'sideways/']);
    assert.equal(await content.read('fine'), undefined);
  });

  it('is fetched with an environment that holds nothing of this machine’s', async () => {
    await world.open(server.url('o/n'), await server.git('o/n', 'rev-parse', 'main'));
    const isThis = (started: Started): boolean => split(started).operands[0] === server.url('o/n');
    const fetch = world.started.find(isThis) ?? assert.fail('no fetch');
    const { words } = split(fetch);
    assert.ok(words.includes('fetch'));
    assert.ok(words.every((word) => !word.includes('127.0.0.1')));
    assert.equal(fetch.env['GIT_ALLOW_PROTOCOL'], 'http');
    assert.equal(fetch.env['HOME'], '/dev/null');
    assert.equal(fetch.env['GIT_CONFIG_GLOBAL'], '/dev/null');
    assert.equal(fetch.env['GIT_CONFIG_NOSYSTEM'], '1');
    assert.equal(fetch.env['GIT_TERMINAL_PROMPT'], '0');
    assert.equal(fetch.env['GIT_LFS_SKIP_SMUDGE'], '1');
    for (const [key, value] of [
      ['http.followRedirects', 'false'],
      ['core.hooksPath', '/dev/null'],
      ['transfer.fsckObjects', 'true'],
      ['transfer.bundleURI', 'false'],
      ['protocol.file.allow', 'never'],
      ['credential.helper', ''],
    ] as const)
      assert.equal(setting(fetch, key), value, key);
    const others = world.started.filter(({ argv }) => !argv.includes('fetch'));
    assert.ok(others.every(({ env }) => env['GIT_ALLOW_PROTOCOL'] === 'none'));
    const own = Object.keys(process.env).filter((key) => !['PATH', 'HOME', 'LC_ALL'].includes(key));
    for (const { env } of world.started)
      assert.ok(
        own.every((key) => !(key in env)),
        'a variable of ours leaked',
      );
  });
});

const setting = ({ env }: Started, key: string): string | undefined => {
  const found = Object.entries(env).find(([name, value]) => name.startsWith('GIT_CONFIG_KEY_') && value === key);
  return found === undefined ? undefined : env[found[0].replace('_KEY_', '_VALUE_')];
};
