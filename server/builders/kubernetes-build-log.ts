import { setMaxListeners } from 'node:events';
import type { Clock } from '../clock.ts';
import type { KubernetesApi, V1Pod } from '../kubernetes/kubernetes-api.ts';
import { followPodLog, type PodLogEnd } from '../kubernetes/pod-log.ts';
import type { PodWatch } from '../kubernetes/pod-watch.ts';
import { LOG_CUT_SHORT } from './build-log-follower.ts';
import type { BuildLogLine } from './builder.ts';
import { endOf, type LogFloor } from './kubernetes-build-identity.ts';
import { BUILD_CONTAINERS, type BuildContainer } from './kubernetes-build-pod.ts';
import type { BuildPods, SeenBuild } from './kubernetes-build-pods.ts';
import { hasRun, MAX_ATTEMPTS, viewGeneration } from './kubernetes-build-state.ts';

export interface BuildLogParts {
  readonly api: KubernetesApi;
  readonly namespace: string;
  readonly pods: BuildPods;
  readonly watch: PodWatch;
  readonly clock: Clock;
}

/** Line numbers of a second attempt begin here, so that each hub gives the same line the same number whatever it saw of the first. */
const ATTEMPT_LINES = 2_000_000;
const POLL_MS = 1_000;

const BEGUN_AGAIN = 'The build was taken away, or the registry was cut off, before it was done; it begins once more.';
const LOG_DIFFERS = 'Parts of the log above are not as they were written.';

const RANK: Readonly<Record<LogFloor, number>> = { building: 0, pushing: 1 };

const phaseOf = (container: BuildContainer, floor: LogFloor): LogFloor => {
  const phase = container === 'push' ? 'pushing' : 'building';
  return RANK[phase] < RANK[floor] ? floor : phase;
};

const containersOf = (pod: V1Pod): readonly BuildContainer[] => {
  const names = new Set([...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])].map(({ name }) => name));
  return BUILD_CONTAINERS.filter((name) => names.has(name));
};

/** What has to be said of how a container's log ended; nothing where it is whole, or where its gaps were told. */
const remarkOn = ({ reason, missing }: PodLogEnd): string | undefined => {
  if (reason === 'complete' || reason === 'unstarted') return undefined;
  if (reason !== 'incomplete') return LOG_CUT_SHORT;
  return missing > 0 ? undefined : LOG_DIFFERS;
};

/** Reads one attempt's log, container by container, each phase numbered on from `base`. */
const followAttempt = async function* (
  { api, namespace, clock, watch }: BuildLogParts,
  { pod, record: { floor } }: SeenBuild,
  base: number,
  signal: AbortSignal,
): AsyncGenerator<BuildLogLine> {
  const name = pod.metadata?.name ?? '';
  const lines = { building: 0, pushing: 0 };
  for (const container of containersOf(pod)) {
    const phase = phaseOf(container, floor);
    const before = base + lines[phase];
    let last = 0;
    const missing = (upTo: number): BuildLogLine => ({
      phase,
      line: before + upTo,
      message: `… ${upTo - last} lines are missing here: the cluster lost them …`,
    });
    for await (const item of followPodLog({ api, namespace, pod: name, container, clock, watch }, 1, signal)) {
      if (item.kind === 'line') {
        if (item.line > last + 1) yield missing(item.line - 1);
        last = item.line;
        yield { phase, line: before + item.line, message: item.text };
        continue;
      }
      if (item.reason === 'unstarted') return;
      if (item.lines > last) yield missing(item.lines);
      last = item.lines;
      const remark = remarkOn(item);
      if (remark !== undefined) yield { phase, line: before + ++last, message: remark };
      if (item.reason === 'gone') return;
    }
    lines[phase] += last;
  }
};

/** Reads a generation's log from its pods, attempt by attempt, as it is written. */
export const followBuild = async function* (
  parts: BuildLogParts,
  key: string,
  generation: string,
  signal: AbortSignal,
): AsyncGenerator<BuildLogLine> {
  const { pods, clock } = parts;
  const attemptOf = (builds: readonly SeenBuild[], attempt: number): SeenBuild | undefined =>
    builds.find(({ record }) => record.generation === generation && record.attempt === attempt);

  /** Whether another attempt follows, as soon as it is known. */
  const isFollowed = async (attempt: number): Promise<boolean> => {
    while (attempt < MAX_ATTEMPTS) {
      const { version } = pods;
      const builds = await pods.of(key);
      if (attemptOf(builds, attempt + 1)) return true;
      if (viewGeneration(builds, generation, clock.now())?.outcome.state !== 'running') return false;
      await pods.changed(version, POLL_MS, signal);
    }
    return false;
  };

  for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt += 1) {
    const build = attemptOf(await pods.of(key), attempt);
    const base = (attempt - 1) * ATTEMPT_LINES;
    if (build && attempt > 1) yield { phase: build.record.floor, line: base, message: BEGUN_AGAIN };
    // One that was ended before it ran has no log to wait for.
    if (build && (hasRun(build.pod) || !endOf(build.pod))) yield* followAttempt(parts, build, base, signal);
    if (!(await isFollowed(attempt))) return;
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
