import { LiveleafError } from '../sdk/errors.ts';
import type { KernelConnection, Server } from '../sdk/kernel.ts';
import type { Launch } from '../sdk/launch.ts';
import type { SavedServer } from '../sdk/saved-server.ts';
import { reduceProgress, type LaunchProgress } from './launch-progress.ts';
import { specOf, type PageConfig } from './page/config.ts';
import type { PageParts, ServerMemory } from './parts.ts';

const NOTHING: ServerMemory = { load: async () => undefined, save: () => undefined, forget: () => undefined };

/** Where a page's server is remembered; a bare Jupyter server counts as always there. */
export const memoryOf = (config: PageConfig, parts: PageParts): ServerMemory => {
  const { hub, server } = config;
  const spec = specOf(config);
  if (server) {
    const bare: Server = { kind: 'jupyter', ...server, expiresAt: Infinity, idleTimeoutMs: Infinity, session: '' };
    return { ...NOTHING, load: async () => ({ server: bare }) };
  }
  return hub === undefined || spec === undefined ? NOTHING : parts.memory({ hub, spec });
};

export interface ReachOptions {
  readonly config: PageConfig;
  readonly parts: PageParts;
  /** The server that this page used before. */
  readonly before: SavedServer | undefined;
  /** Aborted when nobody waits any more; what was reached then is for the caller to let go. */
  readonly signal: AbortSignal;
  show(change: (before: LaunchProgress) => LaunchProgress): void;
  onLaunch(launch: Launch): void;
}

export interface Reached {
  readonly kernel: KernelConnection;
  readonly server: Server;
}

/** From nothing to a kernel: over the server of before, else a remembered one, else a launch. Rejects with LiveleafError. */
export const reachKernel = async (options: ReachOptions): Promise<Reached> => {
  const { config, parts, signal, show } = options;
  const memory = memoryOf(config, parts);
  const connect = async ({ server, clientId }: SavedServer): Promise<Reached> => {
    show((before) => ({ ...before, phase: 'connecting', reconnecting: false }));
    const kernel = await parts.connectKernel(server, {
      signal,
      ...(config.kernel === undefined ? {} : { kernelName: config.kernel }),
      ...(config.path === undefined ? {} : { path: config.path }),
      ...(clientId === undefined ? {} : { clientId }),
    });
    // The next page goes on in the same kernel.
    const { id, name } = kernel;
    memory.save({ server: { ...server, kernel: { id, name } }, clientId: kernel.clientId });
    return { kernel, server };
  };
  const running = options.before ?? (await memory.load());
  signal.throwIfAborted();
  if (running) {
    try {
      return await connect(running);
    } catch (error) {
      signal.throwIfAborted();
      const { kernel, ...server } = running.server;
      // The server may have outlived its kernel.
      if (kernel && LiveleafError.isInstance(error) && error.code === 'kernel_dead') return connect({ server });
      if (config.server) throw error;
      // What was remembered is gone: a launch brings a new one.
      memory.forget();
      show((before) => ({ ...before, phase: 'waiting' }));
    }
  }
  return connect({ server: await launched(options) });
};

const launched = async ({ config, parts, signal, show, onLaunch }: ReachOptions): Promise<Server> => {
  const { hub, kernel, path } = config;
  const spec = specOf(config);
  if (hub === undefined || spec === undefined) {
    const missing = hub === undefined ? 'hub; add data-hub="https://…"' : 'repository; add data-repo="gh/owner/name"';
    throw new LiveleafError('bad_spec', `This page names no ${missing} to its script tag.`);
  }
  const launch = parts.launch(spec, {
    hub,
    signal,
    ...(kernel === undefined ? {} : { kernel }),
    ...(path === undefined ? {} : { path }),
  });
  onLaunch(launch);
  launch.onConnection((state) => show((before) => ({ ...before, reconnecting: state === 'reconnecting' })));
  for await (const event of launch) {
    signal.throwIfAborted();
    show((before) => ({ ...reduceProgress(before, event), reconnecting: false }));
  }
  return launch.server;
};
