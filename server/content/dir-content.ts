import { open, type FileHandle } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pack, type Pack } from 'tar-stream';
import { HubError } from '../errors.ts';
import type { Content, ContentEntry, ContentSource } from './content.ts';
import type { SnapshotIndex } from './dir-snapshot.ts';

const MAX_READ_BYTES = 1024 * 1024;
const CHUNK_BYTES = 256 * 1024;
/** One time for all, so that the same content is the same tar; after 1980, which is as far back as a zip file can tell. */
const MODIFIED = new Date('2020-01-01T00:00:00Z');

interface Placed extends ContentEntry {
  readonly offset: number;
}

const readBytes = async (data: FileHandle, offset: number, sizeBytes: number): Promise<Buffer> => {
  const { buffer, bytesRead } = await data.read(Buffer.alloc(sizeBytes), 0, sizeBytes, offset);
  if (bytesRead === sizeBytes) return buffer;
  throw new Error('a snapshot is shorter than its index says');
};

const withData = async <T>(dataPath: string, use: (data: FileHandle) => Promise<T>): Promise<T> => {
  const data = await open(dataPath, 'r');
  try {
    return await use(data);
  } finally {
    await data.close();
  }
};

/** Fills one tar with all entries; the same snapshot gives the same bytes. */
const fill = async (data: FileHandle, entries: readonly Placed[], out: Pack, signal?: AbortSignal): Promise<void> => {
  for (const { path, mode, offset, sizeBytes } of entries) {
    if (mode === '120000') {
      const linkname = (await readBytes(data, offset, sizeBytes)).toString();
      out.entry({ name: path, mtime: MODIFIED, type: 'symlink', linkname, mode: 0o777 });
      continue;
    }
    const to = out.entry({ name: path, mtime: MODIFIED, size: sizeBytes, mode: mode === '100755' ? 0o755 : 0o644 });
    for (let at = 0; at < sizeBytes; at += CHUNK_BYTES) {
      signal?.throwIfAborted();
      if (out.destroyed) return;
      const chunk = await readBytes(data, offset + at, Math.min(CHUNK_BYTES, sizeBytes - at));
      if (!to.write(chunk)) await new Promise<void>((resolve) => to.once('drain', resolve).once('close', resolve));
    }
    to.end(undefined);
  }
  out.finalize();
};

/** Content of a folder's snapshot. */
export const dirContent = (dataPath: string, source: ContentSource, index: SnapshotIndex): Content => {
  let offset = 0;
  const placed = index.entries.map((entry): Placed => {
    const at = offset;
    offset += entry.sizeBytes;
    return { ...entry, offset: at };
  });
  const byPath = new Map(placed.map((entry) => [entry.path, entry]));
  return {
    source,
    notices: index.notices,
    list: async () => index.entries,
    read: async (path, maxBytes = MAX_READ_BYTES) => {
      const entry = byPath.get(path);
      if (entry === undefined || entry.mode === '120000') return undefined;
      if (entry.sizeBytes > maxBytes)
        throw new HubError(
          'clone_limit',
          `${path} has ${entry.sizeBytes} bytes where at most ${maxBytes} are read. Make it shorter.`,
        );
      return new TextDecoder().decode(
        await withData(dataPath, (data) => readBytes(data, entry.offset, entry.sizeBytes)),
      );
    },
    archive: (signal) => {
      const chunks = async function* () {
        const out = pack();
        const work = withData(dataPath, (data) => fill(data, placed, out, signal)).catch((error: unknown) =>
          out.destroy(error as Error),
        );
        try {
          yield* out as AsyncIterable<Buffer>;
        } finally {
          out.destroy();
          await work;
        }
      };
      return Readable.from(chunks(), { objectMode: false });
    },
  };
};
