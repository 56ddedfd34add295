import type { V1Pod } from '../kubernetes/kubernetes-api.ts';
import type { SessionPods } from './kubernetes-session-pods.ts';
import { isServing, isWarm } from './kubernetes-session-record.ts';
import type { SpawnerLog } from './local-spawner-options.ts';
import type { SessionError } from './spawner.ts';

interface SessionLossesOptions {
  readonly pods: SessionPods;
  readonly log: SpawnerLog;
  /** Why a pod ended that is still there; undefined where it does not tell. */
  readonly whyEnded: (pod: V1Pod) => SessionError | undefined;
}

const REMOVED: SessionError = {
  code: 'session_lost',
  message: 'The session was removed from the cluster; launch again to get a new one.',
};

/** Tells when a session that ran no longer does, unless this hub ended it. */
export const createSessionLosses = ({ pods, log, whyEnded }: SessionLossesOptions) => {
  const listeners = new Set<(name: string, error: SessionError) => void>();
  let serving: ReadonlySet<string> = new Set();
  /** Sessions that this hub ends: nothing is lost by that. */
  const ending = new Set<string>();

  const look = (): void => {
    const known = pods.known();
    const before = serving;
    serving = new Set([...known].flatMap(([name, pod]) => (isServing(pod) && !isWarm(pod) ? [name] : [])));
    for (const name of before) {
      if (serving.has(name) || ending.has(name)) continue;
      const pod = known.get(name);
      const error = (pod === undefined ? undefined : whyEnded(pod)) ?? REMOVED;
      log.info({ session: name, code: error.code }, 'A session was lost');
      for (const listener of listeners) listener(name, error);
    }
    for (const name of ending) if (!known.has(name)) ending.delete(name);
  };
  look();
  const stop = pods.onChange(look);

  return {
    onLost(listener: (name: string, error: SessionError) => void): () => void {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    /** Tells that this hub ends a session. */
    ends: (name: string): void => void ending.add(name),
    close: stop,
  };
};
