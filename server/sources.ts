import { indexFromVariables, type IndexOptions } from './builders/build-environment.ts';
import { systemClock } from './clock.ts';
import type { Config } from './config/config.ts';
import { createContentStore, type KeptContentStore } from './content/content-store.ts';
import type { Log } from './log.ts';
import { createAddressPolicy } from './network/address-policy.ts';
import { withCheckouts } from './providers/checkouts.ts';
import { createGitRefClient } from './providers/git-ref-client.ts';
import { createProviders } from './providers/providers.ts';
import type { RepoProvider } from './providers/repo-provider.ts';
import type { StateFolder } from './state/state-folder.ts';

/** Where repositories come from and how their files are had; the same wherever they then run. */
export interface Sources {
  readonly providers: readonly RepoProvider[];
  readonly content: KeptContentStore;
}

/** Makes the providers of a configuration and the store of what they name, taking over what an earlier hub fetched. */
export const createSources = async (
  config: Config,
  state: StateFolder,
  log: Log,
  searchPath: string | undefined,
): Promise<Sources> => {
  const clock = systemClock;
  const network = createAddressPolicy({ private: config.network.private });
  const client = createGitRefClient({ policy: network });
  const content = createContentStore({
    state,
    network,
    clock,
    locate: (url, signal) => client.locate(url, signal),
    ...(searchPath === undefined ? {} : { searchPath }),
  });
  await content.endOrphans();
  const { enabled, checkouts, gh, gl, gist } = config.providers;
  const all = createProviders(
    { providers: { gh, gl, gist } as Parameters<typeof createProviders>[0]['providers'], dirs: config.dirs },
    { client, content, clock, log },
  );
  const providers = [...withCheckouts(all, checkouts).values()].filter(({ id }) => enabled.includes(id));
  return { providers, content };
};

/** The owner's package indexes: what the configuration names, else what the machine's variables do. */
export const indexOptions = (
  { environments }: Config,
  env: Readonly<Record<string, string | undefined>>,
): IndexOptions => {
  const { defaultIndex, extraIndexes, findLinks, insecureHosts } = environments;
  return {
    ...indexFromVariables(env),
    ...(defaultIndex === undefined ? {} : { defaultIndex }),
    ...(extraIndexes.length > 0 ? { extraIndexes } : {}),
    ...(findLinks.length > 0 ? { findLinks } : {}),
    ...(insecureHosts.length > 0 ? { insecureHosts } : {}),
  };
};
