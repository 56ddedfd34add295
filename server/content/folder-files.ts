import { createHash } from 'node:crypto';
import { access, lstat, readdir, realpath, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { HubError } from '../errors.ts';
import type { Git } from './git-process.ts';

/** Paths below a folder that belong to its content, sorted by their bytes; `nested` are folders that are repositories of their own. */
export interface FolderFiles {
  readonly paths: readonly string[];
  readonly nested: readonly string[];
  /** The same while no file's bytes, mode or place can have changed, as far as the file system tells. */
  readonly signature: string;
  /** When the file system last saw a change, in milliseconds since 1970. */
  readonly changedMs: number;
}

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

/** Whether a folder is, or lies in, a git work tree. */
const isInWorkTree = async (folder: string): Promise<boolean> => {
  for (let at = folder; ; at = dirname(at)) {
    if (await exists(join(at, '.git'))) return true;
    if (dirname(at) === at) return false;
  }
};

const byBytes = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));

/** What git tracks or would track. Reads the repository's configuration but runs nothing that stands in it. */
const listByGit = async (git: Git, folder: string, maxPaths: number, signal: AbortSignal): Promise<string[]> => {
  const paths = new Set<string>();
  let rest = '';
  const decoder = new TextDecoder('utf-8');
  await git.run({
    words: ['ls-files', '-c', '-o', '--exclude-standard', '-z'],
    folder,
    signal,
    onOutput: (chunk) => {
      const parts = (rest + decoder.decode(chunk, { stream: true })).split('\0');
      rest = parts.pop() ?? '';
      for (const part of parts) paths.add(part);
      if (paths.size > maxPaths) throw tooMany(folder, maxPaths);
    },
  });
  return [...paths];
};

const tooMany = (folder: string, maxPaths: number): HubError =>
  new HubError(
    'clone_limit',
    `The folder ${basename(folder)} has more than ${maxPaths} files. Name a smaller one, or have git ignore some.`,
  );

/** All files but those in folders whose names begin with a dot. */
const listAll = async (folder: string, maxPaths: number, signal: AbortSignal): Promise<string[]> => {
  const paths: string[] = [];
  const walk = async (below: string): Promise<void> => {
    signal.throwIfAborted();
    for (const entry of await readdir(join(folder, below), { withFileTypes: true })) {
      const path = below === '' ? entry.name : `${below}/${entry.name}`;
      if (entry.isDirectory()) {
        if (!entry.name.startsWith('.')) await walk(path);
      } else if (entry.isFile() || entry.isSymbolicLink()) paths.push(path);
      if (paths.length > maxPaths) throw tooMany(folder, maxPaths);
    }
  };
  await walk('');
  return paths;
};

/**
 * Lists a folder's content: what git tracks or would track; where the folder is in no repository, git is missing, or
 * git ignores the folder as a whole, every file outside dot-folders. Throws HubError `clone_limit` or `policy`.
 */
export const listFolder = async (
  git: Git | undefined,
  folder: string,
  maxPaths: number,
  signal: AbortSignal,
): Promise<FolderFiles> => {
  const byGit =
    git !== undefined && (await isInWorkTree(folder))
      ? await listByGit(git, folder, maxPaths, signal).catch((error: unknown) => {
          if (error instanceof HubError || signal.aborted) throw error;
          throw new HubError(
            'policy',
            `git cannot list the folder ${basename(folder)}; run "git status" in it as the hub's user and do what it says.`,
            { cause: error },
          );
        })
      : [];
  const listed = byGit.length > 0 ? byGit : await listAll(folder, maxPaths, signal);
  const paths: string[] = [];
  const nested: string[] = [];
  const parents = new Map<string, Promise<boolean>>();
  const isReal = (parent: string): Promise<boolean> => {
    const known = parents.get(parent);
    if (known !== undefined) return known;
    const path = join(folder, parent);
    const real = realpath(path).then(
      (found) => found === path,
      () => false,
    );
    parents.set(parent, real);
    return real;
  };
  const signature = createHash('sha256');
  let changedMs = 0;
  for (const path of listed.toSorted(byBytes)) {
    // A tracked file whose folder is a link by now would be read from elsewhere.
    if (path.includes('/') && !(await isReal(dirname(path)))) continue;
    const info = await lstat(join(folder, path), { bigint: true }).catch(() => undefined);
    if (info?.isDirectory() === true) nested.push(path.replace(/\/$/, ''));
    else if (info?.isFile() === true || info?.isSymbolicLink() === true) {
      paths.push(path);
      signature.update(`${path}\0${info.mode} ${info.size} ${info.mtimeNs} ${info.ctimeNs} ${info.ino}\n`);
      changedMs = Math.max(changedMs, Number(info.ctimeMs));
    }
  }
  return { paths, nested, signature: `${signature.digest('hex')} ${nested.join('\0')}`, changedMs };
};

/** The true path of an existing folder. Throws HubError `repo_not_found`. */
export const realFolder = async (folder: string): Promise<string> => {
  const real = await realpath(folder).catch(() => undefined);
  if (real !== undefined && (await stat(real)).isDirectory()) return real;
  throw new HubError(
    'repo_not_found',
    `There is no folder ${basename(folder)} on the hub's machine any more; check its path.`,
  );
};
