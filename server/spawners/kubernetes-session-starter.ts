import type { BuiltEnvironment } from '../builders/builder.ts';
import type { Content } from '../content/content.ts';
import type { Clock } from '../clock.ts';
import { HubError } from '../errors.ts';
import type { PatchStep, V1Pod } from '../kubernetes/kubernetes-api.ts';
import { KubernetesError } from '../kubernetes/kubernetes-error.ts';
import { asHubError, isConflict } from './kubernetes-session-errors.ts';
import { ANNOTATIONS, QUEUE_GATE } from './kubernetes-session-name.ts';
import { putAnnotation, type SessionPods } from './kubernetes-session-pods.ts';
import type { SessionClient, SessionReadiness } from './kubernetes-session-readiness.ts';
import { isGated, isServing, openedOf, type OpenedSession } from './kubernetes-session-record.ts';
import type { SessionUpdates } from './kubernetes-session-updates.ts';
import type { SessionAddress } from './session-client.ts';
import { cancelled, createSharedStarts, SERVER_MESSAGES, type OnStep } from './shared-starts.ts';
import type { Launchable, SessionRecord } from './spawner.ts';

export interface KubernetesStarterOptions {
  readonly pods: SessionPods;
  readonly readiness: SessionReadiness;
  readonly updates: SessionUpdates;
  readonly client: SessionClient;
  readonly clock: Clock;
  readonly startTimeoutMs: number;
  /** The record of a session as it is now. Rejects where it cannot be learnt. */
  readonly read: (name: string) => Promise<SessionRecord | undefined>;
  /** Called when no node has room for a session: what nobody uses may give way. */
  readonly onCrowded: () => void;
  readonly onReady: (record: SessionRecord, environment: BuiltEnvironment) => void;
}

const OPEN_TRIES = 5;

/** One patch that gives a reserved pod its image and lets it be scheduled. */
const openingSteps = (pod: V1Pod, image: string, opened: OpenedSession): PatchStep[] => [
  {
    op: 'remove',
    path: `/spec/schedulingGates/${(pod.spec?.schedulingGates ?? []).findIndex(({ name }) => name === QUEUE_GATE)}`,
  },
  { op: 'replace', path: '/spec/containers/0/image', value: image },
  putAnnotation(ANNOTATIONS.opened, JSON.stringify(opened)),
];

/** Brings a reserved session to `ready`: its pod opened, its server answering, content and kernel in it; each found if a hub came that far. */
export const createKubernetesStarter = (options: KubernetesStarterOptions) => {
  const { pods, readiness, updates, client, clock } = options;

  /** Opens the pod unless it is open, and returns the environment that it has. */
  const open = async (name: string, environment: BuiltEnvironment): Promise<BuiltEnvironment> => {
    const { image } = environment;
    if (image === undefined) throw new TypeError(`The environment ${environment.key} has no image.`);
    for (let attempt = 1; ; attempt++) {
      // What the watch has may be old: then the patch is refused, and the API is asked.
      const pod = (attempt === 1 ? pods.find(name) : undefined) ?? (await pods.read(name));
      if (pod === undefined) throw cancelled();
      if (!isGated(pod)) return openedOf(pod)?.environment ?? environment;
      try {
        await pods.patch(pod, openingSteps(pod, image, { at: clock.now(), environment }));
        return environment;
      } catch (error) {
        if (KubernetesError.is(error, 404)) throw cancelled();
        if (!isConflict(error) || attempt === OPEN_TRIES) throw error;
      }
    }
  };

  /** Runs what asks the session's server; where the server breaks off its pod says why. */
  const asking = async <T>(name: string, what: string, signal: AbortSignal, work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof HubError && error.code !== 'session_crashed') throw error;
      throw await readiness.whyBroken(name, what, signal);
    }
  };

  const fill = async (record: SessionRecord, address: SessionAddress, content: Content, signal: AbortSignal) => {
    const stream = content.archive(signal);
    const what = 'The session’s server broke off while it was given the repository’s files.';
    try {
      await asking(record.name, what, signal, () =>
        client.putContent(address, stream, record.path, signal, record.launchId),
      );
    } finally {
      stream.destroy();
    }
  };

  const start = async (
    name: string,
    { environment, content, variables }: Launchable,
    onStep: OnStep,
    signal: AbortSignal,
  ): Promise<SessionRecord> => {
    const record = await options.read(name);
    if (record === undefined) throw cancelled();
    if (record.state === 'failed')
      throw new HubError(
        record.error?.code ?? 'session_lost',
        record.error?.message ?? 'The session has ended.',
        record.error,
      );
    const pod = pods.find(name);
    if (record.state === 'ready' && pod !== undefined && isServing(pod)) return record;
    updates.starting(name);
    onStep('server', SERVER_MESSAGES[record.warm]);
    const used = await open(name, environment);
    const address = await readiness.awaitAnswer(name, signal, options.onCrowded);
    // Kernel and content come at the same time: the kernel boots while files are unpacked.
    const { prefix, python, displayName } = used;
    const wish = {
      path: record.path,
      environment: `${used.key}/${used.generation}`,
      variables,
      kernel: { prefix, python, displayName },
      warm: false,
    };
    const kernel =
      record.kernel === 'none'
        ? undefined
        : asking(name, 'The kernel could not be started; the session’s log has the cause.', signal, () =>
            client.startKernel(address, wish, signal),
          );
    kernel?.catch(() => undefined);
    onStep('content', 'Copying the repository into the session');
    await fill(record, address, content, signal);
    if (kernel !== undefined) onStep('kernel', 'Starting the kernel');
    const kernelSession = await kernel;
    signal.throwIfAborted();
    updates.ready(name, kernelSession);
    const ready = await options.read(name);
    if (ready === undefined) throw cancelled();
    options.onReady(ready, used);
    return ready;
  };

  const run: typeof start = async (name, ...rest) => {
    try {
      return await start(name, ...rest);
    } catch (error) {
      updates.notStarting(name);
      throw asHubError(error);
    }
  };

  return createSharedStarts({ clock, startTimeoutMs: options.startTimeoutMs, run, why: readiness.whySlow });
};
