import { HubError } from '../errors.ts';

/** Bounds of one version of a repository. */
export interface ContentLimits {
  /** Of all its files together, and of what is fetched for it. Default 1 GiB. */
  readonly maxBytes: number;
  /** Default 200,000. */
  readonly maxFiles: number;
  /** Default 4,096. */
  readonly maxPathBytes: number;
  /** For fetching. Default 300 s. */
  readonly timeoutMs: number;
}

export const DEFAULT_LIMITS: ContentLimits = {
  maxBytes: 1024 ** 3,
  maxFiles: 200_000,
  maxPathBytes: 4_096,
  timeoutMs: 300_000,
};

const LIMIT_ADVICE = 'Use a smaller repository, or one whose large data lies elsewhere.';

/** Counts files as they are listed and throws HubError `clone_limit` at the first that is too much. */
export class ContentMeter {
  readonly #limits: ContentLimits;
  files = 0;
  bytes = 0;

  constructor(limits: ContentLimits) {
    this.#limits = limits;
  }

  add(path: string | Uint8Array, sizeBytes: number): void {
    const { maxFiles, maxBytes, maxPathBytes } = this.#limits;
    this.files += 1;
    this.bytes += sizeBytes;
    if (this.files > maxFiles)
      throw new HubError('clone_limit', `The repository has more than ${maxFiles} files. ${LIMIT_ADVICE}`);
    if (this.bytes > maxBytes)
      throw new HubError('clone_limit', `The repository's files are larger than ${maxBytes} bytes. ${LIMIT_ADVICE}`);
    if (Buffer.byteLength(path as string) > maxPathBytes)
      throw new HubError('clone_limit', `The repository has a path longer than ${maxPathBytes} bytes. Shorten it.`);
  }
}

/** Throws HubError `policy` for a path that a session's folder could be left by, or that git would take for its own. */
export const checkPath = (path: string): void => {
  const bad = path
    .split('/')
    .some(
      (part) => part === '' || part === '.' || part === '..' || part.toLowerCase() === '.git' || part.includes('\0'),
    );
  if (bad)
    throw new HubError(
      'policy',
      `The repository holds the path ${JSON.stringify(path.slice(0, 200))}, which no folder can safely hold. Remove it.`,
    );
};
