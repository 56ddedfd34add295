import type { ReceivedEvent, RepoSpec } from './contract/index.ts';
import type { Server } from './kernel.ts';

export interface LaunchOptions {
  /** The hub's address; a page on the web needs https. */
  readonly hub: string;
  /** Which protocol the hub speaks; default `auto`: ours where `/versions` says so, else BinderHub's. */
  readonly api?: 'auto' | 'liveleaf' | 'binderhub';
  readonly kernel?: string;
  readonly path?: string;
  readonly profile?: string;
  /** Stops waiting; the launch goes on. */
  readonly signal?: AbortSignal;
}

/** A launch under way: iterate it once for its events, await `server` for its end. */
export interface Launch extends AsyncIterable<ReceivedEvent> {
  /** Rejects with LiveleafError. Handled inside, so that a caller that only iterates gets no unhandled rejection. */
  readonly server: Promise<Server>;
  /** Calls back when the stream is cut and when it goes on. Returns how to stop. */
  onConnection(listener: (state: 'open' | 'reconnecting', attempt: number) => void): () => void;
  /** Stops the launch itself, on the hub. */
  cancel(): Promise<void>;
}

export type LaunchFunction = (spec: RepoSpec | string, options: LaunchOptions) => Launch;
