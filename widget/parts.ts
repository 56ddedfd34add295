import type { KernelConnection, Server } from '../sdk/kernel.ts';
import type { LaunchFunction } from '../sdk/launch.ts';

/** A running server that an earlier page of this tab left behind. */
export interface SavedServers {
  /** The saved server, if it still answers. */
  load(): Promise<Server | undefined>;
  save(server: Server): void;
  forget(): void;
}

/** Everything outside the page that its controller talks to; tests put fakes in its place. */
export interface PageParts {
  readonly launch: LaunchFunction;
  connectKernel(server: Server, kernel: { readonly name?: string; readonly path?: string }): Promise<KernelConnection>;
  savedServers(key: { readonly hub: string; readonly spec: string }): SavedServers;
  /** Milliseconds, steadily rising. */
  now(): number;
}
