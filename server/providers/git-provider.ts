import type { GitHostKind } from './git-hosts.ts';
import type { GitRefResolver } from './git-ref-resolver.ts';
import type { RepoProvider } from './repo-provider.ts';

/**
 * A provider of one kind of git host. `host` is a name such as `github.example.org`, or an origin
 * (`http://127.0.0.1:3000`) where it is not https's own port; default: the public host of that kind.
 */
export const createGitProvider = (kind: GitHostKind, resolver: GitRefResolver, host?: string): RepoProvider => {
  const named = (host ?? kind.defaultHost).replace(/\/+$/, '');
  const origin = named === '' || /^https?:\/\//.test(named) ? named : `https://${named}`;
  return {
    id: kind.id,
    display: { id: kind.id, ...kind.display(origin) },
    resolve: async (spec, signal) => {
      const { url, commit } = await resolver.resolve(kind.cloneUrl(origin, spec.repo), spec.ref, signal);
      return {
        spec,
        resolvedRef: commit,
        source: { kind: 'git', url, commit },
        repoUrl: kind.repoUrl(origin, spec.repo),
        refUrl: kind.refUrl(origin, spec.repo, commit),
      };
    },
  };
};
