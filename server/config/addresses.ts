import { once } from 'node:events';
import { createServer } from 'node:net';
import type { Config } from './config.ts';

/** Under which names a hub and its sessions are reached. */
export interface Addresses {
  /** Ports to listen on. */
  readonly port: number;
  readonly sessionPort: number;
  /** Addresses for readers, each with a trailing slash. */
  readonly hub: string;
  readonly sessions: string;
  /** What follows `<session>.` in a session's own host; absent where sessions have none. */
  readonly sessionHostSuffix?: string;
  readonly sessionScheme: 'http' | 'https';
  /** Values of `Host`, and origins of the hub's own pages. */
  readonly hosts: readonly string[];
  readonly sessionHosts: readonly string[];
  readonly ownOrigins: readonly string[];
}

const bracketed = (host: string): string => (host.includes(':') ? `[${host}]` : host);

const LOCAL_NAMES = ['127.0.0.1', 'localhost', '[::1]'] as const;

/** Works out all addresses from the configuration and the ports that were found. */
export const addressesOf = (config: Config, port: number): Addresses => {
  const sessionPort = port + 1;
  const own = bracketed(config.host);
  const names = [...new Set<string>([...LOCAL_NAMES, own])];
  const hub = new URL(config.publicUrl ?? `http://${own}:${port}/`);
  const sessions = new URL(config.sessionUrl ?? `http://${own}:${sessionPort}/`);
  const hosts = [...new Set([...names.map((name) => `${name}:${port}`), hub.host])];
  const suffix = `localhost:${sessionPort}`;
  return {
    port,
    sessionPort,
    hub: hub.href,
    sessions: sessions.href,
    // A public address needs a wildcard host of its own, which nobody can guess from it.
    ...(config.sessionUrl === undefined ? { sessionHostSuffix: suffix } : {}),
    sessionScheme: sessions.protocol === 'https:' ? 'https' : 'http',
    hosts,
    sessionHosts: [
      ...new Set([...names.map((name) => `${name}:${sessionPort}`), sessions.host]),
      ...(config.sessionUrl === undefined ? [`*.${suffix}`] : []),
    ],
    ownOrigins: [...new Set([...names.map((name) => `http://${name}:${port}`), hub.origin])],
  };
};

/** Whether nobody listens on a port. */
export const isFree = async (port: number, host: string): Promise<boolean> => {
  const server = createServer();
  return new Promise((resolve) => {
    server.once('error', () => resolve(false));
    server.listen(port, host, () => server.close(() => resolve(true)));
  });
};

/** The port to use: the configured one, or for 0 one that is free together with the next. */
export const choosePort = async ({ port, host }: Pick<Config, 'port' | 'host'>): Promise<number> => {
  if (port !== 0) return port;
  for (;;) {
    const server = createServer().listen(0, host);
    await once(server, 'listening');
    const { port: found } = server.address() as { port: number };
    await new Promise((resolve) => server.close(resolve));
    if (found < 65_534 && (await isFree(found + 1, host))) return found;
  }
};
