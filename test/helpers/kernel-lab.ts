import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { startFaultProxy, type FaultProxy } from './fault-proxy.ts';
import { startJupyter, type RealJupyter } from './jupyter-server.ts';
import { startSessionProxy, type SessionProxy } from './session-proxy.ts';

const TOKEN = 'session.token-of_the.lab';

interface Parts {
  readonly jupyter: RealJupyter;
  readonly proxy: SessionProxy;
  readonly faults: FaultProxy;
  readonly bareFaults: FaultProxy;
}

/**
 * A real Jupyter server for tests of kernel connections, in Node and in a browser. Started by the first request.
 * `GET /servers` → address and token of the same Jupyter server, through the token’s proxy (`liveleaf`) and bare (`jupyter`); `POST /faults/<reset|cut|stall|resume|refuse|accept>` breaks both ways; `GET /seen` →
 * the requests that came through the token's proxy.
 */
export const startKernelLab = async (): Promise<{ address: string; close(): Promise<void> }> => {
  let parts: Promise<Parts> | undefined;
  const start = async (): Promise<Parts> => {
    const jupyter = await startJupyter();
    const upstreamToken = jupyter.token;
    const proxy = await startSessionProxy({ upstreamPort: jupyter.port, upstreamToken, token: TOKEN });
    const faults = await startFaultProxy({ host: '127.0.0.1', port: proxy.port });
    const bareFaults = await startFaultProxy({ host: '127.0.0.1', port: jupyter.port });
    return { jupyter, proxy, faults, bareFaults };
  };

  const answer = async (path: string): Promise<unknown> => {
    parts ??= start();
    const { jupyter, proxy, faults, bareFaults } = await parts;
    if (path === '/seen') return proxy.seen;
    if (path === '/servers') {
      const liveleaf = { url: `http://127.0.0.1:${faults.port}/user/test/`, token: TOKEN };
      return { liveleaf, jupyter: { url: `http://127.0.0.1:${bareFaults.port}/`, token: jupyter.token } };
    }
    const fault = path.slice('/faults/'.length) as 'reset' | 'cut' | 'stall' | 'resume' | 'refuse' | 'accept';
    for (const broken of [faults, bareFaults]) broken[fault]();
    return { done: fault };
  };

  const server = createServer((request, response) => {
    response.setHeader('access-control-allow-origin', '*');
    void answer(request.url ?? '/').then(
      (body) => response.end(JSON.stringify(body)),
      (error: unknown) => response.writeHead(500).end(String(error)),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      if (!parts) return;
      const { jupyter, proxy, faults, bareFaults } = await parts;
      await Promise.all([faults.close(), bareFaults.close(), proxy.close(), jupyter.close()]);
    },
  };
};
