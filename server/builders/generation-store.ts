import { randomUUID } from 'node:crypto';
import { link, mkdir, mkdtemp, readdir, readFile, rename, rm, unlink, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { PythonPlan } from '../environments/plan.ts';
import { identify, isAlive, type ProcessIdentity } from '../processes/process-identity.ts';
import type { StateFolder } from '../state/state-folder.ts';
import type { BuildResult } from './build-result.ts';

/** What is on disk about a generation that exists. */
export type GenerationState =
  | { readonly state: 'absent' }
  | { readonly state: 'running' }
  | { readonly state: 'ended'; readonly result: BuildResult; readonly plan: PythonPlan }
  | { readonly state: 'lost' };

/** What the claimer of a generation leaves in it. */
interface Claim {
  readonly claimer: ProcessIdentity;
  /** Stands in the environment of everything that the build starts. */
  readonly marker: string;
}

type BuildRecord = ProcessIdentity | { readonly lost: true };

const readJson = async <T>(path: string): Promise<T | undefined> => {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as T;
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw error;
  }
};

const GENERATION = /^\d{6,}$/;

/** Moves a folder away in one step, so that it is gone for all who look; what is returned removes it. */
const putFolderAside = async (folder: string): Promise<() => Promise<void>> => {
  const trash = join(dirname(folder), `.trash-${randomUUID()}`);
  try {
    await rename(folder, trash);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return async () => undefined;
    throw error;
  }
  return async () => {
    // Processes that were killed a moment ago may still be writing.
    for (let attempt = 0; ; attempt += 1) {
      try {
        return await rm(trash, { recursive: true, force: true, maxRetries: 3 });
      } catch (error) {
        if (attempt === 20) throw error;
        await delay(50);
      }
    }
  };
};

/** Removes a folder; for all who look it goes in one step. */
export const removeFolder = async (folder: string): Promise<void> => (await putFolderAside(folder))();

/** The generations of environments on disk, shared with every hub process that uses the same state folder. */
export const createGenerationStore = (state: StateFolder) => {
  const path = (key: string, generation: string, name = '') => join(state.generation(key, generation), name);

  /** A key's generations, oldest first. */
  const generations = async (key: string): Promise<string[]> => {
    try {
      return (await readdir(state.environment(key))).filter((name) => GENERATION.test(name)).sort();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw error;
    }
  };

  const claimOf = (key: string, generation: string) => readJson<Claim>(path(key, generation, 'claim.json'));

  /** Decides that a generation's process shall never run; false when it has already begun. */
  const giveUp = async (key: string, generation: string): Promise<boolean> => {
    const temporary = path(key, generation, `record.json.${randomUUID()}`);
    try {
      await writeFile(temporary, JSON.stringify({ lost: true }), { mode: 0o600 });
      await link(temporary, path(key, generation, 'record.json'));
      return true;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EEXIST' || code === 'ENOENT') return false;
      throw error;
    } finally {
      await unlink(temporary).catch(() => undefined);
    }
  };

  const ended = async (key: string, generation: string): Promise<GenerationState | undefined> => {
    const result = await readJson<BuildResult>(path(key, generation, 'result.json'));
    if (!result) return undefined;
    const plan = await readJson<PythonPlan>(path(key, generation, 'plan.json'));
    return plan ? { state: 'ended', result, plan } : { state: 'absent' };
  };

  const read = async (key: string, generation: string): Promise<GenerationState> => {
    const result = await ended(key, generation);
    if (result) return result;
    const record = await readJson<BuildRecord>(path(key, generation, 'record.json'));
    // Its hub was gone before it became a process: no line was said, so whoever waits for it may begin it anew.
    if (record && 'lost' in record) return { state: 'absent' };
    // A result may have been written between the two looks.
    if (record)
      return (await isAlive(record)) ? { state: 'running' } : ((await ended(key, generation)) ?? { state: 'lost' });
    const claim = await claimOf(key, generation);
    if (!claim) return { state: 'absent' };
    if (await isAlive(claim.claimer)) return { state: 'running' };
    return (await giveUp(key, generation)) ? { state: 'absent' } : read(key, generation);
  };

  return {
    path,
    generations,
    read,
    giveUp,
    claimOf,
    putAside: (key: string, generation: string) => putFolderAside(state.generation(key, generation)),
    newest: async (key: string): Promise<string | undefined> => (await generations(key)).at(-1),

    /** Takes the generation after `previous` for this process, with its plan in it; undefined when another was faster. */
    claim: async (
      key: string,
      previous: string | undefined,
      plan: PythonPlan,
    ): Promise<{ generation: string; marker: string } | undefined> => {
      await mkdir(state.environment(key), { recursive: true, mode: 0o700 });
      const generation = String(Number(previous ?? '0') + 1).padStart(6, '0');
      const claimer = await identify(process.pid);
      const marker = randomUUID();
      const prepared = await mkdtemp(join(state.environment(key), '.new-'));
      await writeFile(join(prepared, 'claim.json'), JSON.stringify({ claimer, marker }), { mode: 0o600 });
      await writeFile(join(prepared, 'plan.json'), JSON.stringify(plan), { mode: 0o600 });
      try {
        await rename(prepared, path(key, generation));
        return { generation, marker };
      } catch (error) {
        await rm(prepared, { recursive: true, force: true });
        if (['EEXIST', 'ENOTEMPTY'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined;
        throw error;
      }
    },

    recordOf: async (key: string, generation: string): Promise<ProcessIdentity | undefined> => {
      const record = await readJson<BuildRecord>(path(key, generation, 'record.json'));
      return record && 'pid' in record ? record : undefined;
    },

    writeResult: async (key: string, generation: string, result: BuildResult): Promise<void> => {
      const temporary = path(key, generation, `result.json.${randomUUID()}`);
      await writeFile(temporary, JSON.stringify(result), { mode: 0o600 });
      await rename(temporary, path(key, generation, 'result.json'));
    },

    touch: async (key: string, generation: string): Promise<void> => {
      const now = new Date();
      await utimes(path(key, generation, 'plan.json'), now, now).catch(() => undefined);
    },
  };
};

export type GenerationStore = ReturnType<typeof createGenerationStore>;
