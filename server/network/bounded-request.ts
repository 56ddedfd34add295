import { Client, type Dispatcher } from 'undici';
import { HubError } from '../errors.ts';
import { pinnedLookup, type CheckedTarget } from './address-policy.ts';

interface BoundedRequest {
  readonly method: 'GET' | 'POST';
  /** Path and query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly maxBytes: number;
}

export interface BoundedAnswer {
  readonly status: number;
  readonly headers: Dispatcher.ResponseData['headers'];
  readonly body: Buffer;
}

/** Speaks to one checked host over one connection; every answer is bounded in bytes and by the signal. */
export interface HostConnection {
  /** Throws HubError `host_down` or `clone_limit`. */
  request(request: BoundedRequest, signal: AbortSignal): Promise<BoundedAnswer>;
  close(): Promise<void>;
}

/** Makes the connection; injected, so that a test can see what would be dialled. */
export type Connect = (target: CheckedTarget) => Pick<Client, 'request' | 'destroy'>;

const connectClient: Connect = (target) =>
  new Client(target.url.origin, {
    connect: { lookup: pinnedLookup(target), autoSelectFamily: true, timeout: 10_000 },
    pipelining: 1,
  });

/** Opens a connection that reaches the checked addresses and no others. Redirects are returned, never followed. */
export const openConnection = (target: CheckedTarget, connect: Connect = connectClient): HostConnection => {
  const client = connect(target);
  return {
    request: async ({ method, path, headers, body, maxBytes }, signal) => {
      try {
        const answer = await client.request({ method, path, headers, body: body ?? null, signal });
        const chunks: Buffer[] = [];
        let size = 0;
        for await (const chunk of answer.body as AsyncIterable<Buffer>) {
          size += chunk.length;
          if (size > maxBytes)
            throw new HubError(
              'clone_limit',
              `${target.host} sent more than ${maxBytes} bytes where a short answer was due.`,
            );
          chunks.push(chunk);
        }
        return { status: answer.statusCode, headers: answer.headers, body: Buffer.concat(chunks) };
      } catch (error) {
        if (error instanceof HubError || signal.aborted) throw error;
        throw new HubError('host_down', `${target.host} cannot be reached; trying again later may help.`, {
          cause: error,
        });
      }
    },
    close: () => client.destroy(),
  };
};
