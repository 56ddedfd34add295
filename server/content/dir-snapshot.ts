import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { lstat, open, readlink, type FileHandle } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { HubError } from '../errors.ts';
import { checkPath, ContentMeter, type ContentLimits } from './content-limits.ts';
import { contentNotices } from './content-notices.ts';
import type { ContentEntry } from './content.ts';
import { listFolder, type FolderFiles } from './folder-files.ts';
import type { Git } from './git-process.ts';
import { escapingLinks } from './links.ts';

/** What is in a snapshot; its bytes lie one file after the other, in this order, in one data file beside it. */
export interface SnapshotIndex {
  readonly digest: string;
  readonly entries: readonly ContentEntry[];
  readonly notices: readonly string[];
  /** Of all entries together. */
  readonly bytes: number;
}

/** Thrown when a folder changes while it is read. */
class ChangedError extends Error {
  override readonly name = 'ChangedError';
}

const TRIES = 3;
const CHUNK_BYTES = 256 * 1024;

interface Planned {
  readonly path: string;
  readonly mode: ContentEntry['mode'];
  readonly target?: string;
}

const planEntries = async (folder: string, paths: readonly string[]): Promise<Planned[]> => {
  const planned: Planned[] = [];
  for (const path of paths) {
    const info = await lstat(join(folder, path)).catch(() => undefined);
    if (info === undefined) throw new ChangedError(path);
    if (info.isSymbolicLink()) planned.push({ path, mode: '120000', target: await readlink(join(folder, path)) });
    else planned.push({ path, mode: (info.mode & 0o100) === 0 ? '100644' : '100755' });
  }
  return planned;
};

const openFile = (path: string): Promise<FileHandle> =>
  // Neither a link put there meanwhile is followed, nor a pipe waited for.
  open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EACCES') throw new ChangedError(path);
    throw new HubError(
      'policy',
      `The hub's user may not read the file ${basename(path)}; allow it, or have git ignore the file.`,
    );
  });

/** Reads exactly the bytes that the file had when it was opened. */
const readWhole = async (
  path: string,
  begin: (sizeBytes: number) => void,
  each: (chunk: Buffer) => Promise<void>,
): Promise<void> => {
  const file = await openFile(path);
  try {
    const info = await file.stat();
    if (!info.isFile()) throw new ChangedError(path);
    begin(info.size);
    let left = info.size;
    while (left > 0) {
      const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(Math.min(left, CHUNK_BYTES)));
      if (bytesRead === 0) throw new ChangedError(path);
      await each(buffer.subarray(0, bytesRead));
      left -= bytesRead;
    }
    if ((await file.read(Buffer.alloc(1))).bytesRead > 0) throw new ChangedError(path);
  } finally {
    await file.close();
  }
};

export interface SnapshotRequest {
  /** The folder as it was just listed. */
  readonly files: FolderFiles;
  /** Absent where the machine has no git. */
  readonly git?: Git;
  readonly folder: string;
  readonly limits: ContentLimits;
  readonly signal: AbortSignal;
}

const snapshotOnce = async (
  { folder, limits, signal }: SnapshotRequest,
  { paths, nested }: FolderFiles,
  data: FileHandle,
): Promise<SnapshotIndex> => {
  const planned = await planEntries(folder, paths);
  const links = planned.flatMap(({ path, target }) => (target === undefined ? [] : [[path, target] as const]));
  const escaping = escapingLinks(new Map(links));
  const digest = createHash('sha256');
  const meter = new ContentMeter(limits);
  const entries: ContentEntry[] = [];
  let position = 0;
  const put = async (chunk: Buffer): Promise<void> => {
    digest.update(chunk);
    await data.write(chunk, 0, chunk.length, position);
    position += chunk.length;
  };
  for (const { path, mode, target } of planned) {
    signal.throwIfAborted();
    if (escaping.has(path)) continue;
    checkPath(path);
    const begin = (sizeBytes: number): void => {
      meter.add(path, sizeBytes);
      digest.update(`${mode} ${sizeBytes} ${path}\0`);
      entries.push({ path, mode, sizeBytes });
    };
    if (target === undefined) await readWhole(join(folder, path), begin, put);
    else {
      begin(Buffer.byteLength(target));
      await put(Buffer.from(target));
    }
  }
  const notices = contentNotices({ submodules: nested, lfsFiles: [], links: [...escaping] });
  return { digest: digest.digest('hex'), entries, notices, bytes: meter.bytes };
};

/**
 * Copies a folder's content into a new data file, and again when the folder changes meanwhile. The digest is SHA-256
 * over mode, size, path and bytes of each entry, sorted by path: of what was copied, not of what lies there now.
 * Throws HubError `clone_limit`, `policy` or (when the folder does not come to rest) `host_down`.
 */
export const takeSnapshot = async (request: SnapshotRequest, dataPath: string): Promise<SnapshotIndex> => {
  const data = await open(dataPath, 'wx', 0o600);
  try {
    let { files } = request;
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await snapshotOnce(request, files, data);
      } catch (error) {
        if (!(error instanceof ChangedError)) throw error;
        if (attempt === TRIES)
          throw new HubError('host_down', `The folder changes while it is read; try again when it has come to rest.`);
        await data.truncate(0);
        files = await listFolder(request.git, request.folder, request.limits.maxFiles, request.signal);
      }
    }
  } finally {
    await data.close();
  }
};
