import type { Comm } from './kernel.ts';

/** A comm as @jupyterlab/services has it; the part that is used here. */
export interface ServicesComm {
  readonly commId: string;
  readonly targetName: string;
  readonly isDisposed: boolean;
  onMsg: (message: CommMessage) => void | PromiseLike<void>;
  onClose: (message: CommMessage) => void | PromiseLike<void>;
  send(data: never, metadata?: never, buffers?: (ArrayBuffer | ArrayBufferView)[]): unknown;
  close(data?: never): unknown;
}

interface CommMessage {
  readonly content: unknown;
  readonly buffers?: (ArrayBuffer | ArrayBufferView)[];
}

const dataOf = (message: CommMessage): unknown => (message.content as { data?: unknown }).data;

/** Our comm over one of @jupyterlab/services; `end` tells its listeners that the kernel took it away. */
export const wrapComm = (comm: ServicesComm, onClosed: () => void): Comm & { end(): void } => {
  const messageListeners = new Set<Parameters<Comm['onMessage']>[0]>();
  const closeListeners = new Set<Parameters<Comm['onClose']>[0]>();
  const closed = (data: unknown) => {
    onClosed();
    for (const listener of [...closeListeners]) listener(data);
    closeListeners.clear();
    messageListeners.clear();
  };
  comm.onMsg = (message) => {
    for (const listener of [...messageListeners]) listener(dataOf(message), message.buffers ?? []);
  };
  comm.onClose = (message) => closed(dataOf(message));
  return {
    id: comm.commId,
    target: comm.targetName,
    send: (data, buffers = []) => {
      comm.send(data as never, undefined, [...buffers]);
    },
    close: (data) => {
      if (!comm.isDisposed) comm.close(data as never);
    },
    onMessage: (listener) => {
      messageListeners.add(listener);
      return () => messageListeners.delete(listener);
    },
    onClose: (listener) => {
      closeListeners.add(listener);
      return () => closeListeners.delete(listener);
    },
    end: () => closed(undefined),
  };
};
