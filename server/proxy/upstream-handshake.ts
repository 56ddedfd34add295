import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';

import { HubError } from '../errors.ts';
import type { Upstream } from '../spawners/spawner.ts';

/** The head of an upstream's answer to an upgrade, and what came after it. */
export interface UpgradeAnswer {
  readonly status: number;
  /** Names in lower case; of a repeated one the first. */
  readonly headers: ReadonlyMap<string, string>;
  readonly rest: Buffer;
}

/** Opens a connection to a session's server; small frames leave at once. */
export const connectUpstream = ({ socketPath, origin }: Upstream): Socket => {
  if (socketPath !== undefined) return connectTcp({ path: socketPath });
  const url = new URL(origin ?? '');
  const port = Number(url.port || (url.protocol === 'https:' ? 443 : 80));
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const socket = url.protocol === 'https:' ? connectTls({ host, port, servername: host }) : connectTcp({ host, port });
  socket.setNoDelay(true);
  return socket;
};

const HEAD_END = Buffer.from('\r\n\r\n');
const STATUS_LINE = /^HTTP\/1\.1 ([1-5][0-9]{2})(?: |$)/;
const broken = (cause?: unknown): HubError =>
  new HubError('session_crashed', "The session's server broke off; try again, or launch again.", { cause });

const parseHead = (text: string): Omit<UpgradeAnswer, 'rest'> | undefined => {
  const [first, ...lines] = text.split('\r\n');
  const status = STATUS_LINE.exec(first ?? '')?.[1];
  if (status === undefined) return undefined;
  const headers = new Map<string, string>();
  for (const line of lines) {
    const colon = line.indexOf(':');
    if (colon < 1) return undefined;
    const name = line.slice(0, colon).toLowerCase();
    if (!headers.has(name)) headers.set(name, line.slice(colon + 1).trim());
  }
  return { status: Number(status), headers };
};

/**
 * Sends a handshake and reads the head of the answer; afterwards the socket is paused and bare of listeners.
 * Throws HubError `session_crashed` when the server breaks off or answers nonsense, `unhealthy` after `timeoutMs`,
 * and destroys the socket then. The signal ends the wait when the client left.
 */
export const upstreamHandshake = (
  socket: Socket,
  request: string,
  { timeoutMs, maxHeaderBytes, signal }: { timeoutMs: number; maxHeaderBytes: number; signal: AbortSignal },
): Promise<UpgradeAnswer> =>
  new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const settle = (): void => {
      clearTimeout(timer);
      socket.off('data', onData).off('error', onError).off('close', onError);
      signal.removeEventListener('abort', onAbort);
    };
    const fail = (error: unknown): void => {
      settle();
      socket.on('error', () => undefined).destroy();
      reject(error);
    };
    const onError = (cause?: unknown): void => fail(broken(cause));
    const onAbort = (): void => fail(signal.reason);
    const onData = (chunk: Buffer): void => {
      chunks.push(chunk);
      size += chunk.length;
      const all = chunks.length === 1 ? chunk : Buffer.concat(chunks);
      const end = all.indexOf(HEAD_END);
      if (end < 0) {
        if (size > maxHeaderBytes) fail(broken());
        return;
      }
      const head = parseHead(all.toString('latin1', 0, end));
      if (!head) return fail(broken());
      socket.pause();
      settle();
      resolve({ ...head, rest: all.subarray(end + HEAD_END.length) });
    };
    const timer = setTimeout(
      () => fail(new HubError('unhealthy', "The session's server did not answer in time; try again, or launch again.")),
      timeoutMs,
    );
    socket.on('data', onData).on('error', onError).on('close', onError);
    signal.addEventListener('abort', onAbort);
    if (signal.aborted) onAbort();
    else socket.write(request, 'latin1');
  });
