import { setMaxListeners } from 'node:events';
import type { V1Pod } from '../kubernetes/kubernetes-api.ts';
import { LOG_CUT_SHORT } from './build-log-follower.ts';
import type { BuildLogLine } from './builder.ts';
import { BUILD_CONTAINERS, type BuildContainer } from './kubernetes-build-pod.ts';
import type { LogFloor } from './kubernetes-build-identity.ts';
import type { BuildPods, SeenBuild } from './kubernetes-build-pods.ts';
import { MAX_ATTEMPTS, viewGeneration } from './kubernetes-build-state.ts';

/** A line of one container, numbered from 1 by its wrapper, or the end that the wrapper wrote. */
export type ContainerLogPiece =
  { readonly line: number; readonly message: string } | { readonly end: true; readonly lines: number };

export interface BuildLogParts {
  readonly pods: BuildPods;
  readonly now: () => number;
  /** Follows one container's log from its first line; ends when the log does, with or without its end marker. */
  readonly follow: (pod: V1Pod, container: BuildContainer, signal: AbortSignal) => AsyncIterable<ContainerLogPiece>;
}

/** Line numbers of a second attempt begin here, so that each hub gives the same line the same number whatever it saw of the first. */
const ATTEMPT_LINES = 2_000_000;
const POLL_MS = 1_000;

const RANK: Readonly<Record<LogFloor, number>> = { building: 0, pushing: 1 };

const phaseOf = (container: BuildContainer, floor: LogFloor): LogFloor => {
  const phase = container === 'push' ? 'pushing' : 'building';
  return RANK[phase] < RANK[floor] ? floor : phase;
};

type Start = 'started' | 'never';

const containersOf = (pod: V1Pod): readonly BuildContainer[] => {
  const names = new Set([...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])].map(({ name }) => name));
  return BUILD_CONTAINERS.filter((name) => names.has(name));
};

const hasStarted = (pod: V1Pod, container: BuildContainer): boolean => {
  const { initContainerStatuses = [], containerStatuses = [] } = pod.status ?? {};
  const state = [...initContainerStatuses, ...containerStatuses].find(({ name }) => name === container)?.state;
  return state?.running !== undefined || state?.terminated !== undefined;
};

const hasEnded = (pod: V1Pod): boolean => pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed';

/** Reads a generation's log from its pods, attempt by attempt and container by container, as it is written. */
export const followBuild = async function* (
  { pods, now, follow }: BuildLogParts,
  key: string,
  generation: string,
  signal: AbortSignal,
): AsyncGenerator<BuildLogLine> {
  /** Waits for what `find` finds among the key's pods. */
  const until = async <T>(find: (builds: readonly SeenBuild[]) => T | undefined): Promise<T> => {
    for (;;) {
      const { version } = pods;
      const found = find(await pods.of(key));
      if (found !== undefined) return found;
      await pods.changed(version, POLL_MS, signal);
    }
  };
  const attemptOf = (builds: readonly SeenBuild[], attempt: number): SeenBuild | undefined =>
    builds.find(({ record }) => record.generation === generation && record.attempt === attempt);

  for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt += 1) {
    const build = attemptOf(await pods.of(key), attempt);
    const base = (attempt - 1) * ATTEMPT_LINES;
    if (build !== undefined) {
      const { floor } = build.record;
      const lines = { building: 0, pushing: 0 };
      if (attempt > 1)
        yield {
          phase: floor,
          line: base,
          message: 'The cluster took the build away, or the registry was cut off; it begins once more.',
        };
      for (const container of containersOf(build.pod)) {
        const start = await until<Start>((builds) => {
          const { pod } = attemptOf(builds, attempt) ?? {};
          if (pod === undefined) return 'never';
          if (hasStarted(pod, container)) return 'started';
          return hasEnded(pod) || pod.metadata?.deletionTimestamp ? 'never' : undefined;
        });
        if (start === 'never') break;
        const phase = phaseOf(container, floor);
        const before = lines[phase];
        let last = 0;
        let complete = false;
        const missing = (upTo: number): BuildLogLine => ({
          phase,
          line: base + before + upTo,
          message: `… ${upTo - last} lines are missing here: the cluster lost them …`,
        });
        for await (const piece of follow(build.pod, container, signal)) {
          if ('end' in piece) {
            complete = true;
            if (piece.lines > last) yield missing(piece.lines);
            last = piece.lines;
            continue;
          }
          if (piece.line <= last) continue;
          if (piece.line > last + 1) yield missing(piece.line - 1);
          last = piece.line;
          yield { phase, line: base + before + piece.line, message: piece.message };
        }
        if (!complete) {
          last += 1;
          yield { phase, line: base + before + last, message: LOG_CUT_SHORT };
        }
        lines[phase] = before + last;
      }
    }
    // Whether there is, or will be, another attempt.
    const more = await until<'next' | 'none'>((builds) => {
      if (attempt >= MAX_ATTEMPTS) return 'none';
      if (attemptOf(builds, attempt + 1)) return 'next';
      const view = viewGeneration(builds, generation, now());
      return view?.outcome.state === 'running' ? undefined : 'none';
    });
    if (more === 'none') return;
  }
};

/** One reading of something, shared by any number of readers, from its first item on. */
export class SharedReading<Item> {
  readonly #items: Item[] = [];
  readonly #produce: (signal: AbortSignal) => AsyncIterable<Item>;
  readonly #onIdle: () => void;
  readonly #stop = new AbortController();
  readonly #waiting = new Set<() => void>();
  #readers = 0;
  #state: 'idle' | 'reading' | 'ended' = 'idle';
  #failure: unknown;

  constructor(produce: (signal: AbortSignal) => AsyncIterable<Item>, onIdle: () => void) {
    this.#produce = produce;
    this.#onIdle = onIdle;
  }

  /** All items in order, as they come. Ends quietly when aborted. */
  async *read(signal: AbortSignal): AsyncGenerator<Item> {
    this.#readers += 1;
    // Any number of readers may share one signal.
    setMaxListeners(0, signal);
    if (this.#state === 'idle') void this.#run();
    try {
      for (let next = 0; !signal.aborted;) {
        if (next < this.#items.length) yield this.#items[next++] as Item;
        else if (this.#state === 'ended') {
          if (this.#failure) throw this.#failure;
          return;
        } else await this.#change(signal);
      }
    } finally {
      this.#readers -= 1;
      if (this.#readers === 0) {
        this.#stop.abort();
        this.#onIdle();
      }
    }
  }

  async #run(): Promise<void> {
    this.#state = 'reading';
    try {
      for await (const item of this.#produce(this.#stop.signal)) {
        this.#items.push(item);
        this.#wake();
      }
    } catch (error) {
      if (!this.#stop.signal.aborted) this.#failure = error;
    } finally {
      this.#state = 'ended';
      this.#wake();
    }
  }

  async #change(signal: AbortSignal): Promise<void> {
    await new Promise<void>((resolve) => {
      const wake = () => {
        signal.removeEventListener('abort', wake);
        this.#waiting.delete(wake);
        resolve();
      };
      signal.addEventListener('abort', wake);
      this.#waiting.add(wake);
    });
  }

  #wake(): void {
    for (const wake of this.#waiting) wake();
  }
}
