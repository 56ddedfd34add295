import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { WebSocketServer } from 'ws';
import { connectKernel, LiveleafError, type Execution, type KernelConnection, type Server } from '../../sdk/index.ts';
import { globalWorld, type World } from '../../sdk/world.ts';
import { startWorld, type E2eWorld } from '../helpers/e2e-world.ts';
import { startFaultProxy, type FaultProxy } from '../helpers/fault-proxy.ts';

const LINES = Array.from({ length: 30 }, (_, line) => `${line}\n`).join('');
const COUNT = 'import time\nfor n in range(30):\n    print(n, flush=True)\n    time.sleep(0.1)';

/** A world whose waits are shorter by a factor. */
const hurried = (factor: number): World => {
  const world = globalWorld();
  return {
    ...world,
    now: () => world.now() * factor,
    setTimeout: (callback, durationMs) => world.setTimeout(callback, durationMs / factor),
  };
};

/** What a run prints; `onText` is called after each piece. */
const printed = async (execution: Execution, onText: (text: string) => void = () => undefined): Promise<string> => {
  let text = '';
  for await (const output of execution)
    if (output.type === 'stream') {
      text += output.text;
      onText(text);
    }
  await execution.result;
  return text;
};

describe('a socket to a kernel that goes wrong', { timeout: 240_000 }, () => {
  let world: E2eWorld;
  let faults: FaultProxy;
  let server: Server;
  const kernels: KernelConnection[] = [];
  const target = { host: '127.0.0.1', port: 0 };
  before(async () => {
    faults = await startFaultProxy(target);
    world = await startWorld({ config: { sessionUrl: `http://127.0.0.1:${faults.port}/` } });
    target.port = Number(new URL(world.hub.sessionAddress).port);
  });
  beforeEach(async () => {
    server = await world.launch(await world.repo('plain')).launch.server;
    assert.equal(new URL(server.url).port, String(faults.port));
  });
  afterEach(async () => {
    for (const kernel of kernels.splice(0)) kernel.dispose();
    faults.accept();
    await world.stopAll();
  });
  after(async () => {
    await faults.close();
    await world.end();
  });

  const connect = async (options: { world?: World } = {}): Promise<KernelConnection> => {
    const kernel = await connectKernel(server, { signal: AbortSignal.timeout(30_000), ...options });
    kernels.push(kernel);
    return kernel;
  };

  it('two pages that are cut off in the middle of their runs both miss nothing', { timeout: 60_000 }, async () => {
    const pages = [await connect(), await connect()];
    let cuts = 0;
    const runs = pages.map((page) => printed(page.execute(COUNT), () => (cuts === 0 ? cut() : undefined)));
    const cut = () => {
      cuts += 1;
      faults.refuse();
      assert.ok(faults.reset() >= 2);
      setTimeout(() => faults.accept(), 1_500);
    };
    assert.deepEqual(await Promise.all(runs), [LINES, LINES]);
    assert.equal(cuts, 1);
  });

  it(
    'a page whose socket is half open finds out while it waits for a run, and misses nothing',
    { timeout: 60_000 },
    async () => {
      const page = await connect({ world: hurried(20) });
      let freezes = 0;
      const text = await printed(page.execute(COUNT), (soFar) => {
        if (freezes > 0 || soFar.length < 8) return;
        freezes += 1;
        faults.freeze();
      });
      assert.deepEqual([text, freezes], [LINES, 1]);
      assert.equal(await printed(page.execute('print(n)')), '29\n', 'its next run is answered too');
    },
  );

  it(
    'a page that is asked to look at its half-open socket replaces it, beside another page',
    { timeout: 60_000 },
    async () => {
      const page = await connect();
      const other = await connect();
      assert.equal(await printed(page.execute('kept = 42')), '');
      faults.freeze();
      await Promise.all([page.reconnect(), other.reconnect()]);
      assert.equal(await printed(page.execute('print(kept)')), '42\n');
      assert.equal(await printed(other.execute('print(kept)')), '42\n');
    },
  );

  it(
    'a server that closes each socket at once is asked ever more rarely, and used once it is sound',
    { timeout: 60_000 },
    async () => {
      for (const code of [1011, 1012]) {
        const page = await connect();
        const closing = new WebSocketServer({ port: 0, host: '127.0.0.1' });
        await once(closing, 'listening');
        let asked = 0;
        closing.on('connection', (socket) => {
          asked += 1;
          socket.close(code);
        });
        const sound = target.port;
        target.port = (closing.address() as { port: number }).port;
        faults.reset();
        await delay(4_000);
        assert.ok(asked >= 2 && asked <= 12, `${asked} connections in 4 s`);
        target.port = sound;
        assert.equal(await printed(page.execute('print(6 * 7)')), '42\n');
        closing.close();
        page.dispose();
      }
    },
  );

  it('a page that was away while the kernel died is told so when it is back', { timeout: 60_000 }, async () => {
    const page = await connect();
    const other = await connect();
    const running = page.execute('import os, time; time.sleep(1); os.kill(os.getpid(), 9)');
    const never = page.execute('print("never")');
    await delay(300);
    faults.refuse();
    faults.reset();
    await delay(5_000);
    faults.accept();
    const codes = [running, never].map((each) => each.result.then(String, (error: LiveleafError) => error.code));
    for (const code of await Promise.all(codes)) assert.match(code, /^(kernel_dead|offline)$/);
    assert.equal(
      await printed(other.execute('print(len(In))')),
      '2\n',
      'nothing that was sent before runs in the new kernel',
    );
  });
});
