import { SavedServers, type SavedServerScope } from '../sdk/saved-server.ts';
import { globalWorld } from '../sdk/world.ts';

/** The tab's memory of running servers, in a file of its own that is loaded when there is something to read or write. */
export const openSavedServers = (scope: SavedServerScope): SavedServers => new SavedServers(globalWorld(), scope);

// Whoever remembers a server connects to its kernel: one file for both.
export { connectJupyterKernel } from '../sdk/jupyter-kernel.ts';
