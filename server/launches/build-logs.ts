import type { LogEvent } from '../../sdk/contract/index.ts';
import type { Builder } from '../builders/builder.ts';
import { EventFeed } from '../sse/event-feed.ts';

/** A build's log, read once from the builder for everybody who follows it. */
interface BuildLog {
  readonly feed: EventFeed<LogEvent>;
  /** Says that this reader is done; the last one stops the reading. */
  release(): void;
}

export interface BuildLogs {
  /** Follows a generation's log from its first line. */
  open(key: string, generation: string): BuildLog;
}

interface Shared {
  readonly feed: EventFeed<LogEvent>;
  readonly stop: AbortController;
  users: number;
}

export const createBuildLogs = (builder: Pick<Builder, 'log'>, onError: (error: unknown) => void): BuildLogs => {
  const open = new Map<string, Shared>();

  const read = async (key: string, generation: string, { feed, stop }: Shared): Promise<void> => {
    try {
      for await (const { phase, line, message } of builder.log(
        key,
        generation,
        { building: 0, pushing: 0 },
        stop.signal,
      ))
        feed.append({ phase, line, message });
    } catch (error) {
      if (!stop.signal.aborted) onError(error);
    } finally {
      feed.end();
    }
  };

  return {
    open: (key, generation) => {
      const name = `${key}/${generation}`;
      let shared = open.get(name);
      if (shared === undefined) {
        shared = { feed: new EventFeed(), stop: new AbortController(), users: 0 };
        open.set(name, shared);
        void read(key, generation, shared);
      }
      const mine = shared;
      mine.users++;
      let released = false;
      return {
        feed: mine.feed,
        release: () => {
          if (released) return;
          released = true;
          if (--mine.users > 0) return;
          open.delete(name);
          mine.stop.abort();
        },
      };
    },
  };
};
