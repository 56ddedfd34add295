import type { BuiltEnvironment } from '../builders/builder.ts';
import type { Clock } from '../clock.ts';
import { HubError } from '../errors.ts';
import type { ProcessIdentity } from '../processes/process-identity.ts';
import type { KernelWish, SessionHost } from './local-session-host.ts';
import type { SessionRecords } from './local-session-records.ts';
import { cancelled, createSharedStarts, SERVER_MESSAGES, type OnStep } from './shared-starts.ts';
import type { Launchable } from './spawner.ts';

export interface SessionStarterOptions {
  readonly host: SessionHost;
  readonly records: SessionRecords;
  readonly clock: Clock;
  readonly startTimeoutMs: number;
  readonly onReady: (name: string, identity: ProcessIdentity, environment: BuiltEnvironment) => void;
}

/** Brings a reserved session to `ready`: server, content and kernel, each found if an earlier hub came that far. */
export const createSessionStarter = (options: SessionStarterOptions) => {
  const { host, records } = options;

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

  return createSharedStarts({ clock: options.clock, startTimeoutMs: options.startTimeoutMs, run });
};
