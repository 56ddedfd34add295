import { HubError } from '../errors.ts';
import type { ContentLimits } from './content-limits.ts';
import { contentNotices } from './content-notices.ts';
import type { Content, ContentSource } from './content.ts';
import { readObjects } from './git-objects.ts';
import type { Git } from './git-process.ts';
import { TreeReader, type TreeEntry } from './git-tree.ts';
import { escapingLinks } from './links.ts';
import { withoutPaths } from './tar-filter.ts';

/** The ref under which a bare repository of ours keeps its one commit. */
export const CONTENT_REF = 'refs/liveleaf/content';

const MAX_READ_BYTES = 1024 * 1024;
const LFS_POINTER = 'version https://git-lfs.github.com/spec/';
const MAX_POINTER_BYTES = 1_024;
const MAX_POINTERS_LOOKED_AT = 20_000;
const MAX_SMALL_BYTES = 256 * 1024;

/** Lists a commit's tree, giving up at the first limit. Throws HubError `clone_limit` or `policy`. */
const readTree = async (git: Git, gitDir: string, limits: ContentLimits, signal: AbortSignal) => {
  const reader = new TreeReader(limits);
  await git.run({
    words: ['ls-tree', '-r', '-l', '-z', '--full-tree', CONTENT_REF],
    folder: gitDir,
    gitDir,
    signal,
    onOutput: (chunk) => reader.push(chunk),
  });
  return reader;
};

const findLfsFiles = async (git: Git, gitDir: string, entries: readonly TreeEntry[], signal: AbortSignal) => {
  const plain = entries.filter(({ mode }) => mode !== '120000' && mode !== '160000');
  const attributes = plain.filter(
    ({ path, sizeBytes }) => /(^|\/)\.gitattributes$/.test(path) && sizeBytes < MAX_SMALL_BYTES,
  );
  const texts = await readObjects(git, gitDir, ids(attributes.slice(0, 1_000)), signal);
  if (!texts.some((text) => text.includes('filter=lfs'))) return [];
  const small = plain.filter(({ sizeBytes }) => sizeBytes > 100 && sizeBytes < MAX_POINTER_BYTES);
  const looked = small.slice(0, MAX_POINTERS_LOOKED_AT);
  const contents = await readObjects(git, gitDir, ids(looked), signal);
  return looked.filter((_, index) => contents[index]?.subarray(0, LFS_POINTER.length).toString() === LFS_POINTER);
};

const ids = (entries: readonly TreeEntry[]): readonly string[] => entries.map(({ object }) => object);

const findEscapingLinks = async (git: Git, gitDir: string, entries: readonly TreeEntry[], signal: AbortSignal) => {
  const links = entries.filter(({ mode }) => mode === '120000');
  const short = links.filter(({ sizeBytes }) => sizeBytes <= 4_096);
  const targets = await readObjects(git, gitDir, ids(short), signal);
  const known = new Map(short.map(({ path }, index) => [path, targets[index]?.toString() ?? '']));
  for (const { path } of links) if (!known.has(path)) known.set(path, '');
  return escapingLinks(known);
};

/** What is in a commit, found once: the files that count, and what has to be said about the others. */
export interface Inspection {
  readonly entries: readonly TreeEntry[];
  readonly escaping: ReadonlySet<string>;
  readonly notices: readonly string[];
  /** Of all files together. */
  readonly bytes: number;
}

/** Looks a bare repository of ours over. Throws HubError `clone_limit` or `policy`. */
export const inspectCommit = async (
  git: Git,
  gitDir: string,
  limits: ContentLimits,
  signal: AbortSignal,
): Promise<Inspection> => {
  const tree = await readTree(git, gitDir, limits, signal);
  const escaping = await findEscapingLinks(git, gitDir, tree.entries, signal);
  const lfsFiles = await findLfsFiles(git, gitDir, tree.entries, signal);
  const entries = tree.entries.filter(({ path }) => !escaping.has(path));
  const notices = contentNotices({
    submodules: entries.filter(({ mode }) => mode === '160000').map(({ path }) => path),
    lfsFiles: lfsFiles.map(({ path }) => path),
    links: [...escaping],
  });
  return { entries, escaping, notices, bytes: tree.bytes };
};

/** Content in a bare repository of ours. */
export const gitContent = (git: Git, gitDir: string, source: ContentSource, inspection: Inspection): Content => {
  const { entries, escaping, notices } = inspection;
  const byPath = new Map(entries.map((entry) => [entry.path, entry]));
  return {
    source,
    notices,
    list: async () => entries.map(({ path, mode, sizeBytes }) => ({ path, mode, sizeBytes })),
    read: async (path, maxBytes = MAX_READ_BYTES) => {
      const entry = byPath.get(path);
      if (entry === undefined || entry.mode === '120000' || entry.mode === '160000') return undefined;
      if (entry.sizeBytes > maxBytes)
        throw new HubError(
          'clone_limit',
          `${path} has ${entry.sizeBytes} bytes where at most ${maxBytes} are read. Make it shorter.`,
        );
      const content = await git.run({ words: ['cat-file', 'blob', entry.object], folder: gitDir, gitDir });
      return new TextDecoder().decode(content);
    },
    archive: (archiveSignal) => {
      const whole = git.stream({
        words: ['archive', '--format=tar', CONTENT_REF],
        folder: gitDir,
        gitDir,
        ...(archiveSignal === undefined ? {} : { signal: archiveSignal }),
      });
      return escaping.size === 0 ? whole : withoutPaths(whole, escaping);
    },
  };
};
