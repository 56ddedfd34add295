import { mkdir, realpath, rm } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import type { BuiltEnvironment } from '../builders/builder.ts';
import type { Content } from '../content/content.ts';
import type { Clock } from '../clock.ts';
import { HubError } from '../errors.ts';
import type { ProcessIdentity } from '../processes/process-identity.ts';
import type { StateFolder } from '../state/state-folder.ts';
import * as client from './session-client.ts';
import { checkSocketFolder, makeSessionFolder, sessionFolder, writeAtomically } from './local-session-folder.ts';
import { endMarked, endSessionProcess, liveProcess, logTail, startSessionProcess } from './local-session-process.ts';
import {
  interpreterOf,
  serverEnvironment,
  sessionSettings,
  type SessionFeatures,
  type SessionLimits,
} from './local-session-settings.ts';

export interface SessionHostOptions {
  readonly state: StateFolder;
  readonly sockets: string;
  /** The Python side's interpreter, absolute. */
  readonly python: string;
  /** The folder of `monitor.py` and `serve.py`. */
  readonly scripts: string;
  readonly clock: Clock;
  readonly upstreamToken: (session: string) => string;
  readonly limits: SessionLimits;
  readonly features: SessionFeatures;
  /** Variables that every session sees. */
  readonly variables: Readonly<Record<string, string>>;
  readonly isolated: boolean;
  /** How long a server that listens may take for one answer before it counts as silent. */
  readonly answerMs: number;
  /** Tells this hub's sessions from those of other hubs, in marks. */
  readonly hubId: string;
}

/** What the kernel of a session is started with. */
export interface KernelWish {
  readonly environment: BuiltEnvironment;
  readonly variables: Readonly<Record<string, string>>;
  readonly path: string;
}

/** How often a server that listens may be silent. */
const MAX_SILENCES = 3;

const isInside = (root: string, path: string): boolean => {
  const way = relative(root, path);
  return way !== '' && !way.startsWith('..');
};

/** Starts, fills, reaches and ends the server of one session; knows nothing of launches. */
export const createSessionHost = (options: SessionHostOptions) => {
  const { state, clock } = options;
  const folderOf = (name: string) => sessionFolder(state, options.sockets, name);
  const markOf = (name: string) => `${options.hubId}.${name}`;
  const addressOf = (name: string): client.SessionAddress => ({
    name,
    socketPath: folderOf(name).socket,
    token: options.upstreamToken(name),
  });

  const shown = async (name: string): Promise<[string, boolean][]> => {
    const folder = folderOf(name);
    const pairs: [string, boolean][] = [
      [folder.home, true],
      [folder.jupyter, true],
      [folder.socketFolder, true],
    ];
    // A warm server does not know yet which environment it will be given, so all are shown, none can be written.
    await mkdir(state.environments, { recursive: true, mode: 0o700 });
    pairs.push([state.environments, false]);
    const root = await realpath(state.root);
    for (const path of [dirname(dirname(options.python)), options.scripts])
      if (isInside(state.root, path) || isInside(root, path)) pairs.push([path, false]);
    return pairs;
  };

  /** Starts the server unless one lives already; with a kernel when it is known which. */
  const launch = async (name: string, kernel: KernelWish | undefined): Promise<ProcessIdentity> => {
    const folder = folderOf(name);
    await makeSessionFolder(folder);
    const living = await liveProcess(folder);
    if (living !== undefined) return living;
    const token = options.upstreamToken(name);
    const settings = sessionSettings({
      name,
      folder,
      token,
      features: options.features,
      limits: options.limits,
      kernel: kernel && { ...interpreterOf(kernel.environment), path: kernel.path, variables: kernel.variables },
      readOnlyEnvironment: options.isolated,
    });
    await writeAtomically(folder.settings, settings);
    return startSessionProcess({
      folder,
      python: options.python,
      scripts: options.scripts,
      clock,
      job: {
        argv: [options.python, '-E', '-s', join(options.scripts, 'serve.py'), folder.settings],
        env: serverEnvironment(folder, markOf(name), options.variables),
        cwd: folder.content,
        isolated: options.isolated,
        masked: options.isolated ? [state.root, options.sockets] : [],
        shown: options.isolated ? await shown(name) : [],
        limits: {
          dataBytes: options.limits.dataBytes,
          openFiles: options.limits.openFiles,
          fileBytes: options.limits.fileBytes,
          coreBytes: 0,
        },
      },
    });
  };

  const crashed = async (name: string, message: string): Promise<HubError> =>
    new HubError('session_crashed', message, { logTail: await logTail(folderOf(name)) });

  const answers = async (name: string, signal: AbortSignal): Promise<'yes' | 'no' | 'silent' | 'refused'> => {
    const timeout = AbortSignal.timeout(options.answerMs);
    try {
      return (await client.askStatus(addressOf(name), AbortSignal.any([signal, timeout]))) ? 'yes' : 'refused';
    } catch {
      return timeout.aborted && !signal.aborted ? 'silent' : 'no';
    }
  };

  return {
    folderOf,
    addressOf,
    checkSockets: (name: string) => checkSocketFolder(folderOf(name)),
    process: (name: string) => liveProcess(folderOf(name)),
    tail: (name: string) => logTail(folderOf(name)),

    /** Brings the server up and waits until it answers. Throws HubError `session_crashed`, `unhealthy` or `spawn_timeout`. */
    async open(
      name: string,
      kernel: KernelWish | undefined,
      timeoutMs: number,
      signal: AbortSignal,
    ): Promise<ProcessIdentity> {
      const deadline = clock.monotonic() + timeoutMs;
      const identity = await launch(name, kernel).catch(async (error: unknown) => {
        if ((error as NodeJS.ErrnoException).code !== undefined) throw error;
        throw await crashed(name, error instanceof Error ? error.message : String(error));
      });
      let silences = 0;
      for (;;) {
        signal.throwIfAborted();
        const answer = await answers(name, signal);
        signal.throwIfAborted();
        if (answer === 'yes') return identity;
        if (answer === 'refused')
          throw new HubError('unhealthy', 'The session’s server refuses its own token; start again.');
        if (answer === 'silent' && ++silences >= MAX_SILENCES)
          throw new HubError('unhealthy', 'The session’s server listens but does not answer; start again.', {
            logTail: await logTail(folderOf(name)),
          });
        if ((await liveProcess(folderOf(name))) === undefined)
          throw await crashed(name, 'The session’s server ended while it was starting; its log has the cause.');
        if (clock.monotonic() > deadline)
          throw new HubError(
            'spawn_timeout',
            `The session’s server was not ready in ${timeoutMs / 1000} s; try again.`,
            {
              logTail: await logTail(folderOf(name)),
            },
          );
        await clock.sleep(15, signal);
      }
    },

    /** Replaces the session's files. Throws HubError. */
    async fill(name: string, content: Content, path: string, signal: AbortSignal): Promise<readonly string[]> {
      const stream = content.archive(signal);
      try {
        return await client.putContent(addressOf(name), stream, path, signal);
      } catch (error) {
        if (error instanceof HubError || signal.aborted) throw error;
        throw await crashed(name, 'The session’s server broke off while it was given the repository’s files.');
      } finally {
        stream.destroy();
      }
    },

    /** Starts the kernel, or makes a warm one that of this launch. Throws HubError. */
    async kernel(
      name: string,
      wish: KernelWish,
      warm: boolean,
      signal: AbortSignal,
    ): Promise<{ id: string; name: string }> {
      const { environment, path, variables } = wish;
      const request = {
        path,
        environment: `${environment.key}/${environment.generation}`,
        variables,
        warm,
        kernel: interpreterOf(environment),
      };
      try {
        return await client.startKernel(addressOf(name), request, signal);
      } catch (error) {
        if (signal.aborted) throw error;
        if (error instanceof HubError && error.code !== 'session_crashed') throw error;
        throw await crashed(name, 'The kernel could not be started; the session’s log has the cause.');
      }
    },

    end: (name: string) => endSessionProcess(folderOf(name), options.isolated, markOf(name), clock),

    /** Removes every file of a session but, where asked, its record. */
    async clear(name: string, keepRecord: boolean): Promise<void> {
      const folder = folderOf(name);
      await rm(folder.socketFolder, { recursive: true, force: true });
      if (!keepRecord) return rm(folder.root, { recursive: true, force: true, maxRetries: 3 });
      for (const path of [
        folder.home,
        folder.jupyter,
        folder.process,
        folder.exit,
        folder.job,
        folder.warm,
        folder.making,
        folder.log,
      ])
        await rm(path, { recursive: true, force: true, maxRetries: 3 });
    },

    /** Ends what carries the mark of a session that is no longer known. */
    sweep: (known: (name: string) => boolean) =>
      endMarked(`${options.hubId}.`, clock, (mark) => known(mark.slice(options.hubId.length + 1))),
  };
};

export type SessionHost = ReturnType<typeof createSessionHost>;
