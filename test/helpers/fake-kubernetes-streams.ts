import type { Clock } from '../../server/clock.ts';
import type { LogOptions, V1Pod, WatchEvent } from '../../server/kubernetes/kubernetes-api.ts';
import { KubernetesError } from '../../server/kubernetes/kubernetes-error.ts';
import { matchesSelector } from './fake-kubernetes-rules.ts';

/** What one container has written; a follow ends when the log is closed. */
interface ContainerLog {
  readonly lines: { readonly at: number; readonly text: string }[];
  closed: boolean;
}

/** One change of a pod. */
interface Told {
  readonly version: number;
  readonly namespace: string;
  readonly before: V1Pod | undefined;
  readonly after: V1Pod;
  readonly deleted: boolean;
}

/** The watches and followed logs of an API in memory. */
export const createFakeStreams = (clock: Clock) => {
  const logs = new Map<string, ContainerLog>();
  /** What happened to pods since the last compaction. */
  let history: Told[] = [];
  let compactedAt = 0;
  let wakeAll: () => void = () => undefined;
  const nextChange = () => new Promise<void>((resolve) => (wakeAll = resolve));
  let changed = nextChange();
  let cuts = new AbortController();

  const wake = () => {
    wakeAll();
    changed = nextChange();
  };

  return {
    tell(told: Told): void {
      history.push({ ...told, after: structuredClone(told.after) });
      wake();
    },
    compact(version: number): void {
      history = [];
      compactedAt = version;
      wake();
    },
    cut(error: Error | undefined): void {
      cuts.abort(error);
      cuts = new AbortController();
    },
    write(namespace: string, name: string, container: string, lines: readonly string[]): void {
      const key = `${namespace}/${name}/${container}`;
      const log = logs.get(key) ?? { lines: [], closed: false };
      logs.set(key, log);
      for (const text of lines) log.lines.push({ at: clock.now(), text });
      wake();
    },
    closeLog(namespace: string, name: string, container: string): void {
      const log = logs.get(`${namespace}/${name}/${container}`);
      if (log !== undefined) log.closed = true;
      wake();
    },
    /** A pod's logs go with it: those who follow them are at their end, and the next pod of that name begins anew. */
    forget(namespace: string, name: string): void {
      for (const [key, log] of logs)
        if (key.startsWith(`${namespace}/${name}/`)) {
          log.closed = true;
          logs.delete(key);
        }
    },

    async *watch(
      namespace: string,
      options: { readonly labelSelector: string; readonly resourceVersion: string; readonly timeoutSeconds: number },
      signal: AbortSignal,
    ): AsyncGenerator<WatchEvent<V1Pod>> {
      const { signal: cut } = cuts;
      const ends = clock.monotonic() + options.timeoutSeconds * 1_000;
      let seen = Number(options.resourceVersion);
      const matches = (pod: V1Pod | undefined) =>
        pod !== undefined && matchesSelector(pod.metadata?.labels, options.labelSelector);
      for (;;) {
        if (seen < compactedAt) throw new KubernetesError(410, 'Expired', 'too old resource version');
        for (const { version: at, namespace: where, before, after, deleted } of history) {
          if (at <= seen || where !== namespace) continue;
          seen = at;
          const object = structuredClone(after);
          const [was, is] = [matches(before), !deleted && matches(after)];
          if (was && !is) yield { type: 'deleted', object };
          else if (is) yield { type: was ? 'modified' : 'added', object };
        }
        if (signal.aborted) throw signal.reason;
        if (cut.aborted) {
          if (cut.reason instanceof KubernetesError) throw cut.reason;
          return;
        }
        if (clock.monotonic() >= ends) return;
        const waiting = new AbortController();
        const stopped = AbortSignal.any([signal, cut]);
        await Promise.race([
          changed,
          clock.sleep(ends - clock.monotonic(), waiting.signal).catch(() => undefined),
          new Promise((resolve) => stopped.addEventListener('abort', resolve, { once: true, signal: waiting.signal })),
        ]);
        waiting.abort();
      }
    },

    async *log(namespace: string, name: string, options: LogOptions, signal: AbortSignal): AsyncGenerator<string> {
      const { signal: cut } = cuts;
      const log = logs.get(`${namespace}/${name}/${options.container}`);
      if (log === undefined)
        throw new KubernetesError(
          400,
          'BadRequest',
          `container ${options.container} in pod ${name} is waiting to start`,
        );
      const since = options.sinceTime === undefined ? 0 : Date.parse(options.sinceTime);
      let next = options.tailLines === undefined ? 0 : Math.max(0, log.lines.length - options.tailLines);
      for (;;) {
        for (; next < log.lines.length; next++) {
          const line = log.lines[next];
          if (line !== undefined && line.at >= since) yield `${line.text}\n`;
        }
        if (!options.follow || log.closed) return;
        if (signal.aborted) throw signal.reason;
        if (cut.aborted) throw cut.reason;
        const waiting = new AbortController();
        const stopped = AbortSignal.any([signal, cut]);
        await Promise.race([
          changed,
          new Promise((resolve) => stopped.addEventListener('abort', resolve, { once: true, signal: waiting.signal })),
        ]);
        waiting.abort();
      }
    },
  };
};
