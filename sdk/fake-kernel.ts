import { LiveleafError } from './errors.ts';
import type {
  Comm,
  CompletionResult,
  ExecuteOptions,
  Execution,
  ExecutionResult,
  KernelConnection,
  KernelStatus,
  MimeBundle,
  OutputMessage,
} from './kernel.ts';
import { OnePassQueue } from './one-pass-queue.ts';

/** What the fake kernel does with one piece of code. */
export interface FakeRun {
  readonly outputs?: readonly OutputMessage[];
  /** Default `ok`, or what the outputs' error says. */
  readonly result?: ExecutionResult;
  /** Asked through `onInput` before the outputs; the answer is printed. */
  readonly input?: { readonly prompt: string; readonly password: boolean };
  /** Never ends by itself; an interrupt ends it. */
  readonly hangs?: boolean;
}

type StatusListener = Parameters<KernelConnection['onStatus']>[0];

const INTERRUPTED: ExecutionResult = { status: 'error', error: { name: 'KeyboardInterrupt', value: '' } };

/** A kernel without a server, for tests of what uses one: each run's outputs come from a script. */
export class FakeKernel implements KernelConnection {
  readonly id = 'fake-kernel';
  readonly name = 'python3';
  readonly clientId = 'fake-client';
  /** The code that was executed, in order. */
  readonly executed: string[] = [];
  status: KernelStatus = 'idle';
  readonly #script: (code: string) => FakeRun;
  readonly #listeners = new Set<StatusListener>();
  readonly #running = new Set<{ fail(error: Error): void; interrupt(): void }>();
  #queue: Promise<void> = Promise.resolve();
  #count = 0;

  constructor(script: (code: string) => FakeRun = () => ({})) {
    this.#script = script;
  }

  onStatus(listener: StatusListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  execute(code: string, options: ExecuteOptions = {}): Execution {
    const outputs = new OnePassQueue<OutputMessage>({ name: 'An execution' });
    let interrupted = (): void => undefined;
    const interruption = new Promise<void>((resolve) => (interrupted = resolve));
    const result = new Promise<ExecutionResult>((resolve, reject) => {
      const run = { fail: reject, interrupt: interrupted };
      this.#running.add(run);
      const play = async () => {
        if (!this.#running.has(run)) return;
        resolve(await this.#play(code, options, outputs, interruption));
      };
      this.#queue = this.#queue.then(play).finally(() => {
        this.#running.delete(run);
        if (this.status === 'busy') this.setStatus('idle');
      });
    });
    result.then(
      () => outputs.end(),
      () => outputs.end(),
    );
    return { result, [Symbol.asyncIterator]: () => outputs[Symbol.asyncIterator]() };
  }

  async #play(
    code: string,
    options: ExecuteOptions,
    outputs: OnePassQueue<OutputMessage>,
    interruption: Promise<void>,
  ): Promise<ExecutionResult> {
    this.executed.push(code);
    this.#count += 1;
    this.setStatus('busy');
    const { outputs: scripted = [], result, input, hangs = false } = this.#script(code);
    if (input) {
      if (!options.onInput) return { status: 'error', error: { name: 'StdinNotImplementedError', value: '' } };
      outputs.push({ type: 'stream', name: 'stdout', text: await options.onInput(input) });
    }
    for (const output of scripted) outputs.push(output);
    if (hangs) {
      await interruption;
      return { ...INTERRUPTED, executionCount: this.#count };
    }
    const error = scripted.find((output) => output.type === 'error');
    const ended = error ? { error: { name: error.name, value: error.value } } : {};
    return result ?? { status: error ? 'error' : 'ok', executionCount: this.#count, ...ended };
  }

  async complete(_code: string, cursor: number): Promise<CompletionResult> {
    return { matches: [], start: cursor, end: cursor };
  }

  async inspect(): Promise<MimeBundle | undefined> {
    return undefined;
  }

  openComm(target: string): Comm {
    const nothing = () => () => undefined;
    return { id: 'fake-comm', target, send: nothing, close: nothing, onMessage: nothing, onClose: nothing };
  }

  onComm(): () => void {
    return () => undefined;
  }

  async interrupt(): Promise<void> {
    for (const run of this.#running) run.interrupt();
  }

  async restart(): Promise<void> {
    this.setStatus('restarting');
    this.#failAll('The kernel was restarted; its variables are lost.');
    this.#count = 0;
    this.setStatus('idle');
  }

  async shutdown(): Promise<void> {
    this.die('The kernel was shut down.');
  }

  async reconnect(): Promise<void> {}

  dispose(): void {
    this.#listeners.clear();
  }

  /** Ends the kernel as a crash does. */
  die(message = 'The kernel has died.'): void {
    this.#failAll(message);
    this.setStatus('dead', new LiveleafError('kernel_dead', message));
  }

  setStatus(status: KernelStatus, cause?: Error): void {
    if (this.status === status) return;
    this.status = status;
    for (const listener of this.#listeners) listener(status, cause);
  }

  #failAll(message: string): void {
    for (const run of this.#running) {
      this.#running.delete(run);
      run.fail(new LiveleafError('kernel_dead', message));
      // Lets a hanging one go, so that the queue goes on.
      run.interrupt();
    }
  }
}
