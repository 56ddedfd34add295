import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { pythonSide } from './python-side.ts';

export interface RealJupyter {
  /** Ends in a slash. */
  readonly url: string;
  readonly port: number;
  readonly token: string;
  close(): Promise<void>;
}

const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });

/** Starts a stock jupyter_server on loopback, with folders of its own, and waits until it answers. */
export const startJupyter = async (): Promise<RealJupyter> => {
  const { python } = await pythonSide();
  const port = await freePort();
  const folder = await mkdtemp(join(tmpdir(), 'liveleaf-jupyter-'));
  const token = 'c'.repeat(32);
  await mkdir(join(folder, 'root'));
  await writeFile(
    join(folder, 'jupyter_server_config.py'),
    [
      `c.ServerApp.port = ${port}`,
      'c.ServerApp.ip = "127.0.0.1"',
      'c.ServerApp.port_retries = 0',
      'c.ServerApp.open_browser = False',
      'c.ServerApp.allow_root = True',
      'c.ServerApp.allow_origin = "*"',
      `c.ServerApp.root_dir = ${JSON.stringify(join(folder, 'root'))}`,
      `c.IdentityProvider.token = ${JSON.stringify(token)}`,
      'c.ServerApp.terminals_enabled = False',
      'c.ServerApp.jpserver_extensions = {"jupyterlab": False, "jupyter_lsp": False, "jupyter_server_terminals": False, "notebook_shim": False}',
    ].join('\n'),
  );
  const child = spawn(python, ['-m', 'jupyter_server'], {
    cwd: folder,
    stdio: ['ignore', 'ignore', 'pipe'],
    env: {
      PATH: process.env['PATH'],
      HOME: folder,
      JUPYTER_CONFIG_DIR: folder,
      JUPYTER_DATA_DIR: join(folder, 'data'),
      JUPYTER_RUNTIME_DIR: join(folder, 'runtime'),
      IPYTHONDIR: join(folder, 'ipython'),
    },
  });
  let said = '';
  child.stderr.on('data', (chunk) => (said = (said + String(chunk)).slice(-4_000)));
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const url = `http://127.0.0.1:${port}/`;
  const headers = { authorization: `token ${token}` };
  for (let tries = 0; ; tries += 1) {
    if (child.exitCode !== null || tries > 300) throw new Error(`Jupyter did not start:\n${said}`);
    const isUp = await fetch(`${url}api/status`, { headers }).then(
      (response) => response.ok,
      () => false,
    );
    if (isUp) break;
    await delay(100);
  }
  return {
    url,
    port,
    token,
    close: async () => {
      // The server ends its kernels itself when it is asked to.
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), 10_000);
      await ended;
      clearTimeout(timer);
      await rm(folder, { recursive: true, force: true });
    },
  };
};
