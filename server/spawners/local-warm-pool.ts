import { access, mkdir, readFile, rename, rm } from 'node:fs/promises';
import type { BuiltEnvironment } from '../builders/builder.ts';
import type { Clock } from '../clock.ts';
import { identify, isAlive, type ProcessIdentity } from '../processes/process-identity.ts';
import type { SpawnerLog } from './local-spawner-options.ts';
import { writeAtomically } from './local-session-folder.ts';
import type { SessionHost } from './local-session-host.ts';

export interface WarmPoolOptions {
  readonly host: SessionHost;
  readonly clock: Clock;
  readonly log: SpawnerLog;
  readonly newName: () => string;
  readonly servers: number;
  readonly sessions: number;
  /** How long a warm session may wait for a launch of its environment, in milliseconds. */
  readonly sessionIdleMs: number;
  /** Memory that must stay free for something to be made warm, in bytes. */
  readonly reserveBytes: number;
  readonly availableBytes: () => Promise<number>;
  readonly startTimeoutMs: number;
  /** Whether a launch is starting now: warming waits, so as not to slow it down. */
  readonly isBusy: () => boolean;
}

/** One warm thing, as it stands in `warm.json`. */
export interface WarmEntry {
  readonly name: string;
  readonly kind: 'server' | 'session';
  /** A warm session's environment. */
  readonly environment?: BuiltEnvironment;
  readonly since: number;
}

/** Pause after a launch before anything is warmed, and after a failure; in milliseconds. */
const CALM_MS = 1_000;
const FAILED_MS = 15_000;

/** Started servers that take any environment, and started sessions of environments that were just used. */
export const createWarmPool = (options: WarmPoolOptions) => {
  const { host, clock, log } = options;
  const entries = new Map<string, WarmEntry>();
  /** Names whose folder exists but is neither warm nor claimed yet. */
  const making = new Set<string>();
  /** Environments that were just used, the last one first. */
  let wanted: readonly BuiltEnvironment[] = [];
  const closing = new AbortController();
  let filling: Promise<void> | undefined;

  const remove = async (name: string): Promise<void> => {
    entries.delete(name);
    await rm(host.folderOf(name).warm, { force: true });
    await host.end(name);
    await host.clear(name, false);
  };

  /** Whoever moves the mark owns it: two claimers cannot have one. */
  const seize = async (entry: WarmEntry): Promise<boolean> => {
    if (!entries.delete(entry.name)) return false;
    const { warm } = host.folderOf(entry.name);
    return rename(warm, `${warm}.claimed`).then(
      () => true,
      () => false,
    );
  };

  const drop = async (entry: WarmEntry): Promise<void> => {
    if (await seize(entry)) await remove(entry.name);
  };

  const take = async (entry: WarmEntry): Promise<boolean> => {
    if (!(await seize(entry))) return false;
    if ((await host.process(entry.name)) !== undefined) return true;
    await remove(entry.name);
    return false;
  };

  /** Whether the hub that was making it warm is gone; one that was claimed already is its claimer's. */
  const isUnfinished = async (name: string): Promise<boolean> => {
    const { making: mark, warm } = host.folderOf(name);
    const text = await readFile(mark, 'utf8').catch(() => undefined);
    if (text === undefined || (await isAlive(JSON.parse(text) as ProcessIdentity))) return false;
    return access(`${warm}.claimed`).then(
      () => false,
      () => true,
    );
  };

  const ofKind = (kind: WarmEntry['kind']) =>
    [...entries.values()].filter((entry) => entry.kind === kind).sort((a, b) => a.since - b.since);

  const sameEnvironment = (a: BuiltEnvironment | undefined, b: BuiltEnvironment): boolean =>
    a?.key === b.key && a.generation === b.generation;

  const make = async (environment: BuiltEnvironment | undefined): Promise<void> => {
    const name = options.newName();
    making.add(name);
    try {
      const wish = environment === undefined ? undefined : { environment, variables: {}, path: '' };
      await mkdir(host.folderOf(name).root, { recursive: true, mode: 0o700 });
      await writeAtomically(host.folderOf(name).making, JSON.stringify(await identify(process.pid)));
      await host.open(name, wish, options.startTimeoutMs, closing.signal);
      if (wish !== undefined) await host.kernel(name, wish, true, closing.signal);
      const kind = environment === undefined ? 'server' : 'session';
      const entry: WarmEntry = { name, kind, since: clock.now(), ...(environment && { environment }) };
      await writeAtomically(host.folderOf(name).warm, JSON.stringify(entry));
      entries.set(name, entry);
    } catch (error) {
      await remove(name);
      throw error;
    } finally {
      making.delete(name);
    }
  };

  /** What is missing most: a server first, since it helps every launch. */
  const missing = (): { environment: BuiltEnvironment | undefined } | undefined => {
    if (ofKind('server').length < options.servers) return { environment: undefined };
    const environment = wanted
      .slice(0, options.sessions)
      .find((candidate) => !ofKind('session').some((entry) => sameEnvironment(entry.environment, candidate)));
    return environment === undefined ? undefined : { environment };
  };

  const removeUseless = async (): Promise<void> => {
    const kept = wanted.slice(0, options.sessions);
    const short = (await options.availableBytes()) < options.reserveBytes / 2;
    for (const entry of ofKind('session')) {
      // A session that is claimed meanwhile is no longer ours to end.
      const old = clock.now() - entry.since > options.sessionIdleMs;
      const unwanted = !kept.some((environment) => sameEnvironment(entry.environment, environment));
      if (!old && !unwanted && !short) continue;
      if (old) wanted = wanted.filter((environment) => !sameEnvironment(entry.environment, environment));
      await drop(entry);
    }
  };

  const fill = async (): Promise<void> => {
    try {
      await removeUseless();
      for (let next = missing(); next !== undefined && !closing.signal.aborted; next = missing()) {
        while (options.isBusy()) await clock.sleep(CALM_MS, closing.signal);
        if ((await options.availableBytes()) < options.reserveBytes) return;
        await make(next.environment);
        await removeUseless();
      }
    } catch (error) {
      if (closing.signal.aborted) return;
      log.warn({ err: error }, 'Nothing could be made warm; trying again later');
      await clock.sleep(FAILED_MS, closing.signal).catch(() => undefined);
    }
  };

  const refill = (): void => {
    if (closing.signal.aborted || filling !== undefined) return;
    filling = fill().finally(() => {
      filling = undefined;
    });
  };

  return {
    refill,
    isMaking: (name: string): boolean => making.has(name) || entries.has(name),
    /** The environments that warm sessions stand in, so that they are not evicted. */
    environments: (): readonly BuiltEnvironment[] =>
      ofKind('session').flatMap((entry) => (entry.environment === undefined ? [] : [entry.environment])),

    /** A warm session of an environment, else a warm server, else nothing. It is the caller's from then on. */
    async claim(key: string, withKernel: boolean): Promise<WarmEntry | undefined> {
      const sessions = withKernel ? ofKind('session').filter((entry) => entry.environment?.key === key) : [];
      for (const entry of [...sessions, ...ofKind('server')]) if (await take(entry)) return entry;
      return undefined;
    },

    /** Tells that an environment was used: the next launch of it may find a session ready. */
    want(environment: BuiltEnvironment): void {
      wanted = [environment, ...wanted.filter((other) => other.key !== environment.key)].slice(0, 16);
      refill();
    },

    /** Takes over what an earlier hub left warm, and ends what it did not finish. */
    async adopt(name: string): Promise<void> {
      const text = await readFile(host.folderOf(name).warm, 'utf8').catch(() => undefined);
      if (text === undefined) return (await isUnfinished(name)) ? remove(name) : undefined;
      const entry = JSON.parse(text) as WarmEntry;
      if ((await host.process(name)) === undefined) await remove(name);
      else {
        entries.set(name, entry);
        if (entry.environment !== undefined) wanted = [...wanted, entry.environment];
      }
    },

    /** Removes warm things whose server has ended, and makes new ones. */
    async check(): Promise<void> {
      for (const entry of entries.values()) if ((await host.process(entry.name)) === undefined) await drop(entry);
      await removeUseless();
      refill();
    },

    async close(): Promise<void> {
      closing.abort(new Error('The hub ends.'));
      await filling;
      for (const entry of entries.values()) await drop(entry);
    },
  };
};
