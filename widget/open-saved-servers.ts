import { SavedServers, type SavedServerScope } from '../sdk/saved-server.ts';
import { globalWorld } from '../sdk/world.ts';

const opened = new Map<string, SavedServers>();

/** The tab's memory of running servers, one for each scope, in a file of its own that is loaded when there is something to read or write. */
export const openSavedServers = (scope: SavedServerScope): SavedServers => {
  const name = JSON.stringify(scope);
  const servers =
    opened.get(name) ?? new SavedServers(globalWorld(), scope, (listener) => addEventListener('pagehide', listener));
  opened.set(name, servers);
  return servers;
};

// Whoever remembers a server connects to its kernel: one file for both.
export { connectJupyterKernel } from '../sdk/jupyter-kernel.ts';
