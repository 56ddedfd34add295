import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { HubError } from '../../../server/errors.ts';
import { createAddressPolicy } from '../../../server/network/address-policy.ts';
import type { Connect } from '../../../server/network/bounded-request.ts';
import { createGitRefClient } from '../../../server/providers/git-ref-client.ts';
import { FORBIDDEN_ANSWERS, FORBIDDEN_HOSTS } from '../../helpers/address-spellings.ts';
import { startGitServer, type GitServer } from '../../helpers/git-server.ts';

const { signal } = new AbortController();
const SERVICE = '/info/refs?service=git-upload-pack';

const failure = async (work: Promise<unknown>): Promise<HubError> => {
  const error = await work.then(
    () => assert.fail('should have failed'),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof HubError, String(error));
  return error;
};

/** Makes connections, and notes what would be dialled, without dialling. */
const spy =
  (dialled: string[]): Connect =>
  (target) => ({
    request: () => {
      dialled.push(...target.addresses.map(({ address }) => `${target.host} ${address}`));
      return Promise.reject(new Error('not dialled in this test'));
    },
    destroy: () => Promise.resolve(),
  });

for (const oldProtocol of [false, true]) {
  describe(`The ref client against a host that speaks ${oldProtocol ? 'the old protocol' : 'version 2'}`, () => {
    let server: GitServer;
    const client = createGitRefClient({ policy: createAddressPolicy({ private: ['127.0.0.1'] }), maxBytes: 100_000 });
    before(async () => {
      server = await startGitServer({
        repos: { 'o/n': { a: 'a' }, 'o/hidden': { a: 'a' } },
        private: ['o/hidden'],
        oldProtocol,
      });
      await server.commit('o/n', { b: 'b' }, 'x/main');
      await server.git('o/n', '-c', 'user.name=t', '-c', 'user.email=t@example.org', 'tag', '-am', 'one', 'v1', 'main');
    });
    after(() => server.close());

    it('lists the refs below the prefixes, with annotated tags peeled', async () => {
      const main = await server.git('o/n', 'rev-parse', 'main');
      const tag = await server.git('o/n', 'rev-parse', 'v1');
      const { refs, url } = await client.list(`${server.address}/o/n.git/`, ['refs/heads/main', 'refs/tags/'], signal);
      assert.equal(url, server.url('o/n'));
      assert.deepEqual(refs, [
        { name: 'refs/heads/main', id: main },
        { name: 'refs/tags/v1', id: tag, peeled: main },
      ]);
    });

    it('follows a redirect of the same host and says where it leads', async () => {
      server.fault('o/old', { kind: 'redirect', location: `/o/n.git${SERVICE}` });
      assert.equal(await client.locate(server.url('o/old'), signal), server.url('o/n'));
    });

    it('never follows a redirect to an address that must not be reached', async () => {
      for (const location of ['http://127.0.0.2:1', 'http://[::1]', 'http://169.254.169.254', 'https://10.0.0.1']) {
        server.fault('o/old', { kind: 'redirect', location: `${location}/x${SERVICE}` });
        assert.equal((await failure(client.list(server.url('o/old'), ['HEAD'], signal))).code, 'policy', location);
      }
      for (const location of ['ftp://127.0.0.1/x', 'file:///etc/passwd', 'ext::sh']) {
        server.fault('o/old', { kind: 'redirect', location: `${location}${SERVICE}` });
        assert.equal((await failure(client.list(server.url('o/old'), ['HEAD'], signal))).code, 'bad_spec', location);
      }
    });

    it('gives up on redirects without end and on those that lead to a page', async () => {
      server.fault('o/old', { kind: 'redirect', location: `/o/old.git${SERVICE}` });
      assert.equal((await failure(client.list(server.url('o/old'), ['HEAD'], signal))).code, 'host_down');
      server.fault('o/old', { kind: 'redirect', location: '/login' });
      assert.equal((await failure(client.list(server.url('o/old'), ['HEAD'], signal))).code, 'repo_not_found');
    });

    it('tells an absent or private repository from a host in trouble', async () => {
      const statusOf = async (status: number, headers?: Record<string, string>): Promise<HubError> => {
        server.fault('o/odd', { kind: 'status', status, ...(headers === undefined ? {} : { headers }) });
        return failure(client.list(server.url('o/odd'), ['HEAD'], signal));
      };
      assert.equal((await failure(client.list(server.url('o/absent'), ['HEAD'], signal))).code, 'repo_not_found');
      assert.equal((await failure(client.list(server.url('o/hidden'), ['HEAD'], signal))).code, 'repo_not_found');
      for (const status of [401, 403, 404, 410]) assert.equal((await statusOf(status)).code, 'repo_not_found');
      for (const status of [500, 502, 503]) assert.equal((await statusOf(status)).code, 'host_down');
      assert.equal((await statusOf(200)).code, 'repo_not_found');
      assert.deepEqual([(await statusOf(429, { 'retry-after': '7' })).retryAfterMs], [7_000]);
      assert.equal((await statusOf(429)).retryAfterMs, 60_000);
      assert.equal((await statusOf(403, { 'x-ratelimit-remaining': '0' })).code, 'host_limited');
    });

    it('stops reading a list without end at its bound', async () => {
      server.fault('o/huge', { kind: 'huge' });
      assert.equal((await failure(client.list(server.url('o/huge'), ['HEAD'], signal))).code, 'clone_limit');
    });

    it('stops waiting for a host that hangs when told to', async () => {
      server.fault('o/hang', { kind: 'hang' });
      const stop = new AbortController();
      const waiting = client.list(server.url('o/hang'), ['HEAD'], stop.signal);
      setTimeout(() => stop.abort(new Error('enough')), 50);
      await assert.rejects(waiting);
    });
  });
}

describe('The ref client', () => {
  it('dials none of the forbidden addresses, however they are spelled', async () => {
    const dialled: string[] = [];
    const client = createGitRefClient({ policy: createAddressPolicy({}, async () => []), connect: spy(dialled) });
    for (const host of FORBIDDEN_HOSTS) {
      const { code } = await failure(client.list(`https://${host}/o/n.git`, ['HEAD'], signal));
      assert.ok(code === 'policy' || code === 'bad_spec', `${host}: ${code}`);
    }
    for (const answer of FORBIDDEN_ANSWERS) {
      const policy = createAddressPolicy({}, async () => ['140.82.121.3', answer]);
      const named = createGitRefClient({ policy, connect: spy(dialled) });
      assert.equal((await failure(named.list('https://a.example/o/n.git', ['HEAD'], signal))).code, 'policy', answer);
    }
    assert.deepEqual(dialled, []);
  });

  it('dials what was checked when a name changes its answer between two look-ups', async () => {
    const dialled: string[] = [];
    let asked = 0;
    const policy = createAddressPolicy({}, async () => (asked++ === 0 ? ['140.82.121.3'] : ['127.0.0.1']));
    const client = createGitRefClient({ policy, connect: spy(dialled) });
    const look = () => failure(client.list('https://rebind.example/o/n.git', ['HEAD'], signal));
    assert.equal((await look()).code, 'host_down');
    assert.equal((await look()).code, 'policy');
    assert.deepEqual(dialled, ['rebind.example 140.82.121.3']);
    assert.equal(asked, 2);
  });

  it('reaches a host by the checked address alone, without a resolver', async () => {
    const server = await startGitServer({ repos: { 'o/n': { a: 'a' } } });
    try {
      const policy = createAddressPolicy({ private: [`git.test:${server.port}`] }, async () => ['127.0.0.1']);
      const { refs } = await createGitRefClient({ policy }).list(
        `http://git.test:${server.port}/o/n.git`,
        ['HEAD'],
        signal,
      );
      assert.equal(refs.length, 1);
    } finally {
      await server.close();
    }
  });
});
