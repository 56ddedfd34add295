import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

import { pythonSide } from '../../helpers/python-side.ts';

export interface JupyterOptions {
  readonly baseUrl: string;
  readonly token: string;
  /** Listens on this TCP port instead of a Unix socket. */
  readonly port?: number;
  readonly lab?: boolean;
}

export interface Jupyter {
  readonly socketPath: string;
  readonly root: string;
  readonly child: ChildProcess;
  stop(): Promise<void>;
}

const statusOf = (options: JupyterOptions, socketPath: string): Promise<number> =>
  new Promise((resolve) => {
    const at = options.port === undefined ? { socketPath } : { host: '127.0.0.1', port: options.port };
    const headers = { host: 'localhost', authorization: `token ${options.token}` };
    const asked = request({ ...at, path: `${options.baseUrl}api/status`, headers }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    asked.on('error', () => resolve(0)).end();
  });

/** Starts a real Jupyter server in a folder of its own and waits until it answers. */
export const startJupyter = async (options: JupyterOptions): Promise<Jupyter> => {
  const { python } = await pythonSide();
  const home = await mkdtemp(join(tmpdir(), 'll-proxy-'));
  const root = join(home, 'root');
  const socketPath = join(home, 's');
  await mkdir(root);
  const config = {
    ServerApp: {
      base_url: options.baseUrl,
      root_dir: root,
      open_browser: false,
      allow_root: true,
      terminals_enabled: false,
      jpserver_extensions: { jupyterlab: options.lab ?? false, jupyter_lsp: false, jupyter_server_terminals: false },
      ...(options.port === undefined ? { sock: socketPath } : { port: options.port, ip: '127.0.0.1' }),
    },
    IdentityProvider: { token: options.token },
  };
  await writeFile(join(home, 'jupyter_server_config.json'), JSON.stringify(config));
  const child = spawn(python, ['-m', 'jupyter_server'], {
    cwd: root,
    stdio: ['ignore', 'ignore', 'pipe'],
    detached: true,
    env: {
      PATH: '/usr/bin:/bin',
      HOME: home,
      JUPYTER_CONFIG_DIR: home,
      JUPYTER_DATA_DIR: join(home, 'data'),
      JUPYTER_RUNTIME_DIR: join(home, 'run'),
      IPYTHONDIR: join(home, 'ipython'),
    },
  });
  let printed = '';
  child.stderr!.on('data', (chunk: Buffer) => (printed = (printed + chunk.toString()).slice(-8000)));
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const stop = async (): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
    const late = setTimeout(() => child.kill('SIGKILL'), 10_000);
    await exited;
    clearTimeout(late);
    await rm(home, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  };
  const deadline = performance.now() + 60_000;
  while ((await statusOf(options, socketPath)) !== 200) {
    if (child.exitCode !== null || performance.now() > deadline) {
      await stop();
      throw new Error(`the Jupyter server did not start:\n${printed}`);
    }
    await delay(100);
  }
  return { socketPath, root, child, stop };
};
