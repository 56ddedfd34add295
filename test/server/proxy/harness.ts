import { createServer as createTcpServer, connect, type AddressInfo, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

import { createActivity, type Activity } from '../../../server/proxy/activity.ts';
import { createOriginPolicy } from '../../../server/proxy/origins.ts';
import type { ProxyLimits } from '../../../server/proxy/proxy-limits.ts';
import { createSessionServer, type SessionServer } from '../../../server/proxy/session-server.ts';
import { keyRing } from '../../../server/sessions/key-ring.ts';
import { newSessionName } from '../../../server/sessions/session-name.ts';
import { sessionTokens, upstreamToken, type SessionTokens } from '../../../server/sessions/session-tokens.ts';
import type { SessionRecord, Spawner, Upstream } from '../../../server/spawners/spawner.ts';

export const ring = keyRing([{ id: 'test', secret: Buffer.alloc(32, 7).toString('base64url'), createdAt: 1 }]);
const HOUR_MS = 3_600_000;
export const PAGE_ORIGIN = 'https://docs.example.org';

/** The records and servers that the proxy under test sees. */
export interface TestSpawner extends Pick<Spawner, 'get' | 'upstream' | 'onLost' | 'list' | 'update' | 'stop'> {
  readonly records: Map<string, SessionRecord>;
  readonly upstreams: Map<string, Upstream>;
  add(upstream: Omit<Upstream, 'token'> | undefined, change?: Partial<SessionRecord>): string;
}

const testRecord = (name: string, change: Partial<SessionRecord> = {}): SessionRecord =>
  ({
    name,
    generation: 1,
    state: 'ready',
    createdAt: Date.now(),
    lastActivityAt: Date.now(),
    expiresAt: Date.now() + HOUR_MS,
    launchId: name,
    warm: 'none',
    ...change,
  }) as SessionRecord;

export const createTestSpawner = (): TestSpawner => {
  const records = new Map<string, SessionRecord>();
  const upstreams = new Map<string, Upstream>();
  return {
    records,
    upstreams,
    add: (upstream, change) => {
      const name = change?.name ?? newSessionName();
      records.set(name, testRecord(name, change));
      if (upstream) upstreams.set(name, { ...upstream, token: upstreamToken(ring, name) });
      return name;
    },
    get: async (name) => records.get(name),
    list: async () => [...records.values()],
    upstream: (name) => upstreams.get(name),
    onLost: () => () => undefined,
    update: async (name, change) => {
      const record = records.get(name);
      if (record) records.set(name, { ...record, ...change });
      return records.get(name);
    },
    stop: async (name) => {
      records.delete(name);
      upstreams.delete(name);
    },
  };
};

/** A port that nobody listens on just now. */
const freePort = async (): Promise<number> => {
  const server = createTcpServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
};

export interface Proxy {
  readonly server: SessionServer;
  readonly port: number;
  readonly origin: string;
  readonly spawner: TestSpawner;
  readonly tokens: SessionTokens;
  readonly activity: Activity;
  /** Everything that was logged, as text. */
  readonly log: string[];
  token(session: string, change?: { generation?: number; expiresAt?: number }): string;
  ownHost(session: string): string;
  close(): Promise<void>;
}

export const startProxy = async (
  options: {
    spawner?: TestSpawner;
    limits?: Partial<ProxyLimits>;
    origins?: string[];
    ownHosts?: boolean;
    sweepIntervalMs?: number;
  } = {},
): Promise<Proxy> => {
  const spawner = options.spawner ?? createTestSpawner();
  const port = await freePort();
  const log: string[] = [];
  const write = (fields: object, message: string): void => {
    const replacer = (_: string, value: unknown): unknown =>
      value instanceof Error ? { message: value.message, stack: value.stack, cause: value.cause } : value;
    log.push(`${message} ${JSON.stringify(fields, replacer)}`);
  };
  const tokens = sessionTokens(ring, { now: () => Date.now() });
  const activity = createActivity({
    clock: { now: () => Date.now() },
    write: (session, lastActivityAt) => void spawner.update(session, { lastActivityAt }),
  });
  const server = createSessionServer({
    spawner,
    tokens,
    policy: createOriginPolicy({
      origins: options.origins ?? [PAGE_ORIGIN],
      hosts: [`127.0.0.1:${port}`, `localhost:${port}`],
    }),
    activity,
    log: { debug: write, warn: write, error: write },
    sessionHostSuffix: options.ownHosts === false ? undefined : `localhost:${port}`,
    ...(options.limits === undefined ? {} : { limits: options.limits }),
    ...(options.sweepIntervalMs === undefined ? {} : { sweepIntervalMs: options.sweepIntervalMs }),
  });
  server.listen(port, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  return {
    server,
    port,
    origin: `http://127.0.0.1:${port}`,
    spawner,
    tokens,
    activity,
    log,
    token: (session, change = {}) =>
      tokens.mint({ session, generation: 1, expiresAt: Date.now() + HOUR_MS, ...change }),
    ownHost: (session) => `${session}.localhost:${port}`,
    close: () => server.closeAll(),
  };
};

/** What a raw exchange gave: the bytes received until the other side closed or `waitMs` passed. */
export const rawExchange = (port: number, request: string, waitMs = 10_000): Promise<string> =>
  new Promise((resolve) => {
    const chunks: Buffer[] = [];
    const socket: Socket = connect(port, '127.0.0.1');
    const end = (): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(Buffer.concat(chunks).toString('latin1'));
    };
    const timer = setTimeout(end, waitMs);
    socket.on('data', (chunk) => {
      chunks.push(chunk);
      // An upgrade stays open; its head is all that is asked for.
      if (chunk.includes('\r\n\r\n') && Buffer.concat(chunks).toString('latin1').startsWith('HTTP/1.1 101')) end();
    });
    socket.on('error', end).on('close', end);
    socket.write(request, 'latin1');
  });

export const statusOf = (answer: string): number => Number(/^HTTP\/1\.1 ([0-9]{3})/.exec(answer)?.[1] ?? 0);

/** The head of a request whose connection closes after the answer. */
export const requestHead = (
  method: string,
  target: string,
  host: string,
  headers: Record<string, string> = {},
): string =>
  [
    `${method} ${target} HTTP/1.1`,
    `Host: ${host}`,
    'Connection: close',
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    '',
    '',
  ].join('\r\n');

/** The head of an upgrade, with any headers added. */
export const upgradeHead = (target: string, host: string, headers: Record<string, string> = {}): string =>
  [
    `GET ${target} HTTP/1.1`,
    `Host: ${host}`,
    'Upgrade: websocket',
    'Connection: Upgrade',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    '',
    '',
  ].join('\r\n');

/** Waits until something holds; fails with what it was after `timeoutMs`. */
export const until = async (holds: () => boolean, what: string, timeoutMs = 10_000): Promise<void> => {
  const deadline = performance.now() + timeoutMs;
  while (!holds()) {
    if (performance.now() > deadline) throw new Error(`still not so after ${timeoutMs} ms: ${what}`);
    await delay(10);
  }
};
