import type { Clock } from '../clock.ts';
import { HubError } from '../errors.ts';
import type { Launchable, SessionRecord, StartStep } from './spawner.ts';

export type OnStep = (step: StartStep, message: string) => void;

export interface SharedStartsOptions {
  readonly clock: Clock;
  readonly startTimeoutMs: number;
  /** Brings one session to `ready`; runs once at a time for each. */
  readonly run: (name: string, launchable: Launchable, onStep: OnStep, signal: AbortSignal) => Promise<SessionRecord>;
  /** What is told of a session that was not ready in time; default that alone. */
  readonly why?: (name: string) => Promise<string>;
}

interface Running {
  readonly done: Promise<SessionRecord>;
  readonly stop: AbortController;
  readonly watchers: Set<OnStep>;
  /** Steps so far, for whoever comes to a start that runs already. */
  readonly steps: (readonly [StartStep, string])[];
}

/** What the first step says, by what was claimed. */
export const SERVER_MESSAGES: Readonly<Record<SessionRecord['warm'], string>> = {
  none: 'Starting the Jupyter server',
  server: 'Taking a Jupyter server that is running already',
  session: 'Taking a session whose kernel is running already',
};

export const cancelled = () => new HubError('cancelled', 'The launch was cancelled.');

/** Starts under way: whoever asks for one that runs already joins it, and hears its steps from the first. */
export const createSharedStarts = (options: SharedStartsOptions) => {
  const { clock, startTimeoutMs, why = async () => '' } = options;
  const running = new Map<string, Running>();

  const begin = (name: string, launchable: Launchable): Running => {
    const stop = new AbortController();
    const deadline = new AbortController();
    const over = new AbortController();
    clock.sleep(startTimeoutMs, over.signal).then(
      () => deadline.abort(),
      () => undefined,
    );
    const watchers = new Set<OnStep>();
    const steps: [StartStep, string][] = [];
    const onStep: OnStep = (step, message) => {
      steps.push([step, message]);
      for (const watcher of watchers) watcher(step, message);
    };
    // Begins in the next turn, so that whoever asked first sees the first step.
    const done = Promise.resolve()
      .then(() => options.run(name, launchable, onStep, AbortSignal.any([stop.signal, deadline.signal])))
      .catch(async (error: unknown) => {
        if (stop.signal.aborted) throw cancelled();
        if (deadline.signal.aborted && !(error instanceof HubError))
          throw new HubError(
            'spawn_timeout',
            `The session was not ready in ${startTimeoutMs / 1000} s${await why(name)}; try again.`,
          );
        throw error;
      })
      .finally(() => {
        over.abort();
        running.delete(name);
      });
    return { done, stop, watchers, steps };
  };

  return {
    isBusy: (): boolean => running.size > 0,
    isRunning: (name: string): boolean => running.has(name),
    /** Ends a start that runs; it rejects with `cancelled`. */
    abort: (name: string): void => running.get(name)?.stop.abort(),
    abortAll: (): void => {
      for (const { stop } of running.values()) stop.abort();
    },
    async start(name: string, launchable: Launchable, onStep: OnStep, signal: AbortSignal): Promise<SessionRecord> {
      if (signal.aborted) throw cancelled();
      const current = running.get(name) ?? begin(name, launchable);
      running.set(name, current);
      for (const [step, message] of current.steps) onStep(step, message);
      current.watchers.add(onStep);
      const onAbort = () => current.stop.abort();
      signal.addEventListener('abort', onAbort, { once: true });
      try {
        return await current.done;
      } finally {
        signal.removeEventListener('abort', onAbort);
        current.watchers.delete(onStep);
      }
    },
  };
};
