import type { Readable } from 'node:stream';

/** Where the files of a resolved repository come from. `folder` is absolute. */
export type ContentSource =
  | { readonly kind: 'git'; readonly url: string; readonly commit: string }
  | { readonly kind: 'dir'; readonly folder: string; readonly digest: string };

/** One tracked path, in git's modes. Paths use `/`, never start with one and never hold `..`. */
export interface ContentEntry {
  readonly path: string;
  readonly mode: '100644' | '100755' | '120000' | '160000';
  readonly sizeBytes: number;
}

/** The files of one version of a repository: complete, bounded and unchanging while held. */
export interface Content {
  readonly source: ContentSource;
  /** Sentences for the launch log: submodules or LFS files that are absent, and the like. Deterministic. */
  readonly notices: readonly string[];
  list(): Promise<readonly ContentEntry[]>;
  /** A text file's content, or undefined when there is none of that path (a link counts as none). Throws HubError `clone_limit` over `maxBytes` (default 1 MiB). */
  read(path: string, maxBytes?: number): Promise<string | undefined>;
  /** The whole as an uncompressed tar, without a leading folder. Errors destroy the stream. */
  archive(signal?: AbortSignal): Readable;
}

export interface OpenContentOptions {
  readonly signal: AbortSignal;
  /** Takes lines for the launch log; the same content gives the same lines every time. */
  readonly log: (line: string) => void;
}

/** Fetches and keeps content. Opening the same source at once shares one fetch; a cached commit needs no network. */
export interface ContentStore {
  /** Throws HubError `repo_not_found`, `ref_not_found`, `clone_limit`, `host_down`, `policy` or `disk_full`. */
  open(source: ContentSource, options: OpenContentOptions): Promise<Content>;
}
