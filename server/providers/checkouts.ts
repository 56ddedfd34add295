import { DEFAULT_REF, formatRepo, repoSpec, type ProviderId } from '../../sdk/contract/index.ts';
import { HubError } from '../errors.ts';
import type { RepoProvider } from './repo-provider.ts';

/** Repositories that are served from a folder, as `formatRepo` writes them: `{ 'gh/owner/name': 'root/path' }`. */
export type Checkouts = Readonly<Record<string, string>>;

/** Code hosts take names in any case. */
const sameName = (repo: string): string => repo.toLowerCase();

/**
 * Lets an author's working copy stand in for the repository that it is of, whatever the ref: pages that name
 * `gh/owner/name` can be tried before anything is pushed. Repositories that are not listed resolve as before.
 */
export const withCheckouts = (
  providers: ReadonlyMap<ProviderId, RepoProvider>,
  checkouts: Checkouts,
): ReadonlyMap<ProviderId, RepoProvider> => {
  const folders = new Map(Object.entries(checkouts).map(([repo, folder]) => [sameName(repo), folder]));
  if (folders.size === 0) return providers;
  const standIn = (provider: RepoProvider): RepoProvider => ({
    ...provider,
    resolve: async (spec, signal) => {
      const folder = folders.get(sameName(formatRepo(spec)));
      if (folder === undefined) return provider.resolve(spec, signal);
      const dir = providers.get('dir');
      if (dir === undefined)
        throw new HubError('bad_spec', 'This hub serves no folders; list "dir" among its providers.');
      return { ...(await dir.resolve(repoSpec('dir', folder, DEFAULT_REF), signal)), spec };
    },
  });
  return new Map([...providers].map(([id, provider]) => [id, id === 'dir' ? provider : standIn(provider)]));
};
