import type { ProviderId } from '../../sdk/contract/index.ts';
import type { Clock } from '../clock.ts';
import { createDirProvider, type DirProviderParts } from './dir-provider.ts';
import { GIT_HOSTS, type GitHostKind } from './git-hosts.ts';
import { createGitProvider } from './git-provider.ts';
import type { GitRefClient } from './git-ref-client.ts';
import { createGitRefResolver, type ProviderLog } from './git-ref-resolver.ts';
import type { RepoProvider } from './repo-provider.ts';

export interface ProvidersConfig {
  /** Another host for a kind, `github.example.org` or an origin; default the public one. */
  readonly providers?: Partial<Record<Exclude<GitHostKind['id'], 'git'>, { readonly host?: string }>>;
  /** Roots of the `dir` provider by name; default none. */
  readonly dirs?: Readonly<Record<string, string>>;
}

export interface ProvidersParts {
  readonly client: GitRefClient;
  readonly content: DirProviderParts['content'];
  readonly clock: Clock;
  readonly log: ProviderLog;
}

/** Every provider of this hub, in the order in which a link maker shows them. */
export const createProviders = (
  config: ProvidersConfig,
  parts: ProvidersParts,
): ReadonlyMap<ProviderId, RepoProvider> => {
  const resolver = createGitRefResolver(parts);
  const { providers = {}, dirs = {} } = config;
  const list: readonly RepoProvider[] = [
    createGitProvider(GIT_HOSTS.gh, resolver, providers.gh?.host),
    createGitProvider(GIT_HOSTS.gist, resolver, providers.gist?.host),
    createGitProvider(GIT_HOSTS.git, resolver),
    createGitProvider(GIT_HOSTS.gl, resolver, providers.gl?.host),
    createDirProvider({ dirs, content: parts.content }),
  ];
  return new Map(list.map((provider) => [provider.id, provider]));
};
