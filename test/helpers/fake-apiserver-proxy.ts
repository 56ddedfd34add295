import { createServer } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { startFaultProxy, type FaultProxy } from './fault-proxy.ts';

/** An HTTP proxy on the way to an API, which clients tunnel through. */
export interface TunnelProxy {
  readonly url: string;
  /** Breaks what runs through it. */
  readonly faults: FaultProxy;
  /** Where clients wanted to go, `host:port`. */
  readonly targets: readonly string[];
  close(): Promise<void>;
}

/** Starts one; TLS runs through it end to end, so certificates are as true as without it. */
export const startTunnelProxy = async (): Promise<TunnelProxy> => {
  const targets: string[] = [];
  const open = new Set<Socket>();
  const server = createServer().on('connect', (request, socket, head) => {
    const target = new URL(`tcp://${request.url}`);
    targets.push(request.url ?? '');
    const upstream = connect({ host: target.hostname, port: Number(target.port), noDelay: true }, () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      upstream.write(head);
      upstream.pipe(socket).pipe(upstream);
    });
    for (const end of [upstream, socket as Socket]) {
      open.add(end);
      end.on('error', () => end.destroy());
      end.on('close', () => {
        open.delete(end);
        upstream.destroy();
        socket.destroy();
      });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const faults = await startFaultProxy({ host: '127.0.0.1', port: (server.address() as AddressInfo).port });
  return {
    url: `http://127.0.0.1:${faults.port}`,
    faults,
    targets,
    async close() {
      await faults.close();
      for (const socket of open) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
};
