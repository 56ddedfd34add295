import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseRepoSpec } from '../../../sdk/contract/index.ts';
import { HubError } from '../../../server/errors.ts';
import { createAllowList } from '../../../server/launches/allow-list.ts';

const allows = (patterns: readonly string[], spec: string): boolean => {
  try {
    createAllowList(patterns).check(parseRepoSpec(spec));
    return true;
  } catch (error) {
    assert.ok(error instanceof HubError);
    assert.equal(error.code, 'not_allowed');
    return false;
  }
};

describe('the allow list', () => {
  it('allows what a pattern names and nothing that only looks like it', () => {
    for (const [pattern, spec, allowed] of [
      ['gh/owner/name', 'gh/owner/name/main', true],
      ['gh/owner/name', 'gh/Owner/Name/main', true],
      ['gh/owner/name', 'gh/owner/name2/main', false],
      ['gh/owner/name', 'gh/xowner/name/main', false],
      ['gh/owner/*', 'gh/owner/anything/main', true],
      ['gh/owner/*', 'gh/owner2/anything/main', false],
      ['gh/*', 'gl/owner%2Fname/main', false],
      ['gh/owner/na.e', 'gh/owner/name/main', false],
      ['git/https://example.org/*', 'git/https%3A%2F%2Fexample.org%2Fa.git/main', true],
      ['git/https%3A%2F%2Fexample.org%2Fa.git', 'git/https%3A%2F%2Fexample.org%2Fa.git/main', true],
      ['git/https://example.org/*', 'git/https%3A%2F%2Fexample.org.evil.com%2Fa.git/main', false],
      ['gl/group/*', 'gl/group%2Fsub%2Fproject/main', true],
      ['dir/docs/*', 'dir/docs/./HEAD', true],
      ['dir/docs/*', 'dir/other/./HEAD', false],
      ['*', 'gist/user/0123abc/HEAD', true],
    ] as const)
      assert.equal(allows([pattern], spec), allowed, `${pattern} ${spec}`);
    assert.equal(allows([], 'gh/owner/name/main'), false);
  });

  it('says what is allowed and how to allow more', () => {
    assert.throws(() => createAllowList(['gh/a/*']).check(parseRepoSpec('gh/b/c/main')), {
      message:
        /^Sorry, gh\/b\/c is not allowed to launch\. This hub runs gh\/a\/\*; its owner can add "gh\/b\/c" to "allow"/,
    });
  });
});
