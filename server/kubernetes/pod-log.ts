import type { Clock } from '../clock.ts';
import { createBackOff } from './back-off.ts';
import { containerProgress, type ContainerProgress } from './container-progress.ts';
import type { KubernetesApi } from './kubernetes-api.ts';
import { KubernetesError } from './kubernetes-error.ts';
import { createNumberedLog, type NumberedLine, type NumberedLog } from './numbered-log.ts';
import type { PodWatch } from './pod-watch.ts';

export interface PodLogOptions {
  readonly api: Pick<KubernetesApi, 'getPod' | 'podLog'>;
  readonly namespace: string;
  readonly pod: string;
  /** A container of either kind, whose output is a numbered log. */
  readonly container: string;
  readonly clock: Clock;
  /** Tells when the container starts; without it the pod is asked for again and again. */
  readonly watch?: Pick<PodWatch, 'waitFor'> | undefined;
  /** After how long a silence the log is asked for anew, in case the connection is dead; default 60 s. */
  readonly silenceMs?: number;
  /** A number from 0 to below 1. */
  readonly random?: () => number;
}

/**
 * How a log ended: `complete` with its end mark, its count and digest right; else truncated: `incomplete`, the mark was seen
 * but lines are missing or differ; `unfinished`, the container ended without the mark; `unstarted`, its pod ended without
 * it; `gone`, the pod was deleted; `unreadable`, the container has ended and its log cannot be read.
 */
export interface PodLogEnd {
  readonly kind: 'end';
  readonly reason: 'complete' | 'incomplete' | 'unfinished' | 'unstarted' | 'gone' | 'unreadable';
  readonly isTruncated: boolean;
  /** The number of the last line that is known of. */
  readonly lines: number;
  /** Lines before it that could not be read. */
  readonly missing: number;
}

export type PodLogItem = ({ readonly kind: 'line' } & NumberedLine) | PodLogEnd;

type Progress = ContainerProgress | 'gone' | 'unknown';

const SILENCE_MS = 60_000;
const BACK_OFF = { firstMs: 250, maxMs: 3_000 };
/** How often in a row the log of a container that has ended may be refused. */
const MAX_REFUSALS = 6;

const endOf = (log: NumberedLog, reason: PodLogEnd['reason']): PodLogEnd => ({
  kind: 'end',
  reason,
  isTruncated: reason !== 'complete',
  lines: log.end?.lines ?? log.next - 1,
  missing: log.missing,
});

/**
 * Reads one container's numbered log from its beginning, follows it over cuts, silence and restarts of the API until it is
 * known how it ended, and yields each line from `fromLine` on once and in order, then how it ended. Rejects with the signal's
 * reason, and with nothing else.
 */
export async function* followPodLog(
  options: PodLogOptions,
  fromLine: number,
  signal: AbortSignal,
): AsyncGenerator<PodLogItem, void> {
  const { api, namespace, pod: name, container, clock, watch, silenceMs = SILENCE_MS, random } = options;
  const log = createNumberedLog();
  const backOff = createBackOff({ ...BACK_OFF, random });

  const progress = async (): Promise<Progress> => {
    try {
      return containerProgress(await api.getPod(namespace, name), container);
    } catch (error) {
      return KubernetesError.is(error, 404) ? 'gone' : 'unknown';
    }
  };
  const pause = async (of: Progress) => {
    try {
      if (of !== 'waiting' || watch === undefined) return await clock.sleep(backOff.next(), signal);
      await watch.waitFor(name, (pod) => containerProgress(pod, container) !== 'waiting', signal);
    } catch {
      signal.throwIfAborted();
      // What is wrong, if anything is, the next look tells.
      await clock.sleep(backOff.next(), signal);
    }
  };

  /** Reads until the log ends, as far as the API can tell, or until lines are missing that a whole reading may have. */
  const read = async function* (sinceTime: string | undefined): AsyncGenerator<PodLogItem, 'ended' | 'skips'> {
    const connection = new AbortController();
    const stop = () => connection.abort(signal.reason);
    signal.addEventListener('abort', stop, { once: true });
    let chunks = 0;
    const watchSilence = async () => {
      for (let seen = -1; seen !== chunks;) {
        seen = chunks;
        await clock.sleep(silenceMs, connection.signal);
      }
      connection.abort(new KubernetesError(0, 'Timeout', 'The log was silent for long.'));
    };
    watchSilence().catch(() => undefined);
    try {
      const query = { container, follow: true, timestamps: true, ...(sinceTime === undefined ? {} : { sinceTime }) };
      for await (const chunk of api.podLog(namespace, name, query, connection.signal)) {
        chunks += 1;
        // What has no newline is torn: it comes again, or its loss is told.
        for (const raw of chunk.split('\n').slice(0, -1)) {
          if (sinceTime !== undefined && log.skips(raw)) return 'skips';
          const line = log.accept(raw);
          if (line !== undefined && line.line >= fromLine) yield { kind: 'line', ...line };
          if (log.end !== undefined) return 'ended';
        }
      }
      return 'ended';
    } finally {
      signal.removeEventListener('abort', stop);
      connection.abort();
    }
  };

  let refusals = 0;
  /** Where a node's clock was set back, times do not tell where to go on: then it is read from its beginning. */
  let mayResume = true;
  for (let now = await progress(); ; now = await progress()) {
    signal.throwIfAborted();
    if (now === 'gone') return yield endOf(log, 'gone');
    if (now === 'never') return yield endOf(log, 'unstarted');
    if (now === 'running' || now === 'ended') {
      const { next } = log;
      const since = mayResume ? log.resumeAt : undefined;
      let outcome: 'ended' | 'skips' | 'silent' | 'cut' | 'refused';
      try {
        outcome = yield* read(since);
      } catch (error) {
        signal.throwIfAborted();
        outcome = !KubernetesError.is(error, 0) ? 'refused' : error.reason === 'Timeout' ? 'silent' : 'cut';
      }
      if (log.end !== undefined) return yield endOf(log, log.isWhole ? 'complete' : 'incomplete');
      if (log.next > next) {
        backOff.reset();
        refusals = 0;
      } else if (since !== undefined && (outcome === 'ended' || outcome === 'silent')) mayResume = false;
      else if (now === 'ended') {
        // It had ended before it was read from beginning to end once more, so nothing else can come.
        if (outcome === 'ended') return yield endOf(log, 'unfinished');
        if (outcome === 'refused' && ++refusals >= MAX_REFUSALS) return yield endOf(log, 'unreadable');
      }
      if (outcome === 'skips') mayResume = false;
    }
    await pause(now);
  }
}
