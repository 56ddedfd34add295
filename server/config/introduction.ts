import type { Addresses } from './addresses.ts';
import type { Config } from './config.ts';

/** What the hub says of itself at its start, in plain words: what may run, for whom, and what keeps it apart. */
export const introduction = (
  config: Config,
  addresses: Pick<Addresses, 'sessions'>,
  isolation: readonly string[],
): readonly string[] => {
  const folders = Object.entries(config.dirs).map(([name, folder]) => `dir/${name} (${folder})`);
  const allowed = [...folders, ...config.allow];
  const origins = config.origins.length === 0 ? '' : `, and by pages of ${config.origins.join(', ')}`;
  const { private: reachable } = config.network;
  return [
    allowed.length === 0
      ? 'Nothing may run yet: name repositories with --allow gh/owner/name, or folders with --dir name=path.'
      : `May run: ${allowed.join(', ')}.`,
    `May be used by the hub’s own pages${origins}.`,
    ...(reachable.length > 0 ? [`May fetch from your own network: ${reachable.join(', ')}.`] : []),
    ...isolation,
    `Sessions are reached at ${addresses.sessions}.`,
  ];
};
