import { Pool, ProxyAgent, type Dispatcher } from 'undici';
import type { ClusterAccess, TlsSettings } from './cluster-access.ts';

/** More calls at once wait for one another; the API's own fairness would make them wait at its end. */
const MAX_CONNECTIONS = 16;

/** Below the minute and a half after which the API closes idle connections. */
const KEEP_ALIVE_MS = 30_000;

interface Dispatchers {
  readonly key: string;
  readonly calls: Dispatcher;
  readonly streams: Dispatcher;
}

/** The connections to one API: few, kept alive, for calls; one of its own for each stream. */
export interface ApiConnections {
  for(kind: 'calls' | 'streams', tls: TlsSettings): Dispatcher;
  /** What is under way goes on over the connections that there are; whatever comes next opens new ones. */
  drop(): void;
  /** Ends all of them, and what is under way. */
  close(): Promise<void>;
}

const keyOf = ({ ca, cert, key, passphrase, servername, rejectUnauthorized }: TlsSettings): string =>
  [ca, cert, key, passphrase, servername, rejectUnauthorized].map(String).join('\0');

export const createApiConnections = (
  { server, proxyUrl }: Pick<ClusterAccess, 'server' | 'proxyUrl'>,
  connectTimeoutMs: number,
): ApiConnections => {
  const { origin } = new URL(server);
  /** All that hold connections, those too that only end what is under way. */
  const opened = new Set<Dispatcher>();
  let current: Dispatchers | undefined;

  const open = (tls: TlsSettings, connections: number | null): Dispatcher => {
    const connect = { ...tls, timeout: connectTimeoutMs, autoSelectFamily: true };
    const options = { connections, pipelining: 1, keepAliveTimeout: KEEP_ALIVE_MS };
    const dispatcher =
      proxyUrl === undefined
        ? new Pool(origin, { ...options, connect })
        : new ProxyAgent({ ...options, uri: proxyUrl, requestTls: connect });
    opened.add(dispatcher);
    return dispatcher;
  };
  const drop = () => {
    for (const dispatcher of current ? [current.calls, current.streams] : [])
      void dispatcher.close().then(() => opened.delete(dispatcher));
    current = undefined;
  };

  return {
    for(kind, tls) {
      const key = keyOf(tls);
      // Other certificates need other connections.
      if (current?.key !== key) drop();
      return (current ??= { key, calls: open(tls, MAX_CONNECTIONS), streams: open(tls, null) })[kind];
    },
    drop,
    async close() {
      await Promise.all([...opened].map((dispatcher) => dispatcher.destroy()));
    },
  };
};
