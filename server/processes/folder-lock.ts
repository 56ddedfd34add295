import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { identify, isAlive, type ProcessIdentity } from './process-identity.ts';

const POLL_MS = 200;

/** How long a lock may stand without an owner's name in it: the time between making the folder and writing the file. */
const NAMELESS_MS = 2_000;

const ownerOf = async (lock: string): Promise<ProcessIdentity | undefined> => {
  try {
    return JSON.parse(await readFile(join(lock, 'owner.json'), 'utf8')) as ProcessIdentity;
  } catch {
    return undefined;
  }
};

/**
 * Runs `work` while this process alone holds a lock, a folder that only one can make.
 * Waits for another owner as long as it lives; a lock whose owner has died is taken over.
 */
export const withFolderLock = async <T>(lock: string, work: () => Promise<T>): Promise<T> => {
  let namelessMs = 0;
  for (;;) {
    try {
      await mkdir(lock, { mode: 0o700 });
      break;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const owner = await ownerOf(lock);
    namelessMs = owner === undefined ? namelessMs + POLL_MS : 0;
    if (owner === undefined ? namelessMs > NAMELESS_MS : !(await isAlive(owner)))
      await rm(lock, { recursive: true, force: true });
    else await delay(POLL_MS);
  }
  try {
    await writeFile(join(lock, 'owner.json'), JSON.stringify(await identify(process.pid)));
    return await work();
  } finally {
    await rm(lock, { recursive: true, force: true });
  }
};
