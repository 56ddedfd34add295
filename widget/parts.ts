import type { KernelConnection, Server } from '../sdk/kernel.ts';
import type { LaunchFunction } from '../sdk/launch.ts';
import type { SavedServer } from '../sdk/saved-server.ts';

/** Where a tab remembers its running server. */
export interface ServerMemory {
  /** The server of an earlier page, if it still answers. */
  load(): Promise<SavedServer | undefined>;
  save(saved: SavedServer): void;
  forget(): void;
}

export interface KernelWish {
  readonly kernelName?: string;
  readonly path?: string;
  /** The connection's id on an earlier page. */
  readonly clientId?: string;
  readonly signal?: AbortSignal;
}

/** Everything outside the page that its controller talks to; tests put fakes in its place. */
export interface PageParts {
  readonly launch: LaunchFunction;
  connectKernel(server: Server, wish: KernelWish): Promise<KernelConnection>;
  memory(scope: { readonly hub: string; readonly spec: string }): ServerMemory;
  /** Milliseconds, steadily rising. */
  now(): number;
}
