import type { KernelConnection, Server } from './kernel.ts';
import type { World } from './world.ts';

export interface ConnectKernelOptions {
  /** The client id of an earlier page load, which then receives what was sent meanwhile; default a new one. */
  readonly clientId?: string;
  /** The kernel to start where the server names none; default `python3`. */
  readonly kernelName?: string;
  /** The notebook whose kernel is found or started, and whose folder it works in; default `liveleaf.ipynb`. */
  readonly path?: string;
  /** Stops waiting for the connection. */
  readonly signal?: AbortSignal;
  /** Default the real one. */
  readonly world?: World;
}

/** Loads what `connectKernel` needs, for who knows that it will be called soon. */
export const loadKernel = () => import('./jupyter-kernel.ts');

/**
 * Connects to the kernel that the server names, else to the one that runs for `path`, which is started if there is none.
 * Loads what it needs on the first call. Rejects with LiveleafError `kernel_dead`, `session_lost`, `expired`,
 * `session_crashed` or `offline`, or with the signal's reason.
 */
export const connectKernel = async (server: Server, options: ConnectKernelOptions = {}): Promise<KernelConnection> => {
  const { connectJupyterKernel } = await loadKernel();
  return connectJupyterKernel(server, options);
};
