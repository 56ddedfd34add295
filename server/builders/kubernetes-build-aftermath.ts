import type { Clock } from '../clock.ts';
import type { V1Pod } from '../kubernetes/kubernetes-api.ts';
import { LOG_CUT_SHORT } from './build-log-follower.ts';
import type { BuildLogLine } from './builder.ts';
import type { BuildImages } from './kubernetes-build-images.ts';
import { planOf, sourceOf, type BuildRequest } from './kubernetes-build-pod.ts';
import type { BuildPods, SeenBuild } from './kubernetes-build-pods.ts';
import { hasRun, viewBuild, type BuildView } from './kubernetes-build-state.ts';
import type { BuildStatuses } from './kubernetes-build-status.ts';

export interface AftermathParts {
  readonly pods: BuildPods;
  readonly images: BuildImages;
  readonly clock: Clock;
  readonly statuses: BuildStatuses;
  /** The log of one pod's build, attempts before it included. */
  readonly readLog: (build: SeenBuild, signal: AbortSignal) => AsyncIterable<BuildLogLine>;
  /** The log of one pod alone. */
  readonly readAttempt: (build: SeenBuild, signal: AbortSignal) => AsyncIterable<BuildLogLine>;
  readonly makePod: (request: BuildRequest) => V1Pod;
  readonly onError: (error: unknown) => void;
}

/** What is done with a build whose pod has ended. */
export interface Aftermath {
  /** Keeps its log and result beside its image; twice is once. */
  archive(view: BuildView, signal: AbortSignal): Promise<void>;
  /** Begins a lost build once more under the same name; whoever deletes the lost pod does it, and nobody else. */
  retry(view: BuildView, signal: AbortSignal): Promise<void>;
}

/** What a lost attempt still says is waited for so long: its pod may be going. */
const LAST_WORDS_MS = 3_000;

export const createAftermath = (parts: AftermathParts): Aftermath => {
  const { pods, images, clock, statuses, readLog, readAttempt, makePod, onError } = parts;
  /** By the pod's uid. */
  const archiving = new Map<string, Promise<void>>();

  const archiveNow = async (view: BuildView, signal: AbortSignal): Promise<void> => {
    const { key, generation } = view.record;
    // Another hub may have been faster.
    if ((await images.known(key, true)).archives.includes(generation)) return;
    const lines: BuildLogLine[] = [];
    for await (const line of readLog(view, signal)) lines.push(line);
    // A reading that was broken off is no log.
    signal.throwIfAborted();
    const error = view.outcome.state === 'failed' ? { error: await statuses.errorOf(view) } : {};
    await images.writeArchive(key, generation, { lines, ...error });
  };

  /** What an attempt has said until now, ended by a remark where it may have more to say. */
  const lastWords = async (build: SeenBuild, signal: AbortSignal): Promise<readonly BuildLogLine[]> => {
    const lines: BuildLogLine[] = [];
    if (!hasRun(build.pod)) return lines;
    const enough = new AbortController();
    const done = new AbortController();
    void clock.sleep(LAST_WORDS_MS, done.signal).then(
      () => enough.abort(),
      () => undefined,
    );
    try {
      for await (const line of readAttempt(build, AbortSignal.any([signal, enough.signal]))) lines.push(line);
    } catch (error) {
      if (!enough.signal.aborted) throw error;
    } finally {
      done.abort();
    }
    const { phase = build.record.floor, line = 0 } = lines.at(-1) ?? {};
    if (enough.signal.aborted) lines.push({ phase, line: line + 1, message: LOG_CUT_SHORT });
    return lines;
  };

  return {
    archive: (view, signal) => {
      const uid = view.pod.metadata?.uid ?? '';
      const under = archiving.get(uid);
      if (under) return under;
      const mine = archiveNow(view, signal).finally(() => archiving.delete(uid));
      archiving.set(uid, mine);
      return mine;
    },

    retry: async (view, signal) => {
      const { pod, record } = view;
      const { key, target, generation, attempt, floor } = record;
      const plan = planOf(pod);
      const now = await pods.of(key, true);
      const isSame = now?.pod.metadata?.uid === pod.metadata?.uid;
      if (!now || !isSame || !viewBuild(now, clock.now()).toRetry || plan === undefined) return;
      // While the registry is away there is no use in another attempt.
      await images.known(key, true);
      const lines = await lastWords(now, signal);
      if (!(await pods.remove(now))) return;
      await images.writeArchive(key, generation, { lines, interruptedAt: clock.now() }, attempt).catch(onError);
      const source = sourceOf(pod);
      const wasPushing = pod.status?.containerStatuses?.some(({ state }) => state?.running ?? state?.terminated);
      await pods.ensure(
        makePod({
          identity: { key, target },
          generation,
          attempt: attempt + 1,
          plan,
          ...(source === undefined ? {} : { source }),
          floor: wasPushing ? 'pushing' : floor,
        }),
        signal,
      );
    },
  };
};
