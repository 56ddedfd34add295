import type { Clock } from '../clock.ts';

/** What the proxy sees of the people behind sessions. */
export interface Activity {
  /** A client sent a data frame on a kernel's socket of this session. */
  clientFrame(session: string): void;
  /** A client connected to a kernel's socket; call what it returns when it is gone. */
  clientConnected(session: string): () => void;
  /** How many clients are connected now. */
  clients(session: string): number;
  /** When a client last sent a data frame, in milliseconds since 1970; undefined when this hub saw none. */
  lastFrameAt(session: string): number | undefined;
  /** Drops what is known of a session that ended. */
  forget(session: string): void;
}

export interface ActivityOptions {
  readonly clock: Pick<Clock, 'now'>;
  /** Keeps a time in the session's record, so that another hub knows it. */
  readonly write: (session: string, lastActivityAt: number) => void;
  /** Least time between two writes for one session; default 1 minute. */
  readonly writeIntervalMs?: number;
}

interface Seen {
  clients: number;
  lastFrameAt: number | undefined;
  writtenAt: number;
}

export const createActivity = ({ clock, write, writeIntervalMs = 60_000 }: ActivityOptions): Activity => {
  const sessions = new Map<string, Seen>();
  const seen = (session: string): Seen => {
    let entry = sessions.get(session);
    if (!entry) {
      entry = { clients: 0, lastFrameAt: undefined, writtenAt: Number.NEGATIVE_INFINITY };
      sessions.set(session, entry);
    }
    return entry;
  };
  const keep = (session: string, entry: Seen): void => {
    if (entry.lastFrameAt === undefined || entry.lastFrameAt <= entry.writtenAt) return;
    entry.writtenAt = entry.lastFrameAt;
    write(session, entry.lastFrameAt);
  };
  return {
    clientFrame: (session) => {
      const entry = seen(session);
      entry.lastFrameAt = clock.now();
      if (entry.lastFrameAt - entry.writtenAt >= writeIntervalMs) keep(session, entry);
    },
    clientConnected: (session) => {
      const entry = seen(session);
      entry.clients += 1;
      let connected = true;
      return () => {
        if (!connected) return;
        connected = false;
        entry.clients -= 1;
        if (entry.clients === 0) keep(session, entry);
      };
    },
    clients: (session) => sessions.get(session)?.clients ?? 0,
    lastFrameAt: (session) => sessions.get(session)?.lastFrameAt,
    forget: (session) => void sessions.delete(session),
  };
};
