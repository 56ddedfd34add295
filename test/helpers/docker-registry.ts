import { spawn } from 'node:child_process';
import { access, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { systemClock } from '../../server/clock.ts';

/** The reference implementation of the distribution API, with a folder of its own, on loopback. */
export interface DockerRegistry {
  /** `http://127.0.0.1:<port>` */
  readonly url: string;
  readonly host: string;
  close(): Promise<void>;
}

/** The only user of a registry with a login. */
export const REGISTRY_USER = { username: 'pusher', password: 'correct horse battery staple' } as const;
/** Of that user, by bcrypt, as it is all that the registry takes. */
const HTPASSWD = 'pusher:$2b$04$pbpRjGt87mNIplSmyteQsuTS0QityV47o8k5yVOGUOePQG7ohrIGC\n';

const START_TIMEOUT_MS = 15_000;

/** The program, where this machine has it (Debian: `apt install docker-registry`). */
export const findDockerRegistry = async (): Promise<string | undefined> => {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    const path = join(folder, 'docker-registry');
    if (
      await access(path).then(
        () => true,
        () => false,
      )
    )
      return path;
  }
  return undefined;
};

const freePort = async (): Promise<number> => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
};

/** Starts it; `program` is what `findDockerRegistry` found. */
export const startDockerRegistry = async (
  program: string,
  options: { readonly hasLogin?: boolean } = {},
): Promise<DockerRegistry> => {
  const folder = await mkdtemp(join(tmpdir(), 'liveleaf-registry-'));
  const host = `127.0.0.1:${await freePort()}`;
  const htpasswd = join(folder, 'htpasswd');
  await writeFile(htpasswd, HTPASSWD);
  // JSON is YAML.
  const config = {
    version: '0.1',
    log: { level: 'warn', accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: join(folder, 'data') }, delete: { enabled: true } },
    http: { addr: host, secret: 'a secret of this test' },
    ...(options.hasLogin ? { auth: { htpasswd: { realm: 'test', path: htpasswd } } } : {}),
  };
  await writeFile(join(folder, 'config.yml'), JSON.stringify(config));
  const child = spawn(program, ['serve', join(folder, 'config.yml')], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { PATH: process.env['PATH'], OTEL_TRACES_EXPORTER: 'none' },
  });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => (said = (said + chunk.toString()).slice(-4_000)));
  const gone = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const close = async (): Promise<void> => {
    child.kill();
    await gone;
    await rm(folder, { recursive: true, force: true });
  };
  const until = Date.now() + START_TIMEOUT_MS;
  for (;;) {
    const isUp = await fetch(`http://${host}/v2/`).then(
      ({ status }) => status === 200 || status === 401,
      () => false,
    );
    if (isUp) break;
    if (child.exitCode !== null || Date.now() > until) {
      await close();
      throw new Error(`docker-registry did not start: ${said}`);
    }
    await systemClock.sleep(30);
  }
  return { url: `http://${host}`, host, close };
};
