import { createHash } from 'node:crypto';
import { RECEIVED_PARAMETER, sessionPath } from '../../sdk/contract/index.ts';
import type { BuiltEnvironment } from '../builders/builder.ts';
import type { SessionFolder } from './local-session-folder.ts';
import type { KernelInterpreter } from './session-client.ts';

/** What one session may use. Every limit but the sizes of the content is per process. */
export interface SessionLimits {
  /** Heap and anonymous maps of one process (RLIMIT_DATA); default 2 GiB. */
  readonly dataBytes: number;
  /** Default 4096. */
  readonly openFiles: number;
  /** The largest file that can be written; default 4 GiB. */
  readonly fileBytes: number;
  /** Threads of BLAS and OpenMP; default 2. */
  readonly threads: number;
  /** Unpacked size of a repository; default 2 GiB. */
  readonly contentBytes: number;
  /** Default 200,000. */
  readonly contentEntries: number;
}

export const DEFAULT_LIMITS: SessionLimits = {
  dataBytes: 2 * 2 ** 30,
  openFiles: 4096,
  fileBytes: 4 * 2 ** 30,
  threads: 2,
  contentBytes: 2 * 2 ** 30,
  contentEntries: 200_000,
};

/** Variables of the hub that a session may see; all else stays outside. */
export const DEFAULT_ENVIRONMENT_VARIABLES = ['LANG', 'LC_ALL', 'LC_CTYPE', 'TZ'] as const;

/** Programs of the machine that a session finds; neither the hub's own tools nor its owner's. */
const SYSTEM_PATH = '/usr/local/bin:/usr/bin:/bin';

export interface SessionFeatures {
  readonly lab: boolean;
  readonly terminals: boolean;
}

export interface SessionSettingsOptions {
  readonly name: string;
  readonly folder: SessionFolder;
  readonly token: string;
  readonly features: SessionFeatures;
  readonly limits: SessionLimits;
  /** Where it is known already: what to start before the server has. */
  readonly kernel: (KernelInterpreter & { path: string; variables: Readonly<Record<string, string>> }) | undefined;
  readonly readOnlyEnvironment: boolean;
}

/** What `serve.py` is given; `liveleaf_session/settings.py` says what each means. */
export const sessionSettings = (options: SessionSettingsOptions): string => {
  const { content, packages, jupyter, socketFolder, socket } = options.folder;
  const { contentBytes, contentEntries, threads } = options.limits;
  return JSON.stringify({
    baseUrl: sessionPath(options.name),
    listen: { socket },
    tokenSha256: createHash('sha256').update(options.token).digest('hex'),
    places: { content, packages, jupyter, runtime: socketFolder },
    features: options.features,
    limits: { contentBytes, contentEntries, threads },
    received: RECEIVED_PARAMETER,
    kernel: options.kernel ?? null,
    readOnlyEnvironment: options.readOnlyEnvironment,
  });
};

/** Everything that a session's server finds in its environment, before it adds its places. */
export const serverEnvironment = (
  folder: SessionFolder,
  marker: string,
  allowed: Readonly<Record<string, string>>,
): Record<string, string> => ({
  LANG: 'C.UTF-8',
  ...allowed,
  PATH: SYSTEM_PATH,
  HOME: folder.home,
  TMPDIR: folder.temporary,
  LIVELEAF_SESSION: marker,
});

export const interpreterOf = ({ prefix, python, displayName }: BuiltEnvironment): KernelInterpreter => ({
  prefix,
  python,
  displayName,
});
