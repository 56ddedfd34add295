import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Clock } from '../../../server/clock.ts';
import { HubError } from '../../../server/errors.ts';
import type { GitRefClient, ListedRefs } from '../../../server/providers/git-ref-client.ts';
import { createGitRefResolver, type GitRefResolverOptions } from '../../../server/providers/git-ref-resolver.ts';

const { signal } = new AbortController();
const URL_A = 'https://a.example/o/n.git';
const commit = (digit: string): string => digit.repeat(40);

/** A resolver over a host whose answers the test gives, and a clock that it turns. */
const world = (answer: (call: number, aborted: AbortSignal) => Promise<string>, options?: GitRefResolverOptions) => {
  let nowMs = 0;
  let calls = 0;
  const warnings: Readonly<Record<string, unknown>>[] = [];
  const clock: Clock = { now: () => nowMs, monotonic: () => nowMs, sleep: () => Promise.resolve() };
  const list = async (url: string, prefixes: readonly string[], aborted: AbortSignal): Promise<ListedRefs> => {
    if (prefixes.includes('refs/heads/')) return { url, refs: [{ name: 'refs/heads/main', id: commit('1') }] };
    return { url, refs: [{ name: 'refs/heads/main', id: await answer(calls++, aborted) }] };
  };
  const client: GitRefClient = { list, locate: async (url) => url };
  const log = { warn: (fields: Readonly<Record<string, unknown>>) => void warnings.push(fields) };
  const resolver = createGitRefResolver({ client, clock, log }, options);
  return {
    resolve: (ref: string, how = signal) => resolver.resolve(URL_A, ref, how).then((found) => found.commit),
    resolver,
    pass: (durationMs: number) => (nowMs += durationMs),
    calls: () => calls,
    warnings,
  };
};

const codeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'ok',
    (error: unknown) => (error instanceof HubError ? error.code : String(error)),
  );

describe('The ref resolver', () => {
  it('asks nobody about a whole commit id, and takes nothing longer or shorter for one', async () => {
    const { resolve, calls } = world(async () => commit('1'));
    assert.equal(await resolve(commit('a')), commit('a'));
    assert.equal(await resolve('b'.repeat(64)), 'b'.repeat(64));
    assert.equal(calls(), 0);
    for (const ref of [`${commit('a')}-x`, `${commit('a')}0`, commit('A'), 'a'.repeat(39), `x${commit('a')}`])
      assert.equal(await codeOf(resolve(ref)), 'ref_not_found', ref);
    assert.equal(calls(), 5);
  });

  it('answers from memory for 60 seconds, then asks again', async () => {
    const { resolve, pass, calls } = world(async (call) => commit(String(call)));
    assert.equal(await resolve('main'), commit('0'));
    pass(59_999);
    assert.equal(await resolve('main'), commit('0'));
    pass(1);
    assert.equal(await resolve('main'), commit('1'));
    assert.equal(calls(), 2);
  });

  it('asks once for a hundred who ask at once, and goes on while one of them waits', async () => {
    let release = (): void => {};
    const gate = new Promise<void>((resolve) => (release = resolve));
    const { resolve, calls } = world(async () => gate.then(() => commit('1')));
    const impatient = new AbortController();
    const left = resolve('main', impatient.signal);
    const others = Array.from({ length: 99 }, () => resolve('main'));
    impatient.abort(new Error('left'));
    await assert.rejects(left, /left/);
    release();
    assert.deepEqual(new Set(await Promise.all(others)), new Set([commit('1')]));
    assert.equal(calls(), 1);
  });

  it('serves the last known commit while the host is in trouble, and says so in the log', async () => {
    const { resolve, pass, warnings } = world(async (call) => {
      if (call === 0) return commit('1');
      throw new HubError('host_down', 'down');
    });
    await resolve('main');
    pass(3_600_000);
    assert.equal(await resolve('main'), commit('1'));
    assert.deepEqual(
      warnings.map(({ stale, ageMs, code }) => ({ stale, ageMs, code })),
      [{ stale: true, ageMs: 3_600_000, code: 'host_down' }],
    );
  });

  it('does not serve a commit that its repository has lost', async () => {
    const { resolve, pass } = world(async (call) => {
      if (call === 0) return commit('1');
      throw new HubError('repo_not_found', 'gone');
    });
    await resolve('main');
    pass(60_000);
    assert.equal(await codeOf(resolve('main')), 'repo_not_found');
  });

  it('leaves a host alone that asked for it, until the time that it gave', async () => {
    const { resolve, pass, calls } = world(async () => {
      throw new HubError('host_limited', 'slow down', { retryAfterMs: 30_000 });
    });
    assert.equal(await codeOf(resolve('main')), 'host_limited');
    assert.equal(await codeOf(resolve('other')), 'host_limited');
    assert.equal(calls(), 1);
    pass(30_000);
    assert.equal(await codeOf(resolve('other')), 'host_limited');
    assert.equal(calls(), 2);
  });

  it('remembers what is absent for 10 seconds', async () => {
    const { resolve, pass, calls } = world(async () => commit('1'));
    for (let i = 0; i < 3; i += 1) assert.equal(await codeOf(resolve('mian')), 'ref_not_found');
    assert.equal(calls(), 1);
    pass(10_000);
    assert.equal(await codeOf(resolve('mian')), 'ref_not_found');
    assert.equal(calls(), 2);
  });

  it('keeps a bounded number of answers', async () => {
    const { resolver, calls } = world(async () => commit('1'), { maxEntries: 10 });
    for (let i = 0; i < 30; i += 1) await resolver.resolve(`https://a.example/${i}`, 'main', signal);
    await resolver.resolve('https://a.example/29', 'main', signal);
    assert.equal(calls(), 30);
    await resolver.resolve('https://a.example/0', 'main', signal);
    assert.equal(calls(), 31);
  });

  it('gives up on a host that hangs, and stops the look-up', async () => {
    let stopped = false;
    const { resolve } = world(
      (_, aborted) =>
        new Promise((__, reject) => {
          aborted.addEventListener('abort', () => {
            stopped = true;
            reject(aborted.reason);
          });
        }),
      { timeoutMs: 40 },
    );
    await assert.rejects(resolve('main'), (error) => error instanceof HubError && error.code === 'host_down');
    assert.ok(stopped);
  });
});
