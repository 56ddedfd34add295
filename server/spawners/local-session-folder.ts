import { mkdir, open, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join, posix } from 'node:path';
import type { StateFolder } from '../state/state-folder.ts';

/** The places of one session. Only `home`, `jupyter` and `socketFolder` can be seen from inside an isolated one. */
export interface SessionFolder {
  readonly root: string;
  readonly record: string;
  /** Who its process is, written by the process itself; and how it ended. */
  readonly process: string;
  readonly exit: string;
  readonly job: string;
  readonly log: string;
  /** Present while it is warm and unclaimed. */
  readonly warm: string;
  /** Who makes it warm, present from before its process is started. */
  readonly making: string;
  /** The reader's home; the repository's files are in `content`, what `%pip` installs in `packages`. */
  readonly home: string;
  readonly content: string;
  readonly packages: string;
  readonly temporary: string;
  /** Written by the hub alone: Jupyter's configuration, the kernelspec, `pip`. */
  readonly jupyter: string;
  readonly config: string;
  readonly settings: string;
  readonly kernelspec: string;
  /** Short, since a kernel's sockets take 50 of an address's 107 bytes (103 on macOS). */
  readonly socketFolder: string;
  readonly socket: string;
}

/** Longest path of a socket folder at which a kernel's sockets still fit. */
const MAX_SOCKET_FOLDER_BYTES =
  (process.platform === 'darwin' ? 103 : 107) - '/kernel-00000000-0000-0000-0000-000000000000-ipc-5'.length;

export const sessionFolder = (state: StateFolder, sockets: string, name: string): SessionFolder => {
  const root = state.session(name);
  const home = join(root, 'home');
  const jupyter = join(root, 'jupyter');
  // 65 bits of the name tell sessions of one hub apart, and the folder is made exclusively by what has the whole name.
  const socketFolder = join(sockets, name.slice(0, 13));
  return {
    root,
    record: join(root, 'record.json'),
    process: join(root, 'process.json'),
    exit: join(root, 'exit.json'),
    job: join(root, 'job.json'),
    log: join(root, 'server.log'),
    warm: join(root, 'warm.json'),
    making: join(root, 'making.json'),
    home,
    content: join(home, 'content'),
    packages: join(home, 'packages'),
    temporary: join(home, '.tmp'),
    jupyter,
    config: join(jupyter, 'jupyter_server_config.py'),
    settings: join(jupyter, 'settings.json'),
    kernelspec: join(jupyter, 'kernels', 'python3', 'kernel.json'),
    socketFolder,
    socket: join(socketFolder, 's'),
  };
};

/** Throws where the sockets of a session would not fit their addresses. */
export const checkSocketFolder = (folder: SessionFolder): void => {
  const bytes = Buffer.byteLength(folder.socketFolder);
  if (bytes > MAX_SOCKET_FOLDER_BYTES)
    throw new Error(
      `Sockets would lie in ${folder.socketFolder}, ${bytes} bytes long; at most ${MAX_SOCKET_FOLDER_BYTES} are possible. Set XDG_RUNTIME_DIR or the folder for sockets to a shorter path.`,
    );
};

/** Writes a file in one step, mode 0600. */
export const writeAtomically = async (path: string, text: string): Promise<void> => {
  const draft = `${path}.${process.pid}.${Math.random().toString(36).slice(2)}`;
  try {
    await writeFile(draft, text, { mode: 0o600, flag: 'wx' });
    await rename(draft, path);
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
};

/** Makes the folders of a session, all 0700; again is harmless. */
export const makeSessionFolder = async (folder: SessionFolder): Promise<void> => {
  for (const path of [
    folder.content,
    folder.packages,
    folder.temporary,
    join(folder.jupyter, 'bin'),
    folder.socketFolder,
  ])
    await mkdir(path, { recursive: true, mode: 0o700 });
  await mkdir(join(folder.jupyter, 'kernels', 'python3'), { recursive: true, mode: 0o700 });
  // Without the mark Jupyter looks for a configuration of 2015 to move here.
  await (await open(join(folder.jupyter, 'migrated'), 'a', 0o600)).close();
};

/** The folder of a notebook path below the content, or the content itself when the path leads out. */
export const workingFolder = (folder: SessionFolder, path: string): string => {
  const inside = posix.normalize(posix.dirname(path.replace(/^\/+/, '')));
  return inside === '.' || inside.startsWith('..') || inside.startsWith('/')
    ? folder.content
    : join(folder.content, inside);
};

/** Makes `pip` importable from `target`, by a link; again is harmless. */
export const linkPip = async (pip: string, target: string): Promise<void> => {
  await mkdir(target, { recursive: true, mode: 0o700 });
  await symlink(pip, join(target, 'pip')).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
  });
};
