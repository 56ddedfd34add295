import { constants } from 'node:os';
import type { Clock } from '../clock.ts';
import { outOfMemoryKills } from '../processes/available-memory.ts';
import { isAlive, type ProcessIdentity } from '../processes/process-identity.ts';
import type { SessionHost } from './local-session-host.ts';
import { readExit } from './local-session-process.ts';
import type { SpawnerLog } from './local-spawner-options.ts';
import type { SessionRecord } from './spawner.ts';

export type SessionError = NonNullable<SessionRecord['error']>;

export interface LossWatchOptions {
  readonly host: SessionHost;
  readonly clock: Clock;
  readonly log: SpawnerLog;
  readonly intervalMs: number;
  /** Marks the session as failed and ends what is left of it. */
  readonly fail: (name: string, error: SessionError) => Promise<void>;
}

/** Knows the sessions whose server runs, and tells when one ends by itself. */
export const createLossWatch = (options: LossWatchOptions) => {
  const { host, clock, log } = options;
  const running = new Map<string, ProcessIdentity>();
  const listeners = new Set<(name: string, error: SessionError) => void>();
  const closing = new AbortController();
  let oomKills: number | undefined;

  const cause = async (name: string, killsBefore: number | undefined): Promise<SessionError> => {
    const ended = await readExit(host.folderOf(name));
    const tail = await host.tail(name);
    const kills = await outOfMemoryKills();
    const logTail = tail.length === 0 ? {} : { logTail: tail };
    const killed = ended === undefined || ended.signal === constants.signals.SIGKILL;
    if (killed && killsBefore !== undefined && kills !== undefined && kills > killsBefore)
      return {
        code: 'session_oom',
        message: 'The machine ran out of memory and ended the session; run again with less data.',
        ...logTail,
      };
    const how =
      ended?.signal !== undefined
        ? `signal ${ended.signal}`
        : ended?.code !== undefined
          ? `exit code ${ended.code}`
          : 'all of its processes at once';
    return { code: 'session_lost', message: `The session’s server ended by itself (${how}); run again.`, ...logTail };
  };

  const look = async (): Promise<void> => {
    for (const [name, identity] of running) {
      if ((await isAlive(identity)) || running.get(name) !== identity) continue;
      running.delete(name);
      const error = await cause(name, oomKills);
      log.info({ session: name, code: error.code }, 'A session was lost');
      await options.fail(name, error);
      for (const listener of listeners) listener(name, error);
    }
    if (running.size > 0) oomKills = await outOfMemoryKills();
  };

  void (async () => {
    while (!closing.signal.aborted) {
      await look().catch((error: unknown) => log.warn({ err: error }, 'Looking after sessions failed'));
      await clock.sleep(options.intervalMs, closing.signal).catch(() => undefined);
    }
  })();

  return {
    has: (name: string): boolean => running.has(name),
    add: (name: string, identity: ProcessIdentity): void => {
      running.set(name, identity);
    },
    forget: (name: string): void => {
      running.delete(name);
    },
    onLost: (listener: (name: string, error: SessionError) => void) => {
      listeners.add(listener);
      return () => {
        listeners.delete(listener);
      };
    },
    close: (): void => closing.abort(),
  };
};
