import type { ReceivedEvent } from '../../../sdk/contract/index.ts';
import { LiveleafError } from '../../../sdk/errors.ts';
import type {
  Execution,
  ExecutionResult,
  KernelConnection,
  KernelStatus,
  OutputMessage,
  Server,
} from '../../../sdk/kernel.ts';
import type { Launch, LaunchOptions } from '../../../sdk/launch.ts';
import type { SavedServer } from '../../../sdk/saved-server.ts';
import type { PageParts } from '../../../widget/parts.ts';

const SERVER: Server = {
  kind: 'liveleaf',
  url: 'http://127.0.0.1:1/user/a/',
  token: 't',
  expiresAt: Number.POSITIVE_INFINITY,
  idleTimeoutMs: 1e6,
  session: 'a',
};

/** A queue that one reader iterates. */
const channel = <T>() => {
  const items: T[] = [];
  let ended = false;
  let failure: unknown;
  let wake = (): void => undefined;
  return {
    push: (item: T): void => {
      items.push(item);
      wake();
    },
    end: (error?: unknown): void => {
      ended = true;
      failure = error;
      wake();
    },
    async *[Symbol.asyncIterator](): AsyncGenerator<T> {
      for (;;) {
        while (items.length > 0) yield items.shift()!;
        if (failure) throw failure;
        if (ended) return;
        await new Promise<void>((resolve) => (wake = resolve));
      }
    },
  };
};

/** A launch that goes on as the test says. */
class FakeLaunch implements Launch {
  readonly spec: string;
  readonly options: LaunchOptions;
  cancelled = false;
  readonly server: Promise<Server>;
  readonly #events = channel<ReceivedEvent>();
  readonly #settle: { resolve(server: Server): void; reject(error: unknown): void };
  #onConnection: (state: 'open' | 'reconnecting', attempt: number) => void = () => undefined;

  constructor(spec: string, options: LaunchOptions) {
    this.spec = spec;
    this.options = options;
    let settle: FakeLaunch['settle'];
    this.server = new Promise((resolve, reject) => (settle = { resolve, reject }));
    this.server.catch(() => undefined);
    this.#settle = settle!;
  }

  get settle() {
    return this.#settle;
  }

  emit(event: ReceivedEvent): void {
    this.#events.push(event);
  }

  ready(): void {
    this.#events.end();
    this.#settle.resolve(SERVER);
  }

  fail(error: LiveleafError): void {
    this.#events.end();
    this.#settle.reject(error);
  }

  connection(state: 'open' | 'reconnecting'): void {
    this.#onConnection(state, 1);
  }

  onConnection(listener: (state: 'open' | 'reconnecting', attempt: number) => void): () => void {
    this.#onConnection = listener;
    return () => undefined;
  }

  async cancel(): Promise<void> {
    this.cancelled = true;
    this.fail(new LiveleafError('cancelled', 'The launch was cancelled.'));
  }

  [Symbol.asyncIterator](): AsyncIterator<ReceivedEvent> {
    return this.#events[Symbol.asyncIterator]();
  }
}

/** A run that goes on as the test says. */
export class FakeRun implements Execution {
  readonly code: string;
  readonly result: Promise<ExecutionResult>;
  readonly #outputs = channel<OutputMessage>();
  readonly #end: (result: ExecutionResult) => void;
  readonly #fail: (error: unknown) => void;

  constructor(code: string) {
    this.code = code;
    let end!: (result: ExecutionResult) => void;
    let fail!: (error: unknown) => void;
    this.result = new Promise((resolve, reject) => {
      end = resolve;
      fail = reject;
    });
    this.result.catch(() => undefined);
    this.#end = end;
    this.#fail = fail;
  }

  print(text: string): void {
    this.#outputs.push({ type: 'stream', name: 'stdout', text });
  }

  send(message: OutputMessage): void {
    this.#outputs.push(message);
  }

  done(): void {
    this.#outputs.end();
    this.#end({ status: 'ok', executionCount: 1 });
  }

  raise(name: string, value: string): void {
    const traceback = [`\u001b[31m${name}\u001b[0m: ${value}`];
    this.#outputs.push({ type: 'error', name, value, traceback });
    this.#outputs.end();
    this.#end({ status: 'error', error: { name, value } });
  }

  break(error: unknown): void {
    this.#outputs.end();
    this.#fail(error);
  }

  [Symbol.asyncIterator](): AsyncIterator<OutputMessage> {
    return this.#outputs[Symbol.asyncIterator]();
  }
}

/** A kernel that notes what it is asked. */
class FakeKernel implements KernelConnection {
  readonly id = 'k';
  readonly name = 'python3';
  readonly clientId = 'c';
  status: KernelStatus = 'idle';
  readonly runs: FakeRun[] = [];
  readonly calls: string[] = [];
  onRun: (run: FakeRun) => void = () => undefined;
  readonly #listeners = new Set<(status: KernelStatus, cause?: Error) => void>();

  onStatus(listener: (status: KernelStatus, cause?: Error) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  become(status: KernelStatus, cause?: Error): void {
    this.status = status;
    for (const listener of this.#listeners) listener(status, cause);
  }

  execute(code: string): Execution {
    const run = new FakeRun(code);
    this.runs.push(run);
    this.onRun(run);
    return run;
  }

  async interrupt(): Promise<void> {
    this.calls.push('interrupt');
    this.runs.at(-1)?.raise('KeyboardInterrupt', '');
  }

  async restart(): Promise<void> {
    this.calls.push('restart');
    this.become('restarting');
  }

  async shutdown(): Promise<void> {
    this.calls.push('shutdown');
  }

  async reconnect(): Promise<void> {
    this.calls.push('reconnect');
  }

  dispose(): void {
    this.calls.push('dispose');
  }

  complete(): never {
    throw new Error('not part of these tests');
  }

  inspect(): never {
    throw new Error('not part of these tests');
  }

  openComm(): never {
    throw new Error('not part of these tests');
  }

  onComm(): () => void {
    return () => undefined;
  }
}

/** A page's surroundings in memory: every launch and kernel is kept for the test to steer. */
export const fakePageParts = (
  start: { readonly saved?: SavedServer; readonly onRun?: (run: FakeRun) => void } = {},
) => {
  const launches: FakeLaunch[] = [];
  const kernels: FakeKernel[] = [];
  let saved = start.saved;
  let connectError: unknown;
  const parts: PageParts = {
    launch: (spec, options) => {
      const launch = new FakeLaunch(String(spec), options);
      launches.push(launch);
      return launch;
    },
    connectKernel: async () => {
      if (connectError) throw connectError;
      const kernel = new FakeKernel();
      if (start.onRun) kernel.onRun = start.onRun;
      kernels.push(kernel);
      return kernel;
    },
    memory: () => ({
      load: async () => saved,
      save: (server) => {
        saved = server;
      },
      forget: () => {
        saved = undefined;
      },
    }),
    now: () => performance.now(),
  };
  return {
    parts,
    launches,
    kernels,
    get saved() {
      return saved;
    },
    refuseConnections: (error: unknown): void => {
      connectError = error;
    },
  };
};
