import type { BuildLogLine, BuildStatus, Builder } from '../../server/builders/builder.ts';
import { HubError } from '../../server/errors.ts';
import { EventFeed } from '../../server/sse/event-feed.ts';

export interface FakeBuild {
  readonly generation: string;
  readonly log: EventFeed<BuildLogLine>;
  status: BuildStatus;
  say(message: string): void;
  finish(): void;
  fail(error: HubError): void;
  /** The build disappears without a result. */
  vanish(): void;
}

export interface FakeBuilder extends Builder {
  readonly builds: Map<string, FakeBuild>;
  /** How often a build was really started, by key. */
  readonly starts: Map<string, number>;
  readonly cancelled: string[];
}

export interface FakeBuilderOptions {
  /** Called when a build begins; default: two lines, then built. */
  readonly script?: (build: FakeBuild, key: string) => void | Promise<void>;
}

/** A builder in memory, whose builds a test drives. */
export const createFakeBuilder = (options: FakeBuilderOptions = {}): FakeBuilder => {
  const builds = new Map<string, FakeBuild>();
  const starts = new Map<string, number>();
  const cancelled: string[] = [];
  const script =
    options.script ??
    ((build: FakeBuild) => {
      build.say('Installing numpy');
      build.say('Installing pandas');
      build.finish();
    });

  const begin = (key: string): FakeBuild => {
    const count = (starts.get(key) ?? 0) + 1;
    starts.set(key, count);
    const generation = `g${count}`;
    const log = new EventFeed<BuildLogLine>();
    const end = (status: BuildStatus) => {
      if (log.ended) return;
      build.status = status;
      log.end();
    };
    const build: FakeBuild = {
      generation,
      log,
      status: { state: 'running', generation },
      say: (message) => log.append({ phase: 'building', line: log.items.length + 1, message }),
      finish: () =>
        end({
          state: 'built',
          generation,
          environment: {
            key,
            generation,
            prefix: `/environments/${key}`,
            python: '/usr/bin/python3',
            displayName: 'Python 3.13',
          },
        }),
      fail: (error) => end({ state: 'failed', generation, error }),
      vanish: () => {
        builds.delete(key);
        log.end();
      },
    };
    builds.set(key, build);
    void script(build, key);
    return build;
  };

  return {
    builds,
    starts,
    cancelled,
    status: async (key) => builds.get(key)?.status ?? { state: 'absent' },
    start: async (key) => {
      const build = builds.get(key);
      if (build !== undefined && build.status.state !== 'failed') return build.generation;
      return begin(key).generation;
    },
    async *log(key, generation, after, signal) {
      const build = builds.get(key);
      if (build === undefined || build.generation !== generation) return;
      let next = after.building;
      while (!signal.aborted) {
        while (next < build.log.items.length) yield build.log.items[next++]!;
        if (build.log.ended) return;
        await new Promise<void>((resolve) => {
          const stop = build.log.onChange(() => done());
          const done = () => {
            stop();
            signal.removeEventListener('abort', done);
            resolve();
          };
          signal.addEventListener('abort', done, { once: true });
        });
      }
    },
    wait: async (key, _generation, signal) => {
      const build = builds.get(key);
      if (build === undefined) return { state: 'absent' };
      await build.log.forEach(() => undefined, signal);
      return builds.get(key)?.status ?? { state: 'absent' };
    },
    cancel: async (key) => {
      cancelled.push(key);
      builds.get(key)?.vanish();
    },
    touch: async () => undefined,
    close: async () => undefined,
  };
};
