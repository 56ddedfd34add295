import { mkdir, readdir, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { RECEIVED_PARAMETER, sessionPath } from '../../sdk/contract/index.ts';
import type { BuiltEnvironment } from '../builders/builder.ts';
import { linkPip, writeAtomically, type SessionFolder } from './local-session-folder.ts';

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

const text = JSON.stringify;
const flag = (value: boolean): string => (value ? 'True' : 'False');

/** The whole configuration of a session's server. Strings of JSON are strings of Python. */
export const jupyterConfig = (name: string, folder: SessionFolder, features: SessionFeatures): string =>
  `
c = get_config()  # noqa
c.ServerApp.sock = ${text(folder.socket)}
c.ServerApp.base_url = ${text(sessionPath(name))}
c.ServerApp.root_dir = ${text(folder.content)}
c.ServerApp.open_browser = False
c.ServerApp.use_redirect_file = False
c.ServerApp.allow_root = True
c.ServerApp.allow_remote_access = True
c.ServerApp.quit_button = False
c.ServerApp.terminals_enabled = ${flag(features.terminals)}
c.ServerApp.log_level = "WARN"
c.ServerApp.jpserver_extensions = {
    "liveleaf_session": True,
    "jupyterlab": False,
    "jupyter_lsp": False,
    "jupyter_server_terminals": ${flag(features.terminals)},
    "notebook_shim": False,
}
c.ServerApp.kernel_manager_class = "liveleaf_session.managers.SessionKernelManager"
c.ServerApp.session_manager_class = "liveleaf_session.managers.KernelSessionManager"
c.ServerApp.kernel_websocket_connection_class = "liveleaf_session.channels.SessionChannels"
c.KernelManager.transport = "ipc"
c.ConnectionFileMixin.transport = "ipc"
# New ports after a death in the first seconds are for TCP, where they may be taken; connected pages would stay at the old ones.
c.KernelRestarter.random_ports_until_alive = False
c.KernelSpecManager.ensure_native_kernel = False
c.KernelSpecManager.allowed_kernelspecs = {"python3"}
c.FileContentsManager.delete_to_trash = False
# A page bounds what it shows; the default of 1,000 messages a second drops output in the middle of a plot.
c.ZMQChannelsWebsocketConnection.iopub_msg_rate_limit = 100000
c.ZMQChannelsWebsocketConnection.iopub_data_rate_limit = 100000000
c.LabApp.check_for_updates_class = "jupyterlab.NeverCheckForUpdate"
c.LabApp.news_url = None
`.trimStart();

/** What the session's own extension has to know. */
export const sessionSettings = (
  folder: SessionFolder,
  features: SessionFeatures,
  limits: SessionLimits,
  prestart: { cwd: string; path: string } | undefined,
): string =>
  text({
    root: folder.content,
    runtime: folder.socketFolder,
    kernelspec: folder.kernelspec,
    maxContentBytes: limits.contentBytes,
    maxContentEntries: limits.contentEntries,
    prestart: prestart ?? null,
    lab: features.lab,
    received: RECEIVED_PARAMETER,
  });

/** Everything that a session's server finds in its environment. */
export const serverEnvironment = (
  folder: SessionFolder,
  marker: string,
  allowed: Readonly<Record<string, string>>,
  limits: SessionLimits,
): Record<string, string> => ({
  LANG: 'C.UTF-8',
  ...allowed,
  PATH: SYSTEM_PATH,
  HOME: folder.home,
  TMPDIR: folder.temporary,
  // Not a secret: it opens what stdin is, once, and says nothing afterwards.
  JUPYTER_TOKEN_FILE: '/dev/stdin',
  JUPYTER_CONFIG_DIR: folder.jupyter,
  // Before every other place, so that our `python3` wins over the one of the server's own environment.
  JUPYTER_PATH: folder.jupyter,
  JUPYTER_PREFER_ENV_PATH: '0',
  JUPYTER_DATA_DIR: join(folder.home, '.local', 'share', 'jupyter'),
  JUPYTER_RUNTIME_DIR: folder.socketFolder,
  JUPYTERLAB_SETTINGS_DIR: join(folder.home, '.jupyterlab', 'settings'),
  JUPYTERLAB_WORKSPACES_DIR: join(folder.home, '.jupyterlab', 'workspaces'),
  IPYTHONDIR: join(folder.home, '.ipython'),
  MPLCONFIGDIR: join(folder.home, '.config', 'matplotlib'),
  OPENBLAS_NUM_THREADS: String(limits.threads),
  OMP_NUM_THREADS: String(limits.threads),
  MKL_NUM_THREADS: String(limits.threads),
  NUMEXPR_MAX_THREADS: String(limits.threads),
  LIVELEAF_SESSION: marker,
});

/** The packages of an interpreter's environment, or undefined when it has none of that layout. */
const sitePackages = async (prefix: string): Promise<string | undefined> => {
  const names = await readdir(join(prefix, 'lib')).catch(() => []);
  const python = names.find((name) => /^python3\.\d+$/.test(name));
  return python === undefined ? undefined : join(prefix, 'lib', python, 'site-packages');
};

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );

/**
 * Writes the kernelspec that points into an environment, and `pip` for it: an environment has none of its own, and without ours `!pip`
 * would reach the machine's, for another Python. What it installs goes into the session: to a prefix where the environment cannot be
 * written, so that what is there counts as installed; else to a folder, since a prefix makes pip remove older versions from the environment.
 */
export const writeKernelspec = async (
  folder: SessionFolder,
  environment: BuiltEnvironment,
  variables: Readonly<Record<string, string>>,
  hubPython: string,
  readOnlyEnvironment: boolean,
): Promise<void> => {
  const site = await sitePackages(environment.prefix);
  const pips = join(folder.jupyter, 'site');
  const hubSite = await sitePackages(dirname(dirname(hubPython)));
  const hubPip = hubSite === undefined ? undefined : join(hubSite, 'pip');
  const ownPip = site !== undefined && (await exists(join(site, 'pip')));
  if (!ownPip && hubPip !== undefined && (await exists(hubPip))) await linkPip(hubPip, pips);
  const bin = join(folder.jupyter, 'bin');
  for (const name of ['pip', 'pip3'])
    await writeFile(join(bin, name), `#!/bin/sh\nexec '${environment.python.replaceAll("'", `'\\''`)}' -m pip "$@"\n`, {
      mode: 0o700,
    });
  const overlay =
    readOnlyEnvironment && site !== undefined
      ? { site: join(folder.packages, site.slice(environment.prefix.length)), pip: { PIP_PREFIX: folder.packages } }
      : { site: folder.packages, pip: { PIP_TARGET: folder.packages } };
  // A folder that is absent when Python starts is left out of its imports for good.
  await mkdir(overlay.site, { recursive: true, mode: 0o700 });
  const spec = {
    argv: [environment.python, '-m', 'ipykernel_launcher', '-f', '{connection_file}'],
    display_name: environment.displayName,
    language: 'python',
    interrupt_mode: 'signal',
    env: {
      ...variables,
      PATH: [bin, join(folder.packages, 'bin'), join(environment.prefix, 'bin'), SYSTEM_PATH].join(':'),
      VIRTUAL_ENV: environment.prefix,
      PYTHONPATH: [overlay.site, ...(ownPip ? [] : [pips])].join(':'),
      PIP_DISABLE_PIP_VERSION_CHECK: '1',
      PIP_NO_WARN_SCRIPT_LOCATION: '1',
      ...overlay.pip,
    },
    metadata: { debugger: false },
  };
  await writeAtomically(folder.kernelspec, text(spec));
};
