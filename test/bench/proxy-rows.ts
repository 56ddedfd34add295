import { launch } from '../../sdk/index.ts';
import { TOKEN_SUBPROTOCOL_PREFIX } from '../../sdk/contract/index.ts';
import { startHubProcess } from '../helpers/hub-process.ts';
import { startBareJupyter } from './bare-jupyter.ts';
import { startKernelClient, type KernelClient } from './kernel-client.ts';
import { median, secondsSince, showSpread, type Row } from './table.ts';

const RUNS = 100;
const WARM_UP = 20;

const timeRuns = async (client: KernelClient): Promise<number> => {
  for (let run = 0; run < WARM_UP; run++) await client.execute('1+1');
  const milliseconds: number[] = [];
  for (let run = 0; run < RUNS; run++) {
    const startedAt = performance.now();
    await client.execute('1+1');
    milliseconds.push(secondsSince(startedAt) * 1_000);
  }
  return median(milliseconds);
};

/** `1+1` back to back: through the hub's proxy, and against a stock jupyter-server over TCP. */
export const proxyRows = async (rounds: number): Promise<Row[]> => {
  const hub = await startHubProcess({ demo: true });
  try {
    const server = await launch('dir/demo/blog/HEAD', { hub: hub.address }).server;
    const ours = await startKernelClient({
      url: `${server.url}api/kernels/${server.kernel!.id}/channels`,
      protocols: [`${TOKEN_SUBPROTOCOL_PREFIX}${server.token}`],
    });
    const bare = await startBareJupyter();
    const through: number[] = [];
    const stock: number[] = [];
    for (let round = 0; round < rounds; round++) {
      stock.push(await timeRuns(bare.client));
      through.push(await timeRuns(ours));
    }
    ours.close();
    await bare.close();
    const behind = `${showSpread(through, 'ms')} against ${showSpread(stock, 'ms')}`;
    return [
      {
        name: '`1+1` back to back through the proxy, p50',
        value: median(through) / median(stock),
        unit: '× stock',
        target: { atMost: 0.25 },
        behind,
      },
    ];
  } finally {
    await hub.stop();
  }
};
