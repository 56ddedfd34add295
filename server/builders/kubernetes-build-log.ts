import { setMaxListeners } from 'node:events';
import type { Clock } from '../clock.ts';
import type { KubernetesApi, V1Pod } from '../kubernetes/kubernetes-api.ts';
import { KubernetesError } from '../kubernetes/kubernetes-error.ts';
import { followPodLog, type PodLogEnd } from '../kubernetes/pod-log.ts';
import type { PodWatch } from '../kubernetes/pod-watch.ts';
import { LOG_CUT_SHORT } from './build-log-follower.ts';
import type { BuildLogLine } from './builder.ts';
import type { BuildImages } from './kubernetes-build-images.ts';
import { endOf, type LogFloor } from './kubernetes-build-identity.ts';
import { BUILD_CONTAINERS, type BuildContainer } from './kubernetes-build-pod.ts';
import type { BuildPods, SeenBuild } from './kubernetes-build-pods.ts';
import { BLINK_MS, hasRun, isBetweenAttempts, MAX_ATTEMPTS, viewBuild } from './kubernetes-build-state.ts';

export interface BuildLogParts {
  readonly api: KubernetesApi;
  readonly namespace: string;
  readonly pods: BuildPods;
  readonly images: BuildImages;
  readonly watch: PodWatch;
  readonly clock: Clock;
}

/** Line numbers of a second attempt begin here, so that each hub gives the same line the same number whatever it saw of the first. */
const ATTEMPT_LINES = 2_000_000;

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

/** The number before an attempt's first line. */
const baseOf = (attempt: number): number => (attempt - 1) * ATTEMPT_LINES;

/** Reads one attempt's log, container by container, each phase numbered on. */
export const followAttempt = async function* (
  { api, namespace, clock, watch }: BuildLogParts,
  { pod, record: { attempt, floor } }: SeenBuild,
  signal: AbortSignal,
): AsyncGenerator<BuildLogLine> {
  const base = baseOf(attempt);
  const { name = '', uid } = pod.metadata ?? {};
  /** A pod that has the name by now is not the one whose log is read. */
  const only: Pick<KubernetesApi, 'getPod' | 'podLog'> = {
    getPod: async (...of) => {
      const found = await api.getPod(...of);
      if (found.metadata?.uid !== uid) throw new KubernetesError(404, 'NotFound', `the pod ${name} is another now`);
      return found;
    },
    podLog: (...of) => api.podLog(...of),
  };
  const lines = { building: 0, pushing: 0 };
  let reached: LogFloor = floor;
  for (const container of containersOf(pod)) {
    const phase = phaseOf(container, floor);
    const before = base + lines[phase];
    let last = 0;
    const missing = (upTo: number): BuildLogLine => ({
      phase,
      line: before + upTo,
      message: `… ${upTo - last} lines are missing here: the cluster lost them …`,
    });
    const options = { api: only, namespace, pod: name, container, clock, watch };
    for await (const item of followPodLog(options, 1, signal)) {
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
      // What was taken away before it said anything ends the phase before it.
      const at = last > 0 || item.reason !== 'gone' ? phase : reached;
      if (remark !== undefined) yield { phase: at, line: base + lines[at] + ++last, message: remark };
      if (item.reason === 'gone') return;
    }
    lines[phase] += last;
    reached = phase;
  }
};

/** Reads the log of one pod's build: what is kept of attempts before, then its own. */
export const followPod = async function* (
  parts: BuildLogParts,
  build: SeenBuild,
  signal: AbortSignal,
): AsyncGenerator<BuildLogLine> {
  const { key, generation, attempt, floor } = build.record;
  for (let before = 1; before < attempt; before += 1) {
    const kept = await parts.images.readArchive(key, generation, before);
    if (kept) yield* kept.lines;
  }
  if (attempt > 1) yield { phase: floor, line: baseOf(attempt), message: BEGUN_AGAIN };
  // One that was ended before it ran has no log to wait for.
  if (hasRun(build.pod) || !endOf(build.pod)) yield* followAttempt(parts, build, signal);
};

/** Reads a build's log from its pod on, also over the attempts that follow, as it is written. */
export const followBuild = async function* (
  parts: BuildLogParts,
  first: SeenBuild,
  signal: AbortSignal,
): AsyncGenerator<BuildLogLine> {
  const { pods, images, clock } = parts;
  const { key, generation } = first.record;

  /** The attempt that follows one, as soon as it is known; undefined where none does. */
  const next = async (last: SeenBuild): Promise<SeenBuild | undefined> => {
    let absentSince: number | undefined;
    while (last.record.attempt < MAX_ATTEMPTS) {
      const { version } = pods;
      const found = await pods.of(key);
      const build = found?.record.generation === generation ? found : undefined;
      if (build && build.record.attempt > last.record.attempt) return build;
      // Another build of that number, begun after this one was cancelled, has a log of its own.
      if (build && build.pod.metadata?.uid !== last.pod.metadata?.uid) return undefined;
      if (build && viewBuild(build, clock.now()).outcome.state !== 'running') return undefined;
      const isAbsent = !build && !(await isBetweenAttempts(images, key, generation, clock.now()));
      absentSince = isAbsent ? (absentSince ?? clock.monotonic()) : undefined;
      if (absentSince !== undefined && clock.monotonic() - absentSince >= BLINK_MS) return undefined;
      await pods.changed(version, BLINK_MS, signal);
    }
    return undefined;
  };

  yield* followPod(parts, first, signal);
  for (let build = await next(first); build; build = await next(build)) {
    yield { phase: build.record.floor, line: baseOf(build.record.attempt), message: BEGUN_AGAIN };
    yield* followAttempt(parts, build, signal);
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
