import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import { isErrorCode, type ErrorDetail } from '../../sdk/contract/index.ts';
import { HubError } from '../errors.ts';
import type { BuildLogLine } from './builder.ts';

/** What is kept of a build when its pod is gone: how it ended, and its log. */
export interface ArchivedBuild {
  /** Absent where the build ended well. */
  readonly error?: HubError;
  /** When an attempt that another follows was given up, in milliseconds since 1970. */
  readonly interruptedAt?: number;
  readonly lines: readonly BuildLogLine[];
}

export const ARCHIVE_TYPE = 'application/vnd.liveleaf.build-log.v1+gzip';

const FORMAT = 1;
/** Far above what a log's own bounds allow. */
const MAX_BYTES = 64 * 1024 * 1024;

interface Header {
  readonly format: number;
  readonly interruptedAt?: number;
  readonly error?: {
    readonly code: string;
    readonly message: string;
    readonly detail?: ErrorDetail;
    readonly logTail?: readonly string[];
    readonly retryAfterMs?: number;
  };
}

const compress = promisify(gzip);
const decompress = promisify(gunzip);

/** One JSON value a line, compressed: the header, then `[phase, line, message]` each. The same build gives the same bytes. */
export const encodeArchive = async ({ error, interruptedAt, lines }: ArchivedBuild): Promise<Buffer> => {
  const header: Header = {
    format: FORMAT,
    ...(interruptedAt === undefined ? {} : { interruptedAt }),
    ...(error === undefined
      ? {}
      : {
          error: {
            code: error.code,
            message: error.message,
            ...(error.detail === undefined ? {} : { detail: error.detail }),
            ...(error.logTail === undefined ? {} : { logTail: error.logTail }),
            ...(error.retryAfterMs === undefined ? {} : { retryAfterMs: error.retryAfterMs }),
          },
        }),
  };
  const rows = lines.map(({ phase, line, message }) => JSON.stringify([phase, line, message]));
  return compress([JSON.stringify(header), ...rows, ''].join('\n'));
};

/** Reads what `encodeArchive` wrote; undefined for anything else. */
export const decodeArchive = async (content: Buffer): Promise<ArchivedBuild | undefined> => {
  try {
    const text = (await decompress(content, { maxOutputLength: MAX_BYTES })).toString();
    const [first = '', ...rows] = text.split('\n');
    const { format, error, interruptedAt } = JSON.parse(first) as Header;
    if (format !== FORMAT) return undefined;
    const lines = rows
      .filter((row) => row !== '')
      .map((row) => {
        const [phase, line, message] = JSON.parse(row) as [BuildLogLine['phase'], number, string];
        return { phase, line, message };
      });
    const when = interruptedAt === undefined ? {} : { interruptedAt };
    if (error === undefined) return { ...when, lines };
    const code = isErrorCode(error.code) ? error.code : 'build_failed';
    return { error: new HubError(code, error.message, error), ...when, lines };
  } catch {
    return undefined;
  }
};
