import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { WebSocket } from 'ws';

export interface KernelClient {
  /** Runs code and resolves when its reply and the kernel's idle status have both come. */
  execute(code: string): Promise<void>;
  close(): void;
}

interface Message {
  readonly header: { readonly msg_type: string };
  readonly parent_header: { readonly msg_id?: string };
  readonly content: { readonly execution_state?: string };
}

/** The smallest client of a kernel's socket (JSON protocol), so that what is measured is the server and not the client. */
export const startKernelClient = async (where: {
  url: string;
  headers?: Record<string, string>;
  protocols?: string[];
}): Promise<KernelClient> => {
  const session = randomUUID();
  const address = `${where.url.replace(/^http/, 'ws')}?session_id=${session}`;
  const socket = new WebSocket(address, where.protocols ?? [], {
    headers: where.headers ?? {},
    perMessageDeflate: false,
  });
  await once(socket, 'open');
  const waiting = new Map<string, { left: Set<string>; resolve: () => void }>();
  socket.on('message', (data) => {
    const message = JSON.parse(String(data)) as Message;
    const entry = waiting.get(message.parent_header.msg_id ?? '');
    if (!entry) return;
    if (message.header.msg_type === 'execute_reply') entry.left.delete('reply');
    if (message.content.execution_state === 'idle') entry.left.delete('idle');
    if (entry.left.size === 0) entry.resolve();
  });
  return {
    execute: async (code) => {
      const id = randomUUID();
      const done = new Promise<void>((resolve) => waiting.set(id, { left: new Set(['reply', 'idle']), resolve }));
      const content = {
        code,
        silent: false,
        store_history: true,
        user_expressions: {},
        allow_stdin: false,
        stop_on_error: true,
      };
      const header = {
        msg_id: id,
        msg_type: 'execute_request',
        username: '',
        session,
        date: new Date().toISOString(),
        version: '5.3',
      };
      socket.send(JSON.stringify({ header, parent_header: {}, metadata: {}, content, channel: 'shell', buffers: [] }));
      await done;
      waiting.delete(id);
    },
    close: () => socket.terminate(),
  };
};
