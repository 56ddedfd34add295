import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { pythonSide } from '../helpers/python-side.ts';
import { secondsSince } from './table.ts';
import { startKernelClient, type KernelClient } from './kernel-client.ts';

const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
};

/** A stock `jupyter server` with JupyterLab over TCP, as a person starts it by hand; then a kernel and a socket to it. */
export const startBareJupyter = async (): Promise<{
  client: KernelClient;
  seconds: number;
  close(): Promise<void>;
}> => {
  const { python } = await pythonSide();
  const port = await freePort();
  const folder = await mkdtemp(join(tmpdir(), 'liveleaf-bare-'));
  const token = randomBytes(16).toString('hex');
  const startedAt = performance.now();
  const child = spawn(
    python,
    [
      '-m',
      'jupyter_server',
      '--no-browser',
      '--allow-root',
      `--ServerApp.port=${port}`,
      '--ServerApp.jpserver_extensions={"jupyterlab": True}',
    ],
    { cwd: folder, env: { ...process.env, HOME: folder, JUPYTER_TOKEN: token }, stdio: 'ignore' },
  );
  const base = `http://127.0.0.1:${port}/`;
  const headers = { authorization: `token ${token}` };
  while (
    !(await fetch(`${base}api/status`, { headers }).then(
      (answer) => answer.ok,
      () => false,
    ))
  )
    await delay(10);
  const answer = await fetch(`${base}api/kernels`, {
    method: 'POST',
    headers,
    body: JSON.stringify({ name: 'python3' }),
  });
  const { id } = (await answer.json()) as { id: string };
  const client = await startKernelClient({ url: `${base}api/kernels/${id}/channels`, headers });
  await client.execute('1+1');
  return {
    client,
    seconds: secondsSince(startedAt),
    close: async () => {
      client.close();
      const exit = once(child, 'exit');
      child.kill('SIGTERM');
      const force = setTimeout(() => child.kill('SIGKILL'), 5_000);
      await exit;
      clearTimeout(force);
      await rm(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
};
