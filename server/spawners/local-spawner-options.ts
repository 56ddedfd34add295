import type { Clock } from '../clock.ts';
import type { StateFolder } from '../state/state-folder.ts';
import type { SessionLimits } from './local-session-settings.ts';

/** What the spawner says to the hub's operator; pino's loggers are one. */
export interface SpawnerLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

export interface LocalSpawnerOptions {
  readonly state: StateFolder;
  /** The short folder for sockets, as `socketFolder` names it; made here, 0700. */
  readonly sockets: string;
  /** The Python side's interpreter, absolute, not resolved through its link. */
  readonly python: string;
  /** The folder `server/python/session`, absolute. */
  readonly scripts: string;
  readonly clock: Clock;
  readonly log: SpawnerLog;
  /** Makes session names: 26 lower-case base32 characters. */
  readonly newName: () => string;
  /** The upstream token of a session; the same one each time. */
  readonly upstreamToken: (session: string) => string;
  readonly limits?: Partial<SessionLimits>;
  /** Started servers that take any environment; default 2. */
  readonly warmServers?: number;
  /** Started sessions of environments that were just used; default 1. */
  readonly warmSessions?: number;
  /** How long a warm session waits for its launch; default 10 minutes. */
  readonly warmSessionIdleMs?: number;
  /** Memory that must be free before anything is made warm; default 1 GiB. */
  readonly reserveBytes?: number;
  /** Default: what the machine says. */
  readonly availableBytes?: () => Promise<number>;
  /** When a session ends whatever happens, after it was reserved; default 6 hours. */
  readonly maxAgeMs?: number;
  /** How long server, content and kernel may take together; default 120,000 ms. */
  readonly startTimeoutMs?: number;
  /** How long a server that listens may take for one answer, three times, before it counts as unhealthy; default 5,000 ms. */
  readonly answerMs?: number;
  /** How long the record of a failed launch stays; default 60,000 ms. */
  readonly keepFailedMs?: number;
  /** How often sessions are looked at, so that a lost one is told; default 1,000 ms. */
  readonly watchMs?: number;
  /** How often forgotten things are looked for; default 30,000 ms. */
  readonly sweepMs?: number;
  /** Age from which a session's folder without a record counts as forgotten; default 60,000 ms. */
  readonly forgottenMs?: number;
  /** The hub's own environment, of which sessions see what `environmentVariables` names. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Default LANG, LC_ALL, LC_CTYPE and TZ. */
  readonly environmentVariables?: readonly string[];
  /** JupyterLab at `lab` of a session, loaded when first asked for; default true. */
  readonly labEnabled?: boolean;
  /** Terminals in JupyterLab; default false. */
  readonly terminalsEnabled?: boolean;
  /** `none` runs sessions without namespaces even where they can be had; default `auto`. */
  readonly isolation?: 'auto' | 'none';
}
