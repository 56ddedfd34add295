import { LiveleafError } from '../sdk/errors.ts';
import type { KernelConnection, Server } from '../sdk/kernel.ts';
import type { Launch } from '../sdk/launch.ts';
import { reduceProgress, type LaunchProgress } from './launch-progress.ts';
import { specOf, type PageConfig } from './page/config.ts';
import type { PageParts, SavedServers } from './parts.ts';

const NOTHING: SavedServers = {
  load: () => Promise.resolve(undefined),
  save: () => undefined,
  forget: () => undefined,
};

/** Where a page's server is remembered; a bare Jupyter server counts as always saved. */
export const savedServers = (config: PageConfig, parts: PageParts): SavedServers => {
  const { hub, server } = config;
  const spec = specOf(config);
  if (server) {
    const forEver = { expiresAt: Number.POSITIVE_INFINITY, idleTimeoutMs: Number.POSITIVE_INFINITY };
    return { ...NOTHING, load: () => Promise.resolve({ kind: 'jupyter', ...server, ...forEver, session: '' }) };
  }
  return hub === undefined || spec === undefined ? NOTHING : parts.savedServers({ hub, spec });
};

export interface ReachOptions {
  readonly config: PageConfig;
  readonly parts: PageParts;
  /** The server that this page used before. */
  readonly server: Server | undefined;
  /** Aborted when nobody waits any more; what was reached then is for the caller to let go. */
  readonly signal: AbortSignal;
  show(change: (before: LaunchProgress) => LaunchProgress): void;
  onLaunch(launch: Launch): void;
}

/** From nothing to a kernel: over the server of before, else a saved one, else a launch. Rejects with LiveleafError. */
export const reachKernel = async (options: ReachOptions): Promise<{ kernel: KernelConnection; server: Server }> => {
  const { config, parts, signal, show } = options;
  const named = {
    ...(config.kernel === undefined ? {} : { name: config.kernel }),
    ...(config.path === undefined ? {} : { path: config.path }),
  };
  const saved = savedServers(config, parts);
  const running = options.server ?? (await saved.load());
  signal.throwIfAborted();
  if (running) {
    show((before) => ({ ...before, phase: 'connecting' }));
    try {
      return { kernel: await parts.connectKernel(running, named), server: running };
    } catch (error) {
      if (config.server) throw error;
      // What was saved is gone: a launch brings a new one.
      saved.forget();
      signal.throwIfAborted();
      show((before) => ({ ...before, phase: 'waiting' }));
    }
  }
  const server = await launched(options);
  signal.throwIfAborted();
  saved.save(server);
  show((before) => ({ ...before, phase: 'connecting', reconnecting: false }));
  return { kernel: await parts.connectKernel(server, named), server };
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
