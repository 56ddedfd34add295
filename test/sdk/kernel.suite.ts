import { expect } from 'chai';
import { connectKernel } from '../../sdk/connect-kernel.ts';
import { TOKEN_SUBPROTOCOL_PREFIX } from '../../sdk/contract/index.ts';
import type { ExecuteOptions, KernelConnection, OutputMessage, Server } from '../../sdk/kernel.ts';
import { getJson, readAll, rejection, type SuiteTools } from './tools.suite.ts';

interface Places {
  readonly liveleaf: { readonly url: string; readonly token: string };
  readonly jupyter: { readonly url: string; readonly token: string };
}

const stdout = (outputs: readonly OutputMessage[]): string =>
  outputs.map((output) => (output.type === 'stream' ? output.text : '')).join('');

const run = async (kernel: KernelConnection, code: string, options?: ExecuteOptions) => {
  const execution = kernel.execute(code, options);
  const outputs = await readAll(execution);
  return { outputs, result: await execution.result };
};

const reached = (kernel: KernelConnection, status: string): Promise<void> =>
  new Promise((resolve) => {
    if (kernel.status === status) return resolve();
    const stop = kernel.onStatus((now) => {
      if (now !== status) return;
      stop();
      resolve();
    });
  });

const pauseMs = (durationMs: number) => new Promise((resolve) => setTimeout(resolve, durationMs));

/** Prints thirty lines; it waits after the fifth, so that nothing is under way when the socket is reset. */
const COUNTING = `
import time
for number in range(30):
    print(number, flush=True)
    time.sleep(1.5 if number == 4 else 0.03)
"done"
`;

/** Kernel connections against a real Jupyter server and real kernels, through proxies that can be broken. */
export const kernelSuite = ({ describe, it, after, addressOf }: SuiteTools): void => {
  const fault = (name: string) => getJson(`${addressOf('kernelLab')}/faults/${name}`, 'POST');
  const serverOf = async (kind: keyof Places): Promise<Server> => {
    const places = await getJson<Places>(`${addressOf('kernelLab')}/servers`);
    const expiresAt = Number.POSITIVE_INFINITY;
    return { kind, ...places[kind], expiresAt, idleTimeoutMs: expiresAt, session: 'test' };
  };
  /** One kernel for all tests that leave it usable, as starting one is what takes time. */
  let shared: Promise<KernelConnection> | undefined;
  const withKernel = async (use: (kernel: KernelConnection, server: Server) => Promise<void>) => {
    const server = await serverOf('liveleaf');
    shared ??= connectKernel(server, { path: 'most-tests.ipynb' });
    await use(await shared, server);
  };

  describe('a kernel connection', () => {
    after(async () => (await shared)?.shutdown());

    it('runs code and tells of outputs, results, errors and displays', async () => {
      await withKernel(async (kernel) => {
        const sum = await run(kernel, '1 + 1');
        const { executionCount } = sum.result;
        expect(sum.outputs).to.deep.equal([
          { type: 'result', data: { 'text/plain': '2' }, metadata: {}, executionCount },
        ]);
        expect(sum.result).to.deep.equal({ status: 'ok', executionCount });

        const streams = await run(kernel, 'import sys\nprint("a")\nprint("b", file=sys.stderr)');
        expect(streams.outputs).to.deep.include({ type: 'stream', name: 'stdout', text: 'a\n' });
        expect(streams.outputs).to.deep.include({ type: 'stream', name: 'stderr', text: 'b\n' });

        const failure = await run(kernel, '1 / 0');
        expect(failure.result.status).to.equal('error');
        expect(failure.result.error?.name).to.equal('ZeroDivisionError');
        expect(failure.outputs[0]).to.include({ type: 'error', name: 'ZeroDivisionError', value: 'division by zero' });

        const shown = await run(
          kernel,
          'from IPython.display import display, clear_output, HTML\nh = display(HTML("<b>1</b>"), display_id="d")\nh.update(HTML("<b>2</b>"))\nclear_output(wait=True)',
        );
        expect(shown.outputs.map((output) => output.type)).to.deep.equal(['display', 'update', 'clear']);
        expect(shown.outputs[1]).to.have.property('displayId', 'd');
      });
    });

    it('asks the reader what the code asks for', async () => {
      await withKernel(async (kernel) => {
        const asked: unknown[] = [];
        const onInput = async (request: unknown) => {
          asked.push(request);
          return 'Ada';
        };
        const named = await run(kernel, 'print("Hello " + input("Name? "))', { onInput });
        expect(asked).to.deep.equal([{ prompt: 'Name? ', password: false }]);
        expect(stdout(named.outputs)).to.equal('Hello Ada\n');
        expect((await run(kernel, 'input()')).result.error?.name).to.equal('StdinNotImplementedError');
        const refused = await run(kernel, 'input()', { onInput: () => Promise.reject(new Error('closed')) });
        expect(refused.result.error?.name).to.equal('KeyboardInterrupt');
      });
    });

    it('completes and explains', async () => {
      await withKernel(async (kernel) => {
        expect((await kernel.complete('import os\nos.getc', 17)).matches).to.include('getcwd');
        expect(await kernel.inspect('len', 3)).to.have.property('text/plain');
        expect(await kernel.inspect('nothing_of_that_name', 5)).to.equal(undefined);
      });
    });

    it('skips what is queued behind an error, unless told otherwise', async () => {
      await withKernel(async (kernel) => {
        const first = kernel.execute('import time\ntime.sleep(0.3)\n1/0');
        const second = kernel.execute('print(2)');
        expect((await first.result).status).to.equal('error');
        expect((await second.result).status).to.equal('aborted');
        const third = kernel.execute('import time\ntime.sleep(0.3)\n1/0', { stopOnError: false });
        const fourth = kernel.execute('print(4)');
        expect((await third.result).status).to.equal('error');
        expect((await fourth.result).status).to.equal('ok');
      });
    });

    it('interrupts and restarts, and says what became of a run', async () => {
      await withKernel(async (kernel) => {
        const long = run(kernel, 'import time\ntime.sleep(60)');
        await reached(kernel, 'busy');
        await pauseMs(200);
        await kernel.interrupt();
        expect((await long).result.error?.name).to.equal('KeyboardInterrupt');

        await run(kernel, 'kept = 1');
        const lost = kernel.execute('import time\ntime.sleep(60)');
        await pauseMs(200);
        await kernel.restart();
        expect((await rejection(lost.result)).code).to.equal('kernel_dead');
        expect((await run(kernel, 'kept')).result.error?.name).to.equal('NameError');
        expect((await run(kernel, '1')).result.status).to.equal('ok');
      });
    });

    it('opens comms from both ends', async () => {
      await withKernel(async (kernel) => {
        await run(
          kernel,
          `
def on_open(comm, message):
    comm.on_msg(lambda m: comm.send({"echo": m["content"]["data"]}, buffers=[b"xyz"]))
    comm.send({"hello": message["content"]["data"]})
get_ipython().kernel.comm_manager.register_target("ours", on_open)`,
        );
        const received: unknown[] = [];
        const comm = kernel.openComm('ours', { from: 'page' });
        const echoed = new Promise<number>((resolve) => {
          comm.onMessage((data, buffers) => {
            received.push(data);
            if (buffers.length > 0) resolve(buffers[0]!.byteLength);
          });
        });
        comm.send({ number: 7 });
        expect(await echoed).to.equal(3);
        expect(received).to.deep.equal([{ hello: { from: 'page' } }, { echo: { number: 7 } }]);

        const opened = new Promise<unknown>((resolve) => kernel.onComm('theirs', (_, data) => resolve(data)));
        await run(kernel, 'from comm import create_comm\nc = create_comm(target_name="theirs", data={"a": 1})');
        expect(await opened).to.deep.equal({ a: 1 });

        const closed = new Promise<void>((resolve) => comm.onClose(() => resolve()));
        await kernel.restart();
        await closed;
        expect(() => comm.send({})).to.throw('is closed');
      });
    });

    it('tells of a kernel that was killed, and goes on with the one that follows', async () => {
      await withKernel(async (kernel) => {
        const causes: string[] = [];
        kernel.onStatus((status, cause) => status === 'restarting' && causes.push(cause?.message ?? ''));
        await run(kernel, 'kept = 1');
        const dying = kernel.execute('import os, signal\nos.kill(os.getpid(), signal.SIGKILL)');
        const queued = kernel.execute('print("never")');
        const error = await rejection(dying.result);
        expect(error.code).to.equal('kernel_dead');
        expect(error.message).to.contain('variables are lost');
        expect((await rejection(queued.result)).code).to.equal('kernel_dead');
        expect(causes).to.deep.equal([error.message]);
        expect((await run(kernel, 'kept')).result.error?.name).to.equal('NameError');
      });
    });

    it('loses nothing when the socket is reset in the middle of a run, and runs nothing twice', async () => {
      await withKernel(async (kernel) => {
        await run(kernel, 'count = 0');
        const execution = kernel.execute(`count += 1\n${COUNTING}`);
        const outputs: OutputMessage[] = [];
        let resets = 0;
        for await (const output of execution) {
          outputs.push(output);
          if (resets === 0 && stdout(outputs).split('\n').length > 5) {
            resets += 1;
            await fault('refuse');
            await fault('reset');
            // The other lines are printed meanwhile, which the server keeps for the same client.
            setTimeout(() => void fault('accept'), 2_000);
          }
        }
        expect(resets).to.equal(1);
        expect((await execution.result).status).to.equal('ok');
        expect(stdout(outputs)).to.equal(Array.from({ length: 30 }, (_, number) => `${number}\n`).join(''));
        expect(outputs.at(-1)).to.deep.include({ type: 'result', data: { 'text/plain': "'done'" } });
        expect((await run(kernel, 'count')).outputs[0]).to.have.deep.property('data', { 'text/plain': '1' });
      });
    });

    it('comes back by itself from a polite close and from a server that was away', async () => {
      await withKernel(async (kernel) => {
        const statuses: string[] = [];
        kernel.onStatus((status) => statuses.push(status));
        await run(kernel, 'kept = 42');
        // Asked for before, since the connection may be back before the answer is.
        const cut = reached(kernel, 'disconnected');
        await fault('cut');
        await cut;
        expect((await run(kernel, 'kept')).outputs[0]).to.have.deep.property('data', { 'text/plain': '42' });

        await fault('refuse');
        const reset = reached(kernel, 'disconnected');
        await fault('reset');
        await reset;
        // Queued while there is no connection, sent once there is one.
        const waiting = run(kernel, 'kept + 1');
        await pauseMs(1_200);
        await fault('accept');
        expect((await waiting).outputs[0]).to.have.deep.property('data', { 'text/plain': '43' });
        expect(statuses).to.include('disconnected');
      });
    });

    it('knows a kernel that is gone, and says so', async () => {
      const server = await serverOf('liveleaf');
      const kernel = { id: '00000000-0000-4000-8000-000000000000', name: 'python3' };
      const error = await rejection(connectKernel({ ...server, kernel }));
      expect(error.code).to.equal('kernel_dead');
      const wrong = await rejection(connectKernel({ ...server, token: 'wrong' }));
      expect(wrong.code).to.equal('session_lost');
      const late = await rejection(connectKernel({ ...server, kernel, expiresAt: 1 }));
      expect(late.code).to.equal('expired');
    });

    it('rejects what runs when the page lets go, and leaves the kernel to the next page', async () => {
      const server = await serverOf('liveleaf');
      const path = 'shared.ipynb';
      const first = await connectKernel(server, { path });
      await run(first, 'kept = 5');
      const going = first.execute('import time\ntime.sleep(60)');
      // A server that does not yet know its kernel busy would keep the next page waiting for it.
      await reached(first, 'busy');
      await pauseMs(300);
      first.dispose();
      expect((await rejection(going.result)).code).to.equal('offline');
      const second = await connectKernel(server, { path, clientId: first.clientId });
      try {
        expect(second.id).to.equal(first.id);
        expect(second.clientId).to.equal(first.clientId);
        await second.interrupt();
        // What was queued behind the interrupted run would be skipped.
        await reached(second, 'idle');
        await pauseMs(300);
        expect((await run(second, 'kept')).outputs[0]).to.have.deep.property('data', { 'text/plain': '5' });
      } finally {
        await second.shutdown();
      }
      expect(second.status).to.equal('dead');
      expect((await rejection(second.execute('1').result)).code).to.equal('kernel_dead');
    });

    it('sends the token of our hub by header and subprotocol, never in an address', async () => {
      await withKernel(async (kernel, server) => {
        await run(kernel, '1');
        const seen = await getJson<{ method: string; url: string; protocols: string }[]>(
          `${addressOf('kernelLab')}/seen`,
        );
        expect(seen.filter(({ url }) => url.includes(server.token) || url.includes('token'))).to.deep.equal([]);
        const upgrades = seen.filter(({ method }) => method === 'UPGRADE');
        expect(upgrades.length).to.be.greaterThan(0);
        expect(upgrades.at(-1)?.protocols).to.contain(TOKEN_SUBPROTOCOL_PREFIX + server.token);
      });
    });

    it('works with a bare Jupyter server as well', async () => {
      const kernel = await connectKernel(await serverOf('jupyter'), { path: 'bare.ipynb' });
      try {
        expect(stdout((await run(kernel, 'print(1)')).outputs)).to.equal('1\n');
        await kernel.restart();
        expect((await run(kernel, '2')).result.status).to.equal('ok');
      } finally {
        await kernel.shutdown();
      }
    });
  });
};
