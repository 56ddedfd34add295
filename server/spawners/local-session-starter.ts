import type { BuiltEnvironment } from '../builders/builder.ts';
import type { Clock } from '../clock.ts';
import { HubError } from '../errors.ts';
import type { ProcessIdentity } from '../processes/process-identity.ts';
import type { KernelWish, SessionHost } from './local-session-host.ts';
import type { SessionRecords } from './local-session-records.ts';
import type { Launchable, SessionRecord, StartStep } from './spawner.ts';

export interface SessionStarterOptions {
  readonly host: SessionHost;
  readonly records: SessionRecords;
  readonly clock: Clock;
  readonly startTimeoutMs: number;
  readonly onReady: (name: string, identity: ProcessIdentity, environment: BuiltEnvironment) => void;
}

type OnStep = (step: StartStep, message: string) => void;

interface Running {
  readonly done: Promise<SessionRecord>;
  readonly stop: AbortController;
  readonly watchers: Set<OnStep>;
  /** Steps so far, for whoever comes to a start that runs already. */
  readonly steps: (readonly [StartStep, string])[];
}

const cancelled = () => new HubError('cancelled', 'The launch was cancelled.');

const SERVER_MESSAGES: Readonly<Record<SessionRecord['warm'], string>> = {
  none: 'Starting the Jupyter server',
  server: 'Taking a Jupyter server that is running already',
  session: 'Taking a session whose kernel is running already',
};

/** Brings a reserved session to `ready`: server, content and kernel, each found if an earlier hub came that far. */
export const createSessionStarter = (options: SessionStarterOptions) => {
  const { host, records } = options;
  const running = new Map<string, Running>();

  const run = async (name: string, launchable: Launchable, onStep: OnStep, signal: AbortSignal) => {
    const record = await records.read(name);
    if (record === undefined) throw cancelled();
    if (record.state === 'failed')
      throw new HubError(record.error?.code ?? 'session_lost', record.error?.message ?? 'The session has ended.');
    const living = await host.process(name);
    if (record.state === 'ready' && living !== undefined) return record;
    const { environment, content, variables } = launchable;
    // A server that was started anew is another one: what was handed out for the old one no longer holds.
    const generation = record.state === 'ready' ? record.generation + 1 : record.generation;
    await records.change(name, { state: 'starting', generation, environmentGeneration: environment.generation });

    const wish: KernelWish | undefined =
      record.kernel === 'none' ? undefined : { environment, variables, path: record.path };
    onStep('server', SERVER_MESSAGES[record.warm]);
    const identity = await host.open(name, wish, options.startTimeoutMs, signal);
    // Kernel and content come at the same time: the kernel boots while files are unpacked.
    const kernel = wish === undefined ? undefined : host.kernel(name, wish, false, signal);
    kernel?.catch(() => undefined);
    onStep('content', 'Copying the repository into the session');
    await host.fill(name, content, record.path, signal);
    if (kernel !== undefined) onStep('kernel', 'Starting the kernel');
    const kernelSession = await kernel;
    signal.throwIfAborted();
    const ready = await records.change(name, {
      state: 'ready',
      lastActivityAt: options.clock.now(),
      ...(kernelSession && { kernelSession }),
    });
    if (ready === undefined) throw cancelled();
    options.onReady(name, identity, environment);
    return ready;
  };

  const begin = (name: string, launchable: Launchable): Running => {
    const stop = new AbortController();
    const deadline = AbortSignal.timeout(options.startTimeoutMs);
    const watchers = new Set<OnStep>();
    const steps: [StartStep, string][] = [];
    const onStep: OnStep = (step, message) => {
      steps.push([step, message]);
      for (const watcher of watchers) watcher(step, message);
    };
    // Begins in the next turn, so that whoever asked first sees the first step.
    const done = Promise.resolve()
      .then(() => run(name, launchable, onStep, AbortSignal.any([stop.signal, deadline])))
      .catch((error: unknown) => {
        if (stop.signal.aborted) throw cancelled();
        if (deadline.aborted && !(error instanceof HubError))
          throw new HubError(
            'spawn_timeout',
            `The session was not ready in ${options.startTimeoutMs / 1000} s; try again.`,
          );
        throw error;
      })
      .finally(() => running.delete(name));
    return { done, stop, watchers, steps };
  };

  return {
    isBusy: (): boolean => running.size > 0,
    /** Ends a start that runs; it rejects with `cancelled`. */
    abort: (name: string): void => running.get(name)?.stop.abort(),
    async start(name: string, launchable: Launchable, onStep: OnStep, signal: AbortSignal): Promise<SessionRecord> {
      if (signal.aborted) throw cancelled();
      const already = running.get(name);
      const current = already ?? begin(name, launchable);
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
