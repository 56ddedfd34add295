import { formatRepo, type FailedEvent } from '../../sdk/contract/index.ts';
import type { Content } from '../content/content.ts';
import { HubError } from '../errors.ts';
import type { SessionRecord, SessionSeed, Spawner } from '../spawners/spawner.ts';
import type { LauncherParts } from './launch-parts.ts';
import type { LaunchRun } from './launch-run.ts';
import { admissionOf } from './quota.ts';

const RETRY_AFTER_MS = 30_000;
const LOOK_AGAIN_MS = 250;

/** Reserves one at a time, each with a later stamp than all before, so that no late reservation outranks an admitted one. */
export const createReserver = (spawner: Pick<Spawner, 'reserve'>, now: () => number) => {
  let last = 0;
  let turn: Promise<unknown> = Promise.resolve();
  return {
    /** Tells of a stamp that an earlier hub gave. */
    saw: (createdAt: number): void => {
      last = Math.max(last, createdAt);
    },
    reserve: (seed: Omit<SessionSeed, 'createdAt'>): Promise<SessionRecord> => {
      const reserved = turn.then(() => {
        last = Math.max(now(), last + 1);
        return spawner.reserve({ ...seed, createdAt: last });
      });
      turn = reserved.catch(() => undefined);
      return reserved;
    },
  };
};

export type Reserver = ReturnType<typeof createReserver>;

const FULL: Readonly<Record<'total' | 'repo', { code: FailedEvent['code']; message: (repo: string) => string }>> = {
  total: { code: 'capacity', message: () => 'Too many users on this hub! Try again soon.' },
  repo: { code: 'quota', message: (repo) => `Too many users running ${repo}! Try again soon.` },
};

/** The error for a launch that finds no place. */
export const fullError = (limit: 'total' | 'repo', repo: string): HubError =>
  new HubError(FULL[limit].code, FULL[limit].message(repo), { retryAfterMs: RETRY_AFTER_MS });

/**
 * Resolves the spec, fetches its files, plans its environment and makes the session's record.
 * Lines of the fetching phase go to `log` as they come.
 */
export const prepareSession = async (
  run: LaunchRun,
  parts: LauncherParts,
  reserver: Reserver,
  log: (line: string) => void,
): Promise<{ record: SessionRecord; content: Content }> => {
  const { spec, kernel, path, profile } = run.request;
  const provider = parts.providers.find(({ id }) => id === spec.provider);
  if (provider === undefined)
    throw new HubError(
      'bad_spec',
      `No provider found for prefix ${spec.provider}; this hub knows ${parts.providers.map(({ id }) => id).join(', ')}.`,
    );
  const fetchLog: string[] = [];
  const say = (line: string) => {
    fetchLog.push(line);
    log(line);
  };
  const resolved = await provider.resolve(spec, run.signal);
  run.signal.throwIfAborted();
  say(`Resolved ${spec.ref} to ${resolved.resolvedRef}`);
  const content = await parts.content.open(resolved.source, { signal: run.signal, log: say });
  content.notices.forEach(say);
  const environment = await parts.planner.plan(content);
  environment.notices.forEach(say);
  const before = await parts.builder.status(environment.key);
  run.signal.throwIfAborted();
  const record = await reserver.reserve({
    launchId: run.id,
    spec: run.spec,
    resolvedRef: resolved.resolvedRef,
    source: resolved.source,
    repoUrl: resolved.repoUrl,
    refUrl: resolved.refUrl,
    repo: formatRepo(spec),
    environment,
    kernel,
    path,
    profile,
    fetchLog,
    environmentBefore:
      before.state === 'absent' ? { state: 'absent' } : { state: before.state, generation: before.generation },
  });
  return { record, content };
};

/** Waits until the reservation's turn has come; tells its place whenever that changes. Throws HubError `capacity` or `quota`. */
export const awaitAdmission = async (
  run: LaunchRun,
  record: SessionRecord,
  parts: LauncherParts,
  onPosition: (position: number) => void,
): Promise<void> => {
  const { clock, spawner, settings } = parts;
  const deadline = clock.monotonic() + settings.queueTimeoutMs;
  let told = 0;
  for (;;) {
    const admission = admissionOf(record.name, await spawner.list(), settings);
    if (admission.admitted) return;
    const { limit, position } = admission;
    if (clock.monotonic() >= deadline || settings.total === 0 || position > settings.queue)
      throw fullError(limit, record.repo);
    if (position !== told) onPosition((told = position));
    await clock.sleep(LOOK_AGAIN_MS, run.signal);
  }
};
