import { setTimeout as delay } from 'node:timers/promises';
import { isLine, isPhase, says, type Watcher } from './e2e-watcher.ts';
import type { E2eWorld } from './e2e-world.ts';

/** A launch that can be met at one of its steps. */
export interface SteppedLaunch {
  readonly spec: string;
  /** The requirement whose builds are counted. */
  readonly paced: string;
  /** How many lines `step <n>` its build says. */
  readonly lines: number;
  /** Resolves when the launch stands at the step. */
  reached(watcher: Watcher): Promise<unknown>;
  /** Takes away what holds it there, if anything does. */
  release(): Promise<unknown>;
}

export interface LaunchStep {
  readonly name: string;
  /** Whether what holds the launch is taken away while no hub is there, or only when one is there again. */
  readonly releasedBy: 'nobody' | 'hub';
  /** Whether its server may run by then. */
  readonly hasServer?: boolean;
  /** Whether the launch has ended well by then. */
  readonly isOver?: boolean;
  prepare(world: E2eWorld, name: string): Promise<SteppedLaunch>;
}

const until = async (holds: () => boolean | Promise<boolean>): Promise<void> => {
  for (let round = 0; !(await holds()); round += 1) {
    if (round > 1_000) throw new Error('It never came to that.');
    await delay(20);
  }
};

const whenBuilding = (line: number) => async (world: E2eWorld, name: string) => {
  const { spec, paced } = await world.pacedRepo(name, { lines: 30, holdAt: line });
  return {
    lines: 30,
    spec,
    paced,
    reached: (watcher: Watcher) => watcher.until(says(`step ${line}`)),
    release: () => world.builds.go(paced),
  };
};

const whenLaunching = (line: number, laterMs: number) => async (world: E2eWorld, name: string) => {
  const { spec, paced } = await world.pacedRepo(name, { lines: 3 });
  return {
    lines: 3,
    spec,
    paced,
    reached: async (watcher: Watcher) => {
      await watcher.until(isLine('launching', line));
      await delay(laterMs);
    },
    release: async () => undefined,
  };
};

/** Every step of a launch in its order, each with a way to stop there; all places of the hub are taken at `queued`. */
export const LAUNCH_STEPS: readonly LaunchStep[] = [
  {
    name: 'its ref is looked up',
    releasedBy: 'nobody',
    prepare: async (world, name) => {
      const { spec, paced } = await world.pacedRepo(name, { lines: 3 });
      world.git.fault(`owner/${name}`, { kind: 'hang' });
      return {
        lines: 3,
        spec,
        paced,
        reached: () => until(() => world.git.requests.some((request) => request.includes(`/owner/${name}`))),
        release: async () => world.git.fault(`owner/${name}`),
      };
    },
  },
  {
    name: 'its repository is fetched',
    releasedBy: 'hub',
    prepare: async (world, name) => {
      const { spec, paced } = await world.pacedRepo(name, { lines: 3 });
      const repo = `owner/${name}`;
      // Slow, so that the answer to the fetch's first request is still out when the hang begins.
      world.git.fault(repo, { kind: 'slow', delayMs: 300 });
      return {
        lines: 3,
        spec,
        paced,
        reached: async (watcher) => {
          await watcher.until(isLine('fetching', 1));
          world.git.fault(repo, { kind: 'hang' });
          await delay(500);
        },
        release: async () => world.git.fault(repo),
      };
    },
  },
  {
    name: 'it waits in the queue',
    releasedBy: 'hub',
    prepare: async (world, name) => {
      const { spec, paced } = await world.pacedRepo(name, { lines: 3 });
      const plain = await world.repo('plain');
      const others = [1, 2].map(() => world.launch(plain, { kernel: 'none' }));
      await Promise.all(others.map((other) => other.launch.server));
      return {
        lines: 3,
        spec,
        paced,
        reached: (watcher) => watcher.until((event) => event.phase === 'waiting' && event.position !== undefined),
        release: () => Promise.all(others.map((other) => other.launch.cancel())),
      };
    },
  },
  { name: 'its build says its first line', releasedBy: 'hub', prepare: whenBuilding(1) },
  {
    name: 'its build is in the middle, which ends before anybody looks again',
    releasedBy: 'nobody',
    prepare: whenBuilding(14),
  },
  { name: 'its build says its last line', releasedBy: 'hub', prepare: whenBuilding(30) },
  { name: 'its server is asked for', releasedBy: 'nobody', hasServer: true, prepare: whenLaunching(1, 0) },
  { name: 'its server starts', releasedBy: 'nobody', hasServer: true, prepare: whenLaunching(1, 500) },
  { name: 'its content is put in place', releasedBy: 'nobody', hasServer: true, prepare: whenLaunching(2, 0) },
  { name: 'its kernel starts', releasedBy: 'nobody', hasServer: true, prepare: whenLaunching(3, 0) },
  {
    name: 'it is ready',
    isOver: true,
    releasedBy: 'nobody',
    hasServer: true,
    prepare: async (world, name) => {
      const { spec, paced } = await world.pacedRepo(name, { lines: 3 });
      return {
        lines: 3,
        spec,
        paced,
        reached: (watcher) => watcher.until(isPhase('ready')),
        release: async () => undefined,
      };
    },
  },
];
