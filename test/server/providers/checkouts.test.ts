import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseRepoSpec, type ProviderId } from '../../../sdk/contract/index.ts';
import { withCheckouts } from '../../../server/providers/checkouts.ts';
import type { RepoProvider, ResolvedRepo } from '../../../server/providers/repo-provider.ts';

const asked: string[] = [];

const provider = (id: ProviderId): RepoProvider => ({
  id,
  display: {
    id,
    displayName: id,
    spec: { validateRegex: '' },
    repo: { label: '', placeholder: '' },
    ref: { enabled: true },
  },
  resolve: async (spec): Promise<ResolvedRepo> => {
    asked.push(`${id}:${spec.repo}@${spec.ref}`);
    return {
      spec,
      resolvedRef: id,
      source:
        id === 'dir' ? { kind: 'dir', folder: spec.repo, digest: id } : { kind: 'git', url: spec.repo, commit: id },
      repoUrl: '',
      refUrl: '',
    };
  },
});

const providers = new Map<ProviderId, RepoProvider>((['gh', 'git', 'dir'] as const).map((id) => [id, provider(id)]));
const { signal } = new AbortController();
const resolve = (map: ReadonlyMap<ProviderId, RepoProvider>, text: string) => {
  const spec = parseRepoSpec(text);
  asked.length = 0;
  return map.get(spec.provider)!.resolve(spec, signal);
};

describe('checkouts', () => {
  const served = withCheckouts(providers, { 'gh/Owner/Book': 'mine/book' });

  it('serve a listed repository from its folder, whatever the ref and case, and keep the spec that was asked for', async () => {
    const resolved = await resolve(served, 'gh/owner/book/some/branch');
    assert.deepEqual(asked, ['dir:mine/book@HEAD']);
    assert.equal(resolved.source.kind, 'dir');
    assert.deepEqual(resolved.spec, { provider: 'gh', repo: 'owner/book', ref: 'some/branch' });
  });

  it('leave every other repository to its host', async () => {
    await resolve(served, 'gh/owner/other/HEAD');
    assert.deepEqual(asked, ['gh:owner/other@HEAD']);
    await resolve(served, 'dir/mine/book/HEAD');
    assert.deepEqual(asked, ['dir:mine/book@HEAD']);
  });

  it('say so where no folders are served', async () => {
    const without = withCheckouts(new Map([...providers].filter(([id]) => id !== 'dir')), {
      'gh/owner/book': 'mine/book',
    });
    await assert.rejects(resolve(without, 'gh/owner/book/HEAD'), /serves no folders/);
  });
});
