import { randomUUID } from 'node:crypto';

import type { WebSocket } from 'ws';

interface KernelMessage {
  readonly channel: string;
  readonly header: { readonly msg_id: string; readonly msg_type: string };
  readonly parent_header: { readonly msg_id?: string };
  readonly content: { readonly data?: Readonly<Record<string, string>>; readonly execution_state?: string };
}

export const V1_PROTOCOL = 'v1.kernel.websocket.jupyter.org';

/** A message in the binary layout of `v1.kernel.websocket.jupyter.org`: offsets, then channel and the four JSON parts. */
const encodeV1 = (channel: string, parts: readonly object[]): Buffer => {
  const blobs = [Buffer.from(channel), ...parts.map((part) => Buffer.from(JSON.stringify(part)))];
  const table = Buffer.alloc(8 * (blobs.length + 2));
  table.writeBigUInt64LE(BigInt(blobs.length + 1), 0);
  let offset = table.length;
  for (const [index, blob] of blobs.entries()) {
    table.writeBigUInt64LE(BigInt(offset), 8 * (index + 1));
    offset += blob.length;
  }
  table.writeBigUInt64LE(BigInt(offset), 8 * (blobs.length + 1));
  return Buffer.concat([table, ...blobs]);
};

const decodeV1 = (data: Buffer): KernelMessage => {
  const offset = (index: number): number => Number(data.readBigUInt64LE(8 * (index + 1)));
  const part = (index: number): string => data.toString('utf8', offset(index), offset(index + 1));
  const json = (index: number) => JSON.parse(part(index)) as never;
  return { channel: part(0), header: json(1), parent_header: json(2), content: json(4) };
};

/** Runs code over an open kernel socket of either protocol; resolves with the text of its result once the kernel is idle. */
export const runCode = (socket: WebSocket, code: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const id = randomUUID();
    const binary = socket.protocol === V1_PROTOCOL;
    let result = '';
    let replied = false;
    let idle = false;
    const onMessage = (data: Buffer): void => {
      const message = binary ? decodeV1(data) : (JSON.parse(data.toString()) as KernelMessage);
      if (message.parent_header.msg_id !== id) return;
      const { msg_type } = message.header;
      if (msg_type === 'execute_result') result = message.content.data?.['text/plain'] ?? '';
      if (msg_type === 'execute_reply') replied = true;
      if (msg_type === 'status' && message.content.execution_state === 'idle') idle = true;
      if (!replied || !idle) return;
      socket.off('message', onMessage).off('close', onClose);
      resolve(result);
    };
    const onClose = (): void => reject(new Error('the socket closed before the kernel was idle'));
    socket.on('message', onMessage).once('close', onClose);
    const header = { msg_id: id, username: 'u', session: 's', msg_type: 'execute_request', version: '5.3', date: '' };
    const content = { code, silent: false, store_history: false, user_expressions: {}, allow_stdin: false };
    socket.send(
      binary
        ? encodeV1('shell', [header, {}, {}, content])
        : JSON.stringify({ channel: 'shell', header, parent_header: {}, metadata: {}, content }),
    );
  });

/** Resolves when the socket is open; rejects when it is refused. */
export const opened = (socket: WebSocket): Promise<WebSocket> =>
  new Promise((resolve, reject) => socket.once('open', () => resolve(socket)).once('error', reject));
