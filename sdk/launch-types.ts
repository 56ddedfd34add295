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
  /** Stops waiting; the launch goes on. The events then end without a terminal one. */
  readonly signal?: AbortSignal;
}

/**
 * A launch under way: iterate it once for its events, await `server` for its end.
 * The events end with exactly one terminal event, also where the hub could not be reached at all.
 * Once iteration has begun no event is dropped: reading from the hub pauses while the reader is behind.
 */
export interface Launch extends AsyncIterable<ReceivedEvent> {
  /** Rejects with LiveleafError. Handled inside, so that a caller that only iterates gets no unhandled rejection. */
  readonly server: Promise<Server>;
  /** Calls back when the stream is cut and when it goes on. Returns how to stop. */
  onConnection(listener: (state: 'open' | 'reconnecting', attempt: number) => void): () => void;
  /** Stops the launch itself, on the hub. A plain BinderHub cannot: there it only stops waiting. */
  cancel(): Promise<void>;
}

export type LaunchFunction = (spec: RepoSpec | string, options: LaunchOptions) => Launch;
