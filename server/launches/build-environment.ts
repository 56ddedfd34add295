import type { BuiltEnvironment } from '../builders/builder.ts';
import type { Content } from '../content/content.ts';
import { HubError } from '../errors.ts';
import type { SessionRecord } from '../spawners/spawner.ts';
import type { LauncherParts } from './launch-parts.ts';
import type { LaunchRun } from './launch-run.ts';

const TAIL_LINES = 50;

const lost = () =>
  new HubError('build_lost', 'The build of the environment disappeared before it had a result; try again.', {
    retryAfterMs: 5_000,
  });

/** Copies a generation's log into the launch's events, to its end. */
const copyLog = async (
  run: LaunchRun,
  { buildLogs }: Pick<LauncherParts, 'buildLogs'>,
  key: string,
  generation: string,
): Promise<readonly string[]> => {
  const log = buildLogs.open(key, generation);
  try {
    await log.feed.forEach((line) => run.emit(line), run.signal);
    return log.feed.items.slice(-TAIL_LINES).map(({ message }) => message);
  } finally {
    log.release();
  }
};

/** Shows the log of the build that this launch waited for, once more: for a launch that is taken up again after its build. */
const recallLog = async (run: LaunchRun, record: SessionRecord, parts: LauncherParts): Promise<void> => {
  const { key } = record.environment;
  const status = await parts.builder.status(key);
  if (status.state === 'built' || status.state === 'failed') await copyLog(run, parts, key, status.generation);
};

/** Restates what came before the end of a launch that has ended: its build, where it waited for one. */
export const restateBuild = async (run: LaunchRun, record: SessionRecord, parts: LauncherParts): Promise<void> => {
  const cached = record.environmentBefore?.state === 'built';
  if (record.state === 'failed') {
    if (record.error?.code.startsWith('build_') ?? false) await recallLog(run, record, parts);
    return;
  }
  if (!cached) await recallLog(run, record, parts);
  run.emit({ phase: 'built', environment: record.environment.key, cached });
};

/**
 * Makes the environment exist: uses the one that is there, joins the build under way, or starts one.
 * A failure that this launch did not see before it began is its own; an earlier one is tried again.
 * Throws the build's HubError, with the end of its log.
 */
export const buildEnvironment = async (
  run: LaunchRun,
  record: SessionRecord,
  parts: LauncherParts,
  content: () => Promise<Content>,
): Promise<BuiltEnvironment> => {
  const { builder } = parts;
  const { key, plan } = record.environment;
  const before = record.environmentBefore ?? { state: 'absent' };
  const now = await builder.status(key);
  if (now.state === 'built' && before.state === 'built') {
    run.emit({ phase: 'built', environment: key, cached: true });
    return now.environment;
  }
  const failedEarlier = now.state === 'failed' && before.state === 'failed' && before.generation === now.generation;
  const generation =
    now.state === 'absent' || failedEarlier ? await builder.start(key, plan, await content()) : now.generation;
  const tail = await copyLog(run, parts, key, generation);
  const status = await builder.wait(key, generation, run.signal);
  run.signal.throwIfAborted();
  if (status.state === 'failed') {
    const { error } = status;
    throw new HubError(error.code, error.message, {
      cause: error,
      logTail: error.logTail ?? tail,
      ...(error.detail === undefined ? {} : { detail: error.detail }),
      ...(error.retryAfterMs === undefined ? {} : { retryAfterMs: error.retryAfterMs }),
    });
  }
  if (status.state !== 'built') throw lost();
  run.emit({ phase: 'built', environment: key, cached: false });
  return status.environment;
};
