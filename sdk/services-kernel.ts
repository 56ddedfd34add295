import { KernelConnection } from '@jupyterlab/services/lib/kernel/default.js';
import type * as Kernel from '@jupyterlab/services/lib/kernel/kernel.js';
import { createMessage, type IMessage } from '@jupyterlab/services/lib/kernel/messages.js';
import { ServerConnection } from '@jupyterlab/services/lib/serverconnection.js';
import type { CommMessageType } from './jupyter-comms.ts';
import { RECEIVED_PARAMETER, TOKEN_SUBPROTOCOL_PREFIX } from './contract/index.ts';
import type { Server } from './kernel.ts';
import { createKernelSockets, type KernelSocketOptions, type KernelSockets } from './kernel-socket.ts';

/**
 * Services' connection without the rejections that it leaves unhandled when a restart or an end cancels its futures. It tells
 * when the kernel has answered a question in full, with its reply and its idle: from then on, what it prints arrives here.
 */
export class QuietKernel extends KernelConnection {
  readonly #sockets: KernelSockets;
  readonly #onAnswered: (connection: number) => void;

  constructor(
    options: ConstructorParameters<typeof KernelConnection>[0],
    sockets: KernelSockets,
    onAnswered: (connection: number) => void,
  ) {
    super(options);
    this.#sockets = sockets;
    this.#onAnswered = onAnswered;
  }

  override async requestKernelInfo() {
    const connection = this.#sockets.count;
    const reply = await super.requestKernelInfo().catch(() => undefined);
    if (reply) this.#onAnswered(connection);
    return reply;
  }
  override async reconnect() {
    await super.reconnect().catch((error: unknown) => {
      if (!this.isDisposed) throw error;
    });
  }
}

export interface ServicesKernelOptions extends Pick<KernelSocketOptions, 'world' | 'whyGone' | 'onGone'> {
  readonly server: Server;
  readonly kernel: { readonly id: string; readonly name: string };
  readonly clientId: string | undefined;
  /** Asks the server to restart the kernel. */
  restart(): Promise<void>;
  /** Called when a message really leaves, and is not merely queued, with the number of its socket. */
  onSent(message: IMessage, connection: number): void;
  /** Called when the kernel has answered a question that left on a socket. */
  onAnswered(connection: number): void;
}

/** Makes a connection of @jupyterlab/services, which this file alone imports, over sockets of our own. */
export const createServicesKernel = (
  options: ServicesKernelOptions,
): { readonly kernel: QuietKernel; readonly sockets: KernelSockets } => {
  const { server, world, clientId } = options;
  const isOurs = server.kind === 'liveleaf';
  const { serializer, WebSocket } = ServerConnection.makeSettings();
  const sockets = createKernelSockets({
    ...options,
    WebSocket: world.WebSocket ?? WebSocket,
    receivedParameter: isOurs ? RECEIVED_PARAMETER : undefined,
    extraProtocols: isOurs ? [TOKEN_SUBPROTOCOL_PREFIX + server.token] : [],
  });
  const kernelOptions = {
    model: { ...options.kernel },
    // Requests and comms are ours, which the cut for pages rests on.
    handleComms: false,
    kernelAPIClient: { restart: () => options.restart() } as unknown as Kernel.IKernelAPIClient,
    ...(clientId === undefined ? {} : { clientId }),
    serverSettings: ServerConnection.makeSettings({
      baseUrl: server.url,
      wsUrl: `ws${server.url.slice('http'.length)}`,
      token: server.token,
      // A token in an address ends in logs; only servers that know no other way get it there.
      appendToken: !isOurs,
      init: { cache: 'no-store', credentials: 'omit' },
      WebSocket: sockets.WebSocket,
      serializer: {
        ...serializer,
        serialize: (message: IMessage, protocol?: string) => {
          options.onSent(message, sockets.count);
          return serializer.serialize(message, protocol);
        },
      },
    }),
  };
  const kernel = new QuietKernel(kernelOptions, sockets, options.onAnswered);
  return { kernel, sockets };
};

/** A question on the control channel, which a kernel answers even while it runs something. */
export const controlQuestion = (session: string) =>
  createMessage({ msgType: 'kernel_info_request' as never, channel: 'control', session, content: {} as never });

export const commMessage = (
  session: string,
  type: CommMessageType,
  content: object,
  buffers: readonly ArrayBuffer[] = [],
) => {
  // The package types a message by its kind alone, and comms of all kinds are one here.
  const msgType = type as 'comm_msg';
  const message = createMessage({
    msgType,
    channel: 'iopub',
    session,
    content: content as never,
    buffers: [...buffers],
  });
  return { ...message, channel: 'shell' } as unknown as Parameters<QuietKernel['sendShellMessage']>[0];
};
