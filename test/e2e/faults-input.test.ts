import assert from 'node:assert/strict';
import { access, mkdtemp, rm } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import {
  BINDERHUB,
  ERRORS,
  isErrorCode,
  type ErrorCode,
  type FailedEvent,
  type Problem,
} from '../../sdk/contract/index.ts';
import { assertWhole } from '../helpers/e2e-watcher.ts';
import { startWorld, type E2eWorld } from '../helpers/e2e-world.ts';
import { hostileSpecs } from '../helpers/hostile-specs.ts';

/** What bad input may end in: what `internal` would mean is a bug. */
const FOR_BAD_INPUT: readonly ErrorCode[] = [
  'bad_spec',
  'not_allowed',
  'repo_not_found',
  'ref_not_found',
  'policy',
  'not_found',
];

describe('bad input', { timeout: 240_000 }, () => {
  let world: E2eWorld;
  let canaries: string;
  before(async () => {
    world = await startWorld({ private: ['owner/secret'] });
    await world.git.commit('owner/secret', { 'README.md': 'secret' });
    await world.git.commit('owner/plain', { 'README.md': 'main' }, 'refs/heads/feature/one');
    canaries = await mkdtemp(join(tmpdir(), 'liveleaf-canary-'));
  });
  after(async () => {
    await rm(canaries, { recursive: true, force: true });
    await world.end();
  });

  const failedOf = async (spec: string): Promise<FailedEvent> => {
    const { launch, watcher } = world.launch(spec);
    await assert.rejects(launch.server);
    const events = await watcher.done;
    assertWhole(events);
    return events.at(-1) as FailedEvent;
  };

  const problemOf = async (response: Response): Promise<Problem> => {
    assert.match(response.headers.get('content-type') ?? '', /^application\/problem\+json/);
    const problem = (await response.json()) as Problem;
    assert.equal(problem.status, response.status);
    assert.equal(ERRORS[problem.code].status, response.status);
    return problem;
  };

  /** The `failed` event of a /build address, whose bytes go out as they are. */
  const rawBuild = (path: string): Promise<FailedEvent & { readonly status_code: number }> =>
    new Promise((resolve, reject) => {
      const { hostname, port } = new URL(world.hub.address);
      const asked = request({ hostname, port, path, agent: false }, (response) => {
        assert.equal(response.statusCode, 200, path);
        let text = '';
        response.setEncoding('utf8').on('data', (part: string) => {
          text += part;
          const data = text.split('\n').find((line) => line.startsWith('data: ') && line.includes('"failed"'));
          if (data === undefined) return;
          resolve(JSON.parse(data.slice('data: '.length)) as FailedEvent & { readonly status_code: number });
          asked.destroy();
        });
        response.on('end', () => reject(new Error(`${path} ended with ${text}`)));
      });
      asked.on('error', reject);
      asked.end();
    });

  for (const [what, spec, code, sentence] of [
    [
      'an unknown provider',
      'zenodo/10.5281%2Fzenodo.1/HEAD',
      'bad_spec',
      /No provider found for prefix "zenodo"; this hub knows gh, gist, git, gl, dir\./,
    ],
    ['a spec without a ref', 'gh/owner/plain', 'bad_spec', /names no ref; .*Did you mean "gh\/owner\/plain\/HEAD"\?/],
    ['half a spec', 'gh/owner', 'bad_spec', /is incomplete; a spec looks like gh\/<owner>\/<name>\/<ref>/],
    ['another scheme', 'git/ssh%3A%2F%2Fgit%40host%2Fx/HEAD', 'bad_spec', /is no repository of git/],
    ['a user name in an address', 'git/https%3A%2F%2Fuser%3Apass%40host%2Fx/HEAD', 'bad_spec', /holds a user name/],
    ['an option as a ref', 'gh/owner/plain/--upload-pack=x', 'bad_spec', /cannot be a ref/],
    ['a traversal as a ref', 'gh/owner/plain/refs/heads/..%2F..%2Fx', 'bad_spec', /cannot be a ref/],
    ['an over-long ref', `gh/owner/plain/${'a'.repeat(300)}`, 'bad_spec', /longer than 255 bytes/],
    [
      'a repository that is not allowed',
      'gh/somebody/else/HEAD',
      'not_allowed',
      /gh\/somebody\/else is not allowed to launch.*its owner can add "gh\/somebody\/else" to "allow"/,
    ],
    ['a folder that no one named', 'dir/etc/./HEAD', 'not_allowed', /not allowed to launch/],
    ['a repository that does not exist', 'gh/owner/absent/HEAD', 'repo_not_found', /does not exist, or is private/],
    ['a private repository', 'gh/owner/secret/HEAD', 'repo_not_found', /does not exist, or is private/],
    ['a ref that does not exist', 'gh/owner/plain/featur', 'ref_not_found', /featur/],
    ['a commit that does not exist', `gh/owner/plain/${'0'.repeat(39)}1`, 'ref_not_found', /commit/],
  ] as const)
    // prettier-ignore
    it(`${what} is ${code} with its sentence, to pages, scripts and old clients alike`, async () => {
      const failed = await failedOf(spec);
      assert.deepEqual([failed.code, failed.retryable], [code, ERRORS[code].retryable]);
      assert.match(failed.message, sentence);
      const old = await rawBuild(BINDERHUB.build(spec));
      assert.deepEqual([old.code, old.status_code], [code, ERRORS[code].status]);
      assert.match(old.message, sentence);
      if (code !== 'bad_spec' && code !== 'not_allowed') return;
      const problem = await problemOf(await world.post(spec));
      assert.equal(problem.code, code);
      assert.match(problem.detail, sentence);
    });

  it('an address of the owner’s private network that nobody named is never reached', async () => {
    const port = new URL(world.git.address).port;
    const before = world.git.requests.length;
    for (const host of [`localhost:${port}`, `[::1]:${port}`, `127.1:${port}`, `2130706433:${port}`]) {
      const spec = `git/${encodeURIComponent(`http://${host}/owner/plain`)}/HEAD`;
      const { code } = await failedOf(spec);
      assert.ok(FOR_BAD_INPUT.includes(code), `${host}: ${code}`);
    }
    assert.equal(world.git.requests.length, before);
  });

  it(
    'more than two thousand hostile specs end in an error of the list, and run nothing',
    { timeout: 120_000 },
    async () => {
      const canary = join(canaries, 'touched');
      const specs = hostileSpecs(canary);
      assert.ok(specs.length > 2_000);
      const codes = new Map<string, number>();
      const count = (code: unknown, spec: string, message: string): void => {
        assert.ok(
          isErrorCode(code) && FOR_BAD_INPUT.includes(code),
          `${JSON.stringify(spec)}: ${String(code)} ${message}`,
        );
        codes.set(code, (codes.get(code) ?? 0) + 1);
      };
      const native = async (spec: string): Promise<void> => {
        const response = await world.post(spec);
        if (response.status === 201) {
          // Only a look at the host can tell that there is no such repository or ref.
          const { id, token } = (await response.json()) as { id: string; token: string };
          const events = await fetch(`${world.hub.address}api/launches/${id}/events`, {
            headers: { authorization: `Bearer ${token}` },
          });
          const data = /^data: (.*"failed".*)$/m.exec(await events.text())?.[1] ?? '{}';
          const failed = JSON.parse(data) as Partial<FailedEvent>;
          return count(failed.code, spec, failed.message ?? '');
        }
        const problem = (await response.json()) as Problem;
        count(problem.code, spec, problem.detail);
      };
      const old = async (spec: string): Promise<void> => {
        // What no client can write into a request line does not reach the hub.
        if (/[^\u0021-\u007e]/.test(spec) || spec === '') return;
        const failed = await rawBuild(BINDERHUB.build(spec));
        count(failed.code, spec, failed.message);
      };
      const left = specs.flatMap((spec) => [() => native(spec), () => old(spec)]);
      const work = async (): Promise<void> => {
        for (let next = left.pop(); next !== undefined; next = left.pop()) await next();
      };
      await Promise.all(Array.from({ length: 16 }, work));
      assert.ok((codes.get('bad_spec') ?? 0) > 2_000, JSON.stringify([...codes]));
      await assert.rejects(access(canary));
      assert.equal((await fetch(`${world.hub.address}livez`)).status, 200);
      assert.deepEqual(await world.records(), []);
    },
  );

  it('a body that is malformed, too large or of another type is bad_spec', async () => {
    const { address } = world.hub;
    const bodies: [string, string][] = [
      ['{"spec":', 'application/json'],
      ['[]', 'application/json'],
      ['{}', 'application/json'],
      ['{"spec":"gh/owner/plain/HEAD","surprise":1}', 'application/json'],
      ['{"spec":"gh/owner/plain/HEAD","profile":"../x"}', 'application/json'],
      ['{"spec":"gh/owner/plain/HEAD","path":"../../etc/passwd"}', 'application/json'],
      [JSON.stringify({ spec: 'x'.repeat(100_000) }), 'application/json'],
      ['spec=gh/owner/plain/HEAD', 'application/x-www-form-urlencoded'],
    ];
    for (const [body, type] of bodies) {
      const response = await fetch(`${address}api/launches`, {
        method: 'POST',
        headers: { 'content-type': type },
        body,
      });
      assert.equal((await problemOf(response)).code, 'bad_spec', body.slice(0, 60));
    }
  });
});
