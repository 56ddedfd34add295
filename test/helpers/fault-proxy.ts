import { connect, createServer, type AddressInfo, type NetConnectOpts, type Socket } from 'node:net';

interface Pair {
  readonly client: Socket;
  readonly upstream: Socket;
}

/** A TCP proxy on loopback that breaks what runs through it, on demand. */
export interface FaultProxy {
  readonly port: number;
  /** Connections accepted so far. */
  readonly accepted: number;
  /** Connections open now. */
  readonly open: number;
  /** Ends all connections as a lost network would: both sides see a reset. Returns how many. */
  reset(): number;
  /** Ends all connections politely, with FIN. */
  cut(): void;
  /** Passes nothing on any more, in either direction, until `resume`; connections stay open. */
  stall(): void;
  resume(): void;
  /** Passes nothing on any more through the connections of now, which stay open and never tell; new ones are sound. */
  freeze(): void;
  /** Refuses new connections, as a server that is down, until `accept`. */
  refuse(): void;
  accept(): void;
  /** Resets each new connection once so many bytes came back from upstream; undefined stops it. */
  resetAfterBytes(count: number | undefined): void;
  close(): Promise<void>;
}

/** Starts one in front of a TCP port or a Unix socket. */
export const startFaultProxy = async (target: NetConnectOpts): Promise<FaultProxy> => {
  const pairs = new Set<Pair>();
  const frozen = new WeakSet<Pair>();
  let accepted = 0;
  let isStalled = false;
  let isRefusing = false;
  let limit: number | undefined;

  const server = createServer({ noDelay: true }, (client) => {
    accepted += 1;
    if (isRefusing) return void client.resetAndDestroy();
    const upstream = connect({ ...target, noDelay: true } as NetConnectOpts);
    const pair = { client, upstream };
    pairs.add(pair);
    let left = limit;
    const end = () => {
      if (frozen.has(pair)) return;
      pairs.delete(pair);
      client.destroy();
      upstream.destroy();
    };
    for (const socket of [client, upstream]) {
      socket.on('error', end);
      socket.on('close', end);
    }
    client.on('data', (chunk: Buffer) => {
      if (!isStalled && !frozen.has(pair)) upstream.write(chunk);
    });
    upstream.on('data', (chunk: Buffer) => {
      if (isStalled || frozen.has(pair)) return;
      if (left === undefined) return void client.write(chunk);
      client.write(chunk.subarray(0, left), () => {
        if (left !== undefined && left <= 0) client.resetAndDestroy();
      });
      left -= Math.min(left, chunk.length);
    });
    client.on('end', () => frozen.has(pair) || upstream.end());
    upstream.on('end', () => frozen.has(pair) || client.end());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));

  return {
    port: (server.address() as AddressInfo).port,
    get accepted() {
      return accepted;
    },
    get open() {
      return pairs.size;
    },
    reset: () => {
      const count = pairs.size;
      for (const { client, upstream } of pairs) {
        client.resetAndDestroy();
        upstream.resetAndDestroy();
      }
      return count;
    },
    cut: () => {
      for (const { client, upstream } of pairs) {
        client.end();
        upstream.end();
      }
    },
    stall: () => {
      isStalled = true;
    },
    resume: () => {
      isStalled = false;
    },
    freeze: () => {
      for (const pair of pairs) frozen.add(pair);
    },
    refuse: () => {
      isRefusing = true;
    },
    accept: () => {
      isRefusing = false;
    },
    resetAfterBytes: (count) => {
      limit = count;
    },
    close: async () => {
      for (const { client, upstream } of pairs) {
        client.destroy();
        upstream.destroy();
      }
      await new Promise((resolve) => server.close(resolve));
    },
  };
};
