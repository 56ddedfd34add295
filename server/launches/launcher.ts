import { formatRepo, formatRepoSpec } from '../../sdk/contract/index.ts';
import { HubError } from '../errors.ts';
import type { SessionRecord } from '../spawners/spawner.ts';
import { checkRequest, fingerprintOf } from './check-request.ts';
import type { LauncherParts } from './launch-parts.ts';
import { Detached, LaunchRun, type CheckedRequest } from './launch-run.ts';
import { createReserver, fullError } from './reserve-session.ts';
import { runLaunch } from './run-launch.ts';

export interface Launcher {
  /**
   * Starts a launch under an id, or meets the one that has it. `mayExist` tells that the id may belong to a launch of an
   * earlier hub, whose record is then gone on with. Throws HubError `not_allowed`, `capacity`, or `bad_spec` where the id
   * belongs to a launch of something else.
   */
  launch(id: string, request: CheckedRequest, mayExist: boolean): Promise<{ run: LaunchRun; created: boolean }>;
  /** The launch of an id, from this hub's memory or from its record. */
  find(id: string): Promise<LaunchRun | undefined>;
  /** Stops a launch and its session; returns false when there is none. */
  cancel(id: string): Promise<boolean>;
  /** Counts as activity; returns when the session ends whatever happens. Throws HubError `not_found`. */
  keepAlive(id: string): Promise<{ expiresAt: number }>;
  /** Goes on with every launch that an earlier hub left; returns how many. */
  resumeAll(): Promise<number>;
  /** Launches under way in this hub. */
  readonly active: number;
  /** Stops following; sessions and builds go on for the next hub. */
  close(): void;
}

export const createLauncher = (parts: LauncherParts): Launcher => {
  const { spawner, builder, clock, settings } = parts;
  const runs = new Map<string, LaunchRun>();
  const reserver = createReserver(spawner, () => clock.now());
  let closed = false;

  const forgetLater = (run: LaunchRun): void => {
    setTimeout(() => {
      if (run.watchers === 0 && runs.get(run.id) === run) runs.delete(run.id);
    }, settings.keepEndedMs).unref();
  };

  const follow = (id: string, request: CheckedRequest, record: SessionRecord | undefined): LaunchRun => {
    const run = new LaunchRun({
      id,
      request,
      createdAt: record?.createdAt ?? clock.now(),
      abandonAfterMs: settings.abandonAfterMs,
    });
    run.record = record;
    run.onIdle = () => forgetLater(run);
    runs.set(id, run);
    return run;
  };

  const isActive = (run: LaunchRun): boolean => !run.ended;

  const start = async (run: LaunchRun, record: SessionRecord | undefined, expectsQueue: boolean): Promise<void> => {
    const startedAt = clock.monotonic();
    await runLaunch(run, parts, reserver, { expectsQueue, ...(record === undefined ? {} : { record }) });
    if (run.last?.phase === 'ready' || run.last?.phase === 'failed') parts.onEnd(run, clock.monotonic() - startedAt);
  };

  /** Takes up a record; its request is read from it. */
  const takeUp = (record: SessionRecord): LaunchRun => {
    const { kernel, path, profile } = record;
    const run = follow(record.launchId, checkRequest({ spec: record.spec, kernel, path, profile }), record);
    reserver.saw(record.createdAt);
    void start(run, record, record.state === 'reserved');
    return run;
  };

  /** The run in memory, unless its session has ended since. */
  const current = async (id: string): Promise<LaunchRun | undefined> => {
    const run = runs.get(id);
    if (run?.phase !== 'ready' || run.record === undefined) return run;
    const record = await spawner.get(run.record.name);
    if (record?.state === 'ready') return run;
    if (runs.get(id) === run) runs.delete(id);
    return runs.get(id);
  };

  /** Whether a new launch will find all places taken by sessions and by launches on their way to one. */
  const seemsFull = (run: LaunchRun, records: readonly SessionRecord[]): boolean => {
    const repo = formatRepo(run.request.spec);
    const repos = records.filter(({ state }) => state !== 'failed').map((record) => record.repo);
    for (const other of runs.values())
      if (other !== run && isActive(other) && other.record === undefined) repos.push(formatRepo(other.request.spec));
    const ofRepo = repos.filter((each) => each === repo).length;
    return repos.length >= settings.total || (settings.perRepo > 0 && ofRepo >= settings.perRepo);
  };

  const begin = async (run: LaunchRun, mayExist: boolean): Promise<boolean> => {
    const record = mayExist ? await spawner.findByLaunch(run.id) : undefined;
    if (record !== undefined) {
      run.record = record;
      reserver.saw(record.createdAt);
    }
    const full = record === undefined ? seemsFull(run, await spawner.list()) : record.state === 'reserved';
    void start(run, record, full);
    return record === undefined;
  };

  const unreserved = (): number => [...runs.values()].filter((run) => isActive(run) && run.record === undefined).length;

  const beginnings = new Map<LaunchRun, Promise<boolean>>();

  const launcher: Launcher = {
    launch: async (id, request, mayExist) => {
      parts.allow.check(request.spec);
      if (closed)
        throw new HubError('capacity', 'The hub is stopping; try again in a moment.', { retryAfterMs: 2_000 });
      // Looked up once more: of calls that waited together the first has made one.
      const existing = (await current(id)) ?? runs.get(id);
      if (existing !== undefined) {
        if (fingerprintOf(existing.request) !== fingerprintOf(request))
          throw new HubError(
            'bad_spec',
            `This launch token belongs to a launch of ${existing.spec}; ask for ${formatRepoSpec(request.spec)} without it.`,
          );
        await beginnings.get(existing);
        return { run: existing, created: false };
      }
      if (unreserved() >= settings.total + settings.queue) throw fullError('total', formatRepo(request.spec));
      const run = follow(id, request, undefined);
      const beginning = begin(run, mayExist).finally(() => beginnings.delete(run));
      beginnings.set(run, beginning);
      try {
        return { run, created: await beginning };
      } catch (error) {
        runs.delete(id);
        run.end();
        throw error;
      }
    },
    find: async (id) => {
      const run = await current(id);
      if (run !== undefined) return run;
      const record = await spawner.findByLaunch(id);
      return runs.get(id) ?? (record === undefined || closed ? undefined : takeUp(record));
    },
    cancel: async (id) => {
      const run = await launcher.find(id);
      if (run === undefined) return false;
      const key = run.record?.environment.key;
      const wasActive = isActive(run);
      run.stop(new HubError('cancelled', 'The launch was cancelled.'));
      if (run.record !== undefined) await spawner.stop(run.record.name);
      if (!wasActive) runs.delete(id);
      const others = [...runs.values()].some(
        (other) => other !== run && isActive(other) && other.record?.environment.key === key,
      );
      if (wasActive && key !== undefined && !others && (await builder.status(key)).state === 'running')
        await builder.cancel(key);
      return true;
    },
    keepAlive: async (id) => {
      const run = await launcher.find(id);
      const record =
        run?.record === undefined ? undefined : await spawner.update(run.record.name, { lastActivityAt: clock.now() });
      if (record === undefined)
        throw new HubError('not_found', 'There is no such launch; it may have ended. Run it again.');
      return { expiresAt: record.expiresAt };
    },
    resumeAll: async () => {
      const records = await spawner.list();
      for (const record of records) reserver.saw(record.createdAt);
      const left = records.filter(
        ({ state, launchId }) => (state === 'reserved' || state === 'starting') && !runs.has(launchId),
      );
      left.forEach(takeUp);
      return left.length;
    },
    get active() {
      return [...runs.values()].filter(isActive).length;
    },
    close: () => {
      closed = true;
      for (const run of runs.values()) run.stop(new Detached('this hub stops'));
    },
  };
  return launcher;
};
