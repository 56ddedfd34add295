import { sessionPath, type ReadyEvent } from '../../sdk/contract/index.ts';
import type { Content } from '../content/content.ts';
import { HubError, toFailedEvent, toHubError } from '../errors.ts';
import { START_STEPS, type SessionRecord, type StartStep } from '../spawners/spawner.ts';
import { binderVariables } from './binder-variables.ts';
import { buildEnvironment, restateBuild } from './build-environment.ts';
import type { LauncherParts } from './launch-parts.ts';
import { Detached, type LaunchRun } from './launch-run.ts';
import { awaitAdmission, prepareSession, type Reserver } from './reserve-session.ts';

/** Said for a step that was taken while no hub was there to tell. */
const STEP_DONE: Readonly<Record<StartStep, string>> = {
  server: 'The Jupyter server runs',
  content: 'The repository is in place',
  kernel: 'The kernel was started',
};

const emitFetchLog = (run: LaunchRun, lines: readonly string[]): void => {
  lines.forEach((message, index) => run.emit({ phase: 'fetching', message, line: index + 1 }));
};

/** Emits launching lines by the step's place, without a gap, whichever of them a spawner tells again or leaves out. */
const stepTeller = (run: LaunchRun) => {
  let told = 0;
  const tell = (step: StartStep, message: string) => {
    const line = START_STEPS.indexOf(step) + 1;
    for (const missed of START_STEPS.slice(told, line - 1))
      run.emit({ phase: 'launching', message: STEP_DONE[missed], line: START_STEPS.indexOf(missed) + 1 });
    if (line > told) run.emit({ phase: 'launching', message, line });
    told = Math.max(told, line);
  };
  return tell;
};

const readyEvent = (record: SessionRecord, parts: LauncherParts): ReadyEvent => ({
  phase: 'ready',
  url: new URL(sessionPath(record.name).slice(1), parts.addresses.sessions).href,
  token: parts.mintSessionToken({
    session: record.name,
    generation: record.generation,
    expiresAt: record.expiresAt,
  }),
  expiresAt: record.expiresAt,
  idleTimeoutMs: parts.settings.idleTimeoutMs,
  session: record.name,
  ...(record.kernelSession === undefined ? {} : { kernel: record.kernelSession }),
});

/** Tells the whole of a launch whose end is on record. */
const restate = async (run: LaunchRun, record: SessionRecord, parts: LauncherParts): Promise<void> => {
  emitFetchLog(run, record.fetchLog);
  await restateBuild(run, record, parts);
  if (record.state === 'ready') {
    const tell = stepTeller(run);
    tell(record.kernel === 'none' ? 'content' : 'kernel', STEP_DONE[record.kernel === 'none' ? 'content' : 'kernel']);
    run.emit(readyEvent(record, parts));
    return;
  }
  const error = record.error ?? { code: 'session_lost' as const, message: 'The session is gone; run it again.' };
  run.emit(toFailedEvent(new HubError(error.code, error.message, error)));
};

interface Held {
  record: SessionRecord | undefined;
  content: Content | undefined;
}

const proceed = async (
  run: LaunchRun,
  parts: LauncherParts,
  reserver: Reserver,
  held: Held,
  expectsQueue: boolean,
): Promise<void> => {
  const { spawner } = parts;
  let fetched = 0;
  if (held.record === undefined) {
    // Phases go out in order, so lines of fetching are held back where the launch may have to wait in the queue after it.
    const log = (message: string) => run.emit({ phase: 'fetching', message, line: ++fetched });
    const prepared = await prepareSession(run, parts, reserver, expectsQueue ? () => undefined : log);
    held.content = prepared.content;
    held.record = prepared.record;
    run.record = prepared.record;
    run.signal.throwIfAborted();
  }
  const { record } = held;
  if (record.state === 'ready' || record.state === 'failed') return restate(run, record, parts);
  if (record.state === 'reserved')
    await awaitAdmission(run, record, parts, (position) =>
      run.emit({ phase: 'waiting', message: 'All places are taken; waiting for one', position }),
    );
  emitFetchLog(run, record.fetchLog);
  const content = async () =>
    (held.content ??= await parts.content.open(record.source, { signal: run.signal, log: () => undefined }));
  const environment = await buildEnvironment(run, record, parts, content);
  const launchable = {
    environment,
    content: await content(),
    variables: binderVariables(record, parts.addresses.hub),
  };
  run.signal.throwIfAborted();
  const started = await spawner.start(record.name, launchable, stepTeller(run), run.signal);
  run.signal.throwIfAborted();
  held.record = started;
  run.record = started;
  run.emit(readyEvent(started, parts));
  // Only tells which environment to evict last: a failure of it is no failure of the launch.
  await parts.builder.touch(record.environment.key).catch((cause: unknown) => parts.onError(cause, { launch: run.id }));
};

/** Takes back what a launch that has no session holds; a cancelled one leaves nothing, a failed one its reason. */
const giveUp = async (record: SessionRecord, error: HubError, parts: LauncherParts): Promise<void> => {
  if (error.code === 'cancelled') return parts.spawner.stop(record.name);
  const { code, message, logTail, detail, retryAfterMs } = error;
  return parts.spawner.fail(record.name, {
    code,
    message,
    ...(logTail === undefined ? {} : { logTail }),
    ...(detail === undefined ? {} : { detail }),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  });
};

export interface LaunchStart {
  /** The record of an earlier hub, to go on with. */
  readonly record?: SessionRecord;
  /** Whether all places seem taken, so that there will be a queue. */
  readonly expectsQueue: boolean;
}

/** Takes a launch from where it stands to its end. Never rejects: what goes wrong is the launch's last event. */
export const runLaunch = async (
  run: LaunchRun,
  parts: LauncherParts,
  reserver: Reserver,
  start: LaunchStart,
): Promise<void> => {
  const held: Held = { record: start.record, content: undefined };
  run.record = start.record;
  try {
    run.emit({ phase: 'waiting', message: `Looking up ${run.spec}` });
    await proceed(run, parts, reserver, held, start.expectsQueue);
  } catch (thrown) {
    const reason: unknown = run.signal.aborted ? run.signal.reason : thrown;
    if (reason instanceof Detached) {
      run.end();
      return;
    }
    const error = toHubError(reason);
    if (error.code === 'internal') parts.onError(error.cause ?? error, { launch: run.id });
    const { record } = held;
    if (record?.state === 'reserved' || record?.state === 'starting')
      await giveUp(record, error, parts).catch((cause: unknown) => parts.onError(cause, { launch: run.id }));
    run.emit(toFailedEvent(error));
  }
};
