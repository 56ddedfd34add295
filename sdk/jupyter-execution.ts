import { LiveleafError } from './errors.ts';
import { mergeOutputs, outputOf } from './jupyter-outputs.ts';
import type { ExecuteOptions, Execution, ExecutionResult, OutputMessage } from './kernel.ts';
import { OnePassQueue } from './one-pass-queue.ts';

/** The part of a Jupyter message that is read here. */
export interface JupyterMessage {
  readonly channel: string;
  readonly header: { readonly msg_id: string; readonly msg_type: string };
  readonly parent_header: { readonly msg_id?: string };
  readonly content: unknown;
  readonly buffers?: readonly (ArrayBuffer | ArrayBufferView)[];
}

const resultOf = (content: Readonly<Record<string, unknown>>): ExecutionResult => {
  const count = content['execution_count'];
  const counted = typeof count === 'number' ? { executionCount: count } : {};
  if (content['status'] === 'ok') return { status: 'ok', ...counted };
  if (content['status'] !== 'error') return { status: 'aborted', ...counted };
  const error = { name: String(content['ename'] ?? ''), value: String(content['evalue'] ?? '') };
  return { status: 'error', ...counted, error };
};

/** One run, fed with the messages that answer its request. It ends with the reply and the kernel's being idle. */
export class JupyterExecution implements Execution {
  readonly result: Promise<ExecutionResult>;
  readonly #outputs = new OnePassQueue<OutputMessage>({ name: 'An execution', merge: mergeOutputs });
  readonly #onInput: ExecuteOptions['onInput'];
  readonly #onEnd: () => void;
  #reply: ExecutionResult | undefined;
  #isIdle = false;
  #hasEnded = false;
  #resolve!: (result: ExecutionResult) => void;
  #reject!: (error: LiveleafError) => void;

  constructor(onInput: ExecuteOptions['onInput'], onEnd: () => void) {
    this.#onInput = onInput;
    this.#onEnd = onEnd;
    this.result = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.result.catch(() => undefined);
  }

  [Symbol.asyncIterator](): AsyncIterator<OutputMessage> {
    return this.#outputs[Symbol.asyncIterator]();
  }

  /** Takes one answer; `answerInput` sends what the reader typed, `giveUp` is called where nobody wants to type. */
  accept(message: JupyterMessage, answerInput: (value: string) => void, giveUp: () => void): void {
    const content = message.content as Readonly<Record<string, unknown>>;
    const type = message.header.msg_type;
    if (message.channel === 'shell' && type === 'execute_reply') this.#reply = resultOf(content);
    else if (message.channel === 'stdin' && type === 'input_request') this.#ask(content, answerInput, giveUp);
    else if (message.channel === 'iopub' && type === 'status') this.#isIdle ||= content['execution_state'] === 'idle';
    else if (message.channel === 'iopub') {
      const output = outputOf(type, content);
      if (output) this.#outputs.push(output);
    }
    if (this.#reply && this.#isIdle) this.#end(() => this.#resolve(this.#reply!));
  }

  /** Ends the run with what is known: its reply where that has come, else the error. */
  settle(error: LiveleafError): void {
    const reply = this.#reply;
    this.#end(() => (reply ? this.#resolve(reply) : this.#reject(error)));
  }

  fail(error: LiveleafError): void {
    this.#end(() => this.#reject(error));
  }

  #ask(content: Readonly<Record<string, unknown>>, answer: (value: string) => void, giveUp: () => void): void {
    const request = { prompt: String(content['prompt'] ?? ''), password: content['password'] === true };
    // In a promise, so that an onInput that throws at once counts as one that rejects.
    void Promise.resolve(request)
      .then((asked) => this.#onInput?.(asked) ?? Promise.reject(new Error('nobody to ask')))
      .then(answer, giveUp);
  }

  #end(settle: () => void): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    settle();
    this.#outputs.end();
    this.#onEnd();
  }
}
