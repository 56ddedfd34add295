import { link, mkdir, readdir, readFile, readlink, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { basename, join, relative } from 'node:path';
import type { StateFolder } from '../state/state-folder.ts';
import { writeAtomically } from './local-session-folder.ts';
import type { SessionRecord } from './spawner.ts';

/** Names come from addresses too: nothing that is none may reach a path. */
const NAME = /^[a-z0-9]{1,64}$/;
const LAUNCH_ID = /^[\w-]{1,128}$/;

export const isSessionName = (name: string): boolean => NAME.test(name);

const code = (error: unknown): string | undefined => (error as NodeJS.ErrnoException).code;

/** Oldest first, then by name: the order of the queue, the same for everyone. */
const inOrder = (a: SessionRecord, b: SessionRecord): number => a.createdAt - b.createdAt || (a.name < b.name ? -1 : 1);

/** The records of sessions on disk: `sessions/<name>/record.json`, and `launches/<launch id>`, a link to the session. */
export const createSessionRecords = (state: StateFolder) => {
  // Changes of one record follow each other, so that none is lost between reading and writing.
  const turns = new Map<string, Promise<unknown>>();
  const inTurn = <T>(name: string, work: () => Promise<T>): Promise<T> => {
    const done = (turns.get(name) ?? Promise.resolve()).then(work, work);
    const settled = done.catch(() => undefined).finally(() => turns.get(name) === settled && turns.delete(name));
    turns.set(name, settled);
    return done;
  };

  const fileOf = (name: string) => join(state.session(name), 'record.json');
  const linkOf = (launchId: string) => {
    if (!LAUNCH_ID.test(launchId)) throw new Error(`A launch id has letters, digits, - and _ only: ${launchId}`);
    return state.launch(launchId);
  };

  const read = async (name: string): Promise<SessionRecord | undefined> => {
    if (!NAME.test(name)) return undefined;
    try {
      return JSON.parse(await readFile(fileOf(name), 'utf8')) as SessionRecord;
    } catch (error) {
      if (code(error) === 'ENOENT' || code(error) === 'ENOTDIR' || error instanceof SyntaxError) return undefined;
      throw error;
    }
  };

  const names = async (): Promise<readonly string[]> =>
    (await readdir(state.sessions).catch(() => [] as string[])).filter((name) => NAME.test(name));

  const list = async (): Promise<readonly SessionRecord[]> => {
    const records = await Promise.all((await names()).map(read));
    return records.filter((record) => record !== undefined).sort(inOrder);
  };

  const point = async (launchId: string, name: string): Promise<void> => {
    await mkdir(state.launches, { recursive: true, mode: 0o700 });
    const draft = `${linkOf(launchId)}.${process.pid}.${name}`;
    await rm(draft, { force: true });
    await symlink(relative(state.launches, state.session(name)), draft);
    await rename(draft, linkOf(launchId));
  };

  return {
    read,
    names,
    list,

    /** Makes a record that must not exist yet, in one step. */
    async create(record: SessionRecord): Promise<void> {
      linkOf(record.launchId);
      await mkdir(state.session(record.name), { recursive: true, mode: 0o700 });
      const draft = `${fileOf(record.name)}.${process.pid}`;
      try {
        await writeFile(draft, JSON.stringify(record), { mode: 0o600 });
        await link(draft, fileOf(record.name));
      } finally {
        await rm(draft, { force: true });
      }
      await point(record.launchId, record.name);
    },

    /** Changes a record; undefined when there is none any more. */
    change: (name: string, change: Partial<SessionRecord>): Promise<SessionRecord | undefined> =>
      inTurn(name, async () => {
        const old = await read(name);
        if (old === undefined) return undefined;
        const record = { ...old, ...change };
        await writeAtomically(fileOf(name), JSON.stringify(record));
        return record;
      }),

    /** The one session of a launch: where two carry its id, the lower name. */
    async find(launchId: string): Promise<SessionRecord | undefined> {
      if (!LAUNCH_ID.test(launchId)) return undefined;
      const target = await readlink(state.launch(launchId)).catch(() => undefined);
      const linked = target === undefined ? undefined : await read(basename(target));
      if (linked?.launchId === launchId) return linked;
      // The hub may have been killed between the record and its link.
      const carrier = (await list()).find((record) => record.launchId === launchId);
      if (carrier !== undefined) await point(launchId, carrier.name);
      return carrier;
    },

    /** All sessions that carry a launch's id, the one that stays first. */
    carriers: async (launchId: string): Promise<readonly SessionRecord[]> =>
      (await list()).filter((record) => record.launchId === launchId).sort((a, b) => (a.name < b.name ? -1 : 1)),

    point,

    /** Removes the record and its link. */
    remove: (name: string): Promise<void> =>
      inTurn(name, async () => {
        const record = await read(name);
        if (record !== undefined) {
          const target = await readlink(linkOf(record.launchId)).catch(() => undefined);
          if (target !== undefined && basename(target) === name) await rm(linkOf(record.launchId), { force: true });
        }
        await rm(fileOf(name), { force: true });
      }),

    /** Removes links to sessions that are gone. */
    async tidyLinks(): Promise<void> {
      for (const launchId of await readdir(state.launches).catch(() => [] as string[])) {
        const target = await readlink(join(state.launches, launchId)).catch(() => undefined);
        if (target === undefined || (await read(basename(target))) === undefined)
          await rm(join(state.launches, launchId), { force: true });
      }
    },
  };
};

export type SessionRecords = ReturnType<typeof createSessionRecords>;
