import type { Clock } from '../clock.ts';
import { HubError } from '../errors.ts';
import type { V1Pod } from '../kubernetes/kubernetes-api.ts';
import { lastWarning, podProblem, type PodPatience, type PodProblem } from './kubernetes-pod-problem.ts';
import { CONTAINER } from './kubernetes-session-name.ts';
import type { SessionPods } from './kubernetes-session-pods.ts';
import { openedOf } from './kubernetes-session-record.ts';
import type * as sessionClient from './session-client.ts';
import type { SessionAddress } from './session-client.ts';

/** How a session's server is asked; injected for tests. */
export type SessionClient = Pick<typeof sessionClient, 'askStatus' | 'putContent' | 'startKernel'>;

export interface SessionReadinessOptions {
  readonly pods: SessionPods;
  readonly client: Pick<SessionClient, 'askStatus'>;
  readonly clock: Clock;
  readonly patience: Partial<PodPatience>;
  /** How long a server that listens may take for one answer before it counts as silent. */
  readonly answerMs: number;
}

/** How often a server that listens may be silent. */
const MAX_SILENCES = 3;
const ASK_EVERY_MS = 20;
const LOOK_EVERY_MS = 1_000;
const EVENTS_EVERY_MS = 5_000;
const TAIL_LINES = 50;
/** A server that breaks off has ended, as a rule; its pod tells so a moment later. */
const CAUSE_WITHIN_MS = 3_000;

const gone = () => new HubError('session_lost', 'The session was removed from the cluster; launch again.');

/** Waits for servers to answer, and says why one does not. */
export const createSessionReadiness = ({ pods, client, clock, patience, answerMs }: SessionReadinessOptions) => {
  const problemOf = (pod: V1Pod, events: Parameters<typeof podProblem>[1]): PodProblem | undefined =>
    podProblem(pod, events, clock.now(), openedOf(pod)?.at, patience);

  const asError = async (pod: V1Pod, { code, message, hasLog }: PodProblem): Promise<HubError> => {
    const logTail = hasLog ? await pods.logTail(pod, CONTAINER, TAIL_LINES) : [];
    return new HubError(code, message, logTail.length === 0 ? {} : { logTail });
  };

  const ask = async (address: SessionAddress, signal: AbortSignal): Promise<'yes' | 'no' | 'silent' | 'refused'> => {
    const timeout = AbortSignal.timeout(answerMs);
    try {
      return (await client.askStatus(address, AbortSignal.any([signal, timeout]))) ? 'yes' : 'refused';
    } catch {
      return timeout.aborted && !signal.aborted ? 'silent' : 'no';
    }
  };

  /** What the watch has, or the API where the watch has nothing: it may be behind. */
  const look = async (name: string): Promise<V1Pod> => {
    const pod = pods.find(name) ?? (await pods.read(name));
    if (pod === undefined) throw gone();
    return pod;
  };

  return {
    /**
     * Resolves with its address once the server answers and takes its token. Throws HubError: the pod's own problem as soon as waiting does not help,
     * `unhealthy`; the signal's reason where that comes first. `onCrowded` is called once where no node has room.
     */
    async awaitAnswer(name: string, signal: AbortSignal, onCrowded = () => {}): Promise<SessionAddress> {
      let silences = 0;
      let isCrowded = false;
      let events: Parameters<typeof podProblem>[1] = [];
      let eventsAt = clock.monotonic();
      for (;;) {
        signal.throwIfAborted();
        const pod = await look(name);
        const found = problemOf(pod, events);
        if (found?.isFinal) throw await asError(pod, found);
        if (found?.code === 'capacity' && !isCrowded) {
          isCrowded = true;
          onCrowded();
        }
        const address = pods.addressOf(name);
        if (address === undefined) {
          await pods.nextChange(LOOK_EVERY_MS, signal);
          if (clock.monotonic() - eventsAt < EVENTS_EVERY_MS) continue;
          eventsAt = clock.monotonic();
          events = await pods.events(pod);
          continue;
        }
        const answer = await ask(address, signal);
        if (answer === 'yes') return address;
        signal.throwIfAborted();
        if (answer === 'refused')
          throw new HubError('unhealthy', 'The session’s server refuses its own token; start again.');
        if (answer === 'silent' && ++silences >= MAX_SILENCES)
          throw new HubError('unhealthy', 'The session’s server listens but does not answer; start again.', {
            logTail: await pods.logTail(pod, CONTAINER, TAIL_LINES),
          });
        await clock.sleep(ASK_EVERY_MS, signal);
      }
    },

    /** Why a session that answered broke off: its pod's problem where it has one by now, else `session_crashed`. */
    async whyBroken(name: string, what: string, signal: AbortSignal): Promise<HubError> {
      const deadline = clock.monotonic() + CAUSE_WITHIN_MS;
      for (;;) {
        const pod = await look(name);
        const found = problemOf(pod, []);
        if (found?.isFinal) return asError(pod, found);
        if (clock.monotonic() >= deadline)
          return new HubError('session_crashed', what, { logTail: await pods.logTail(pod, CONTAINER, TAIL_LINES) });
        await pods.nextChange(LOOK_EVERY_MS, signal);
      }
    },

    /** What the cluster said last of a session that did not become ready in time, as part of a sentence. */
    async whySlow(name: string): Promise<string> {
      const pod = pods.find(name);
      if (pod === undefined) return '';
      const events = await pods.events(pod);
      const reason = problemOf(pod, events)?.message.replace(/; [^;]*$/, '') ?? lastWarning(events);
      return reason === undefined ? '' : ` (${reason})`;
    },

    /** The error of a pod that has ended. */
    endedError: async (pod: V1Pod): Promise<HubError> => {
      const found = problemOf(pod, []);
      return found === undefined ? gone() : asError(pod, found);
    },
  };
};

export type SessionReadiness = ReturnType<typeof createSessionReadiness>;
