import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { repoSpec } from '../../../sdk/contract/index.ts';
import { base32 } from '../../../server/environments/environment-key.ts';
import { HubError } from '../../../server/errors.ts';
import {
  binderHubImage,
  binderHubSlug,
  environmentImage,
  environmentKeyOf,
} from '../../../server/registry/image-names.ts';

const key = fc.uint8Array({ minLength: 32, maxLength: 32 }).map(base32);

describe('The names of images', () => {
  it('of environments carry the key, which can be read back from them', () => {
    const prefix = fc.constantFrom('', 'liveleaf/', 'team/liveleaf-', 'a/b/c/');
    fc.assert(
      fc.property(prefix, key, (before, given) => {
        const { repository, tag } = environmentImage(before, given, '20261125t101500-abcd');
        assert.equal(environmentKeyOf(before, repository), given);
        assert.equal(tag, '20261125t101500-abcd');
        assert.equal(environmentKeyOf('other/', repository), undefined);
      }),
    );
    assert.equal(environmentKeyOf('liveleaf/', 'liveleaf/env-short'), undefined);
    assert.equal(environmentKeyOf('liveleaf/', 'liveleaf/session'), undefined);
  });

  it('refuse a prefix that no registry takes', () => {
    for (const prefix of ['Upper/', '/a/', 'a//', '../', 'a b/', 'a'.repeat(250)])
      assert.throws(() => environmentImage(prefix, 'k'.repeat(52), '1'), HubError, prefix);
  });

  /** Made with BinderHub's own `_safe_build_slug` (commit b9fad99) and escapism 1.0.1. */
  it('that BinderHub has made are recognised', () => {
    const commit = '1479e0252b2e648bb755ee913292b79495931717';
    for (const [prefix, slug, ref, repository, tag] of [
      [
        'gcr.io/project/prefix-',
        'binder-examples-octave',
        commit,
        'project/prefix-binder-2dexamples-2doctave-03025a',
        commit,
      ],
      ['10.0.0.1:5000/binder_', 'zenodo-3242074', '3242074', 'binder-zenodo-2d3242074-b993d2', '3242074'],
      [
        '',
        'https://github.com/binderhub-ci-repos/cached-minimal-dockerfile',
        commit,
        'https-3a-2f-2fgithub-2ecom-2fbinderhub-2dci-2drepos-2fcached-2dminimal-2ddockerfile-f3b374',
        commit,
      ],
      ['user/x-', 'Grüppe-Ünder_score\n', 'HEAD_1', 'user/x-gr-c3-bcppe-2d-c3-9cnder-5fscore-a-d76cc4', 'head-1'],
      ['localhost:5000/a/b-', 'x'.repeat(300), 'abc', `a/b-${'x'.repeat(229)}-0d4e2c`, 'abc'],
    ] as const)
      // prettier-ignore
      assert.deepEqual(binderHubImage(prefix, slug, ref), { repository, tag });
  });

  it('hold the repository as BinderHub’s provider calls it', () => {
    assert.equal(binderHubSlug(repoSpec('gh', 'binder-examples/octave')), 'binder-examples-octave');
    assert.equal(binderHubSlug(repoSpec('gl', 'my-group/sub/a-b')), 'my_-group-sub-a_-b');
    assert.equal(binderHubSlug(repoSpec('gist', 'user/0123abcd')), '0123abcd');
    assert.equal(binderHubSlug(repoSpec('git', 'https://example.org/a.git')), 'https://example.org/a.git');
    assert.equal(binderHubSlug(repoSpec('dir', 'docs/.')), undefined);
  });
});
