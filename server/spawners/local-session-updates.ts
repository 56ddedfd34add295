import type { Clock } from '../clock.ts';
import type { SessionRecords } from './local-session-records.ts';
import type { SessionRecord } from './spawner.ts';

export type SessionTimes = { lastActivityAt?: number; expiresAt?: number };

const WRITE_EVERY_MS = 1_000;

/** Changes of a session's times: seen at once, written at most once a second. */
export const createSessionUpdates = (records: SessionRecords, clock: Clock) => {
  const pending = new Map<string, SessionTimes>();
  const writing = new Map<string, Promise<void>>();
  const closing = new AbortController();

  const over = (record: SessionRecord | undefined): SessionRecord | undefined => {
    const times = record === undefined ? undefined : pending.get(record.name);
    return record === undefined || times === undefined ? record : { ...record, ...times };
  };

  const write = async (name: string): Promise<void> => {
    const times = pending.get(name);
    if (times === undefined) return;
    await records.change(name, times);
    if (pending.get(name) === times) pending.delete(name);
  };

  const writeSoon = async (name: string): Promise<void> => {
    await clock.sleep(WRITE_EVERY_MS, closing.signal).catch(() => undefined);
    writing.delete(name);
    // A full disk loses a time, not the session; the next change writes again.
    await write(name).catch(() => undefined);
  };

  return {
    over,
    async update(name: string, change: SessionTimes): Promise<SessionRecord | undefined> {
      const record = await records.read(name);
      if (record === undefined) return undefined;
      pending.set(name, { ...pending.get(name), ...change });
      if (!writing.has(name)) writing.set(name, writeSoon(name));
      return over(record);
    },
    forget: (name: string): void => {
      pending.delete(name);
    },
    async close(): Promise<void> {
      closing.abort();
      await Promise.all(writing.values());
    },
  };
};
