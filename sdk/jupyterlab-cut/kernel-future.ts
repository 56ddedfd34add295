import { PromiseDelegate } from './lumino-coreutils.ts';

interface Message {
  readonly channel: string;
  readonly content: { readonly execution_state?: string };
  readonly header: { readonly msg_type: string };
}

/** Stands in for the futures of @jupyterlab/services: one request, done with its reply and the kernel's being idle. */
class KernelFutureHandler {
  readonly msg: Message;
  readonly #done = new PromiseDelegate<Message | undefined>();
  readonly #forget: () => void;
  #wantsReply: boolean;
  #wantsIdle = true;
  #reply: Message | undefined;
  #isDisposed = false;

  constructor(forget: () => void, msg: Message, expectReply: boolean) {
    this.#forget = forget;
    this.msg = msg;
    this.#wantsReply = expectReply;
    this.#done.promise.catch(() => undefined);
  }

  get done(): Promise<Message | undefined> {
    return this.#done.promise;
  }

  get isDisposed(): boolean {
    return this.#isDisposed;
  }

  handleMsg(message: Message): void {
    if (message.channel === this.msg.channel) {
      this.#reply = message;
      this.#wantsReply = false;
    } else if (message.channel === 'iopub' && message.content.execution_state === 'idle') this.#wantsIdle = false;
    if (this.#wantsReply || this.#wantsIdle) return;
    this.#done.resolve(this.#reply);
    this.dispose();
  }

  /** Without effect on `done` where it has settled. */
  dispose(): void {
    if (this.#isDisposed) return;
    this.#isDisposed = true;
    this.#done.reject(new Error(`Canceled future for ${this.msg.header.msg_type} message before replies were done`));
    this.#forget();
  }
}

export { KernelFutureHandler as KernelControlFutureHandler, KernelFutureHandler as KernelShellFutureHandler };
