import type { JupyterMessage } from './jupyter-execution.ts';
import type { Comm } from './kernel.ts';
import { randomUuid } from './random-uuid.ts';

type Opened = (comm: Comm, data: unknown) => void;
type Send = (type: CommMessageType, content: object, buffers?: readonly ArrayBuffer[]) => void;

export type CommMessageType = 'comm_open' | 'comm_msg' | 'comm_close';

class JupyterComm implements Comm {
  readonly id: string;
  readonly target: string;
  readonly #send: Send;
  readonly #onEnd: () => void;
  readonly #onMessage = new Set<Parameters<Comm['onMessage']>[0]>();
  readonly #onClose = new Set<Parameters<Comm['onClose']>[0]>();
  #isClosed = false;

  constructor(id: string, target: string, send: Send, onEnd: () => void) {
    this.id = id;
    this.target = target;
    this.#send = send;
    this.#onEnd = onEnd;
  }

  send(data: unknown, buffers?: readonly ArrayBuffer[]): void {
    if (this.#isClosed) throw new Error(`The comm of ${this.target} is closed; open another one.`);
    this.#send('comm_msg', { comm_id: this.id, data }, buffers);
  }

  close(data: unknown = {}): void {
    if (this.#isClosed) return;
    this.#send('comm_close', { comm_id: this.id, data });
    this.end(data);
  }

  onMessage(listener: Parameters<Comm['onMessage']>[0]): () => void {
    this.#onMessage.add(listener);
    return () => this.#onMessage.delete(listener);
  }

  onClose(listener: Parameters<Comm['onClose']>[0]): () => void {
    this.#onClose.add(listener);
    return () => this.#onClose.delete(listener);
  }

  receive(data: unknown, buffers: NonNullable<JupyterMessage['buffers']>): void {
    for (const listener of this.#onMessage) listener(data, buffers);
  }

  /** The other end is gone. */
  end(data?: unknown): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#onEnd();
    for (const listener of this.#onClose) listener(data);
  }
}

/** The comms of one kernel, over messages of its shell and its iopub channel. */
export class JupyterComms {
  readonly #send: Send;
  readonly #comms = new Map<string, JupyterComm>();
  readonly #targets = new Map<string, Opened>();

  constructor(send: Send) {
    this.#send = send;
  }

  open(target: string, data: unknown = {}): Comm {
    const comm = this.#add(randomUuid(), target);
    this.#send('comm_open', { comm_id: comm.id, target_name: target, data });
    return comm;
  }

  onOpened(target: string, listener: Opened): () => void {
    this.#targets.set(target, listener);
    return () => {
      if (this.#targets.get(target) === listener) this.#targets.delete(target);
    };
  }

  /** Takes a message; one that is no comm's is let go. A comm that nobody waits for is closed, as Jupyter asks for. */
  accept({ header, content, buffers = [] }: JupyterMessage): void {
    const fields = content as { comm_id?: unknown; target_name?: unknown; data?: unknown };
    const id = String(fields.comm_id);
    const comm = this.#comms.get(id);
    if (header.msg_type === 'comm_msg') comm?.receive(fields.data, buffers);
    else if (header.msg_type === 'comm_close') comm?.end(fields.data);
    else if (header.msg_type === 'comm_open' && !comm) {
      const target = String(fields.target_name);
      const listener = this.#targets.get(target);
      if (listener) listener(this.#add(id, target), fields.data);
      else this.#send('comm_close', { comm_id: id, data: {} });
    }
  }

  /** The kernel is another one, or gone. */
  endAll(): void {
    for (const comm of this.#comms.values()) comm.end();
  }

  #add(id: string, target: string): JupyterComm {
    const comm = new JupyterComm(id, target, this.#send, () => this.#comms.delete(id));
    this.#comms.set(id, comm);
    return comm;
  }
}
