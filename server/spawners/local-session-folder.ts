import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
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
  /** The server's settings, and what it writes for itself of them: the kernelspec, `pip`. */
  readonly jupyter: string;
  readonly settings: string;
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
    settings: join(jupyter, 'settings.json'),
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

/** Makes the folders that must be there before the session's process is, all 0700; again is harmless. */
export const makeSessionFolder = async (folder: SessionFolder): Promise<void> => {
  for (const path of [folder.content, folder.jupyter, folder.socketFolder])
    await mkdir(path, { recursive: true, mode: 0o700 });
};
