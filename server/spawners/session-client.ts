import { request as httpRequest } from 'node:http';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { CONTENT_PATH, isErrorCode, PRIVATE_PATH, sessionPath } from '../../sdk/contract/index.ts';
import { HubError } from '../errors.ts';
import type { Upstream } from './spawner.ts';

/** A session's server: by the path of a socket on this machine, or by an origin elsewhere. */
export interface SessionAddress extends Upstream {
  readonly name: string;
}

interface Answer {
  readonly status: number;
  readonly text: string;
}

const MAX_ANSWER_BYTES = 2 ** 20;

const placeOf = ({ socketPath, origin }: SessionAddress) => {
  if (origin === undefined) return { socketPath };
  const { hostname, port } = new URL(origin);
  return { host: hostname.replace(/^\[|\]$/g, ''), port: port === '' ? 80 : Number(port) };
};

const ask = async (
  address: SessionAddress,
  method: string,
  path: string,
  signal: AbortSignal,
  body?: string | Readable,
): Promise<Answer> => {
  const request = httpRequest({
    ...placeOf(address),
    method,
    path: `${sessionPath(address.name)}${path}`,
    headers: { host: 'localhost', authorization: `token ${address.token}` },
    agent: false,
    signal,
  });
  const answered = new Promise<Answer>((resolve, reject) => {
    request.once('error', reject);
    request.once('response', (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (part: string) => {
        text += part;
        if (text.length > MAX_ANSWER_BYTES) response.destroy(new Error('The session answered with too much.'));
      });
      response.once('error', reject);
      response.once('end', () => resolve({ status: response.statusCode ?? 0, text }));
    });
  });
  answered.catch(() => undefined);
  if (body === undefined || typeof body === 'string') request.end(body);
  else
    await pipeline(body, request, { signal }).catch(async (error: unknown) => {
      // The content's own failure says more than the socket's; the server's early answer more than a broken pipe.
      if (error instanceof HubError) throw error;
      if ((error as NodeJS.ErrnoException).code !== 'EPIPE' && (error as NodeJS.ErrnoException).code !== 'ECONNRESET')
        throw error;
    });
  return answered;
};

const parse = (text: string): Record<string, unknown> => {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
};

const refuse = (what: string, answer: Answer): HubError => {
  const { code, message } = parse(answer.text);
  return isErrorCode(code) && typeof message === 'string'
    ? new HubError(code, message)
    : new HubError('session_crashed', `The session's server answered ${answer.status} when ${what}; start again.`);
};

/** Whether the server answers and takes its token. Rejects where it cannot be reached. */
export const askStatus = async (address: SessionAddress, signal: AbortSignal): Promise<boolean> =>
  (await ask(address, 'GET', 'api/status', signal)).status === 200;

/**
 * Replaces the session's files; returns sentences about what was left out. The folder of `path` stays, since the kernel stands in it.
 * With a launch's id the files of that launch are put in once, whichever hub asks again.
 */
export const putContent = async (
  address: SessionAddress,
  content: Readable,
  path: string,
  signal: AbortSignal,
  launchId = '',
): Promise<readonly string[]> => {
  const query = new URLSearchParams({ path, launch: launchId });
  const answer = await ask(address, 'PUT', `${CONTENT_PATH}?${query}`, signal, content);
  if (answer.status !== 200) throw refuse('the content was put into it', answer);
  const { notices } = parse(answer.text);
  return Array.isArray(notices) ? notices.map(String) : [];
};

/** Which interpreter a kernel runs in, and how it is called. */
export interface KernelInterpreter {
  /** The folder of the environment. */
  readonly prefix: string;
  readonly python: string;
  readonly displayName: string;
}

export interface StartKernelOptions {
  /** Path of the notebook; empty for the default one. */
  readonly path: string;
  /** Which environment, and which generation of it: a kernel of another one is ended first. */
  readonly environment: string;
  readonly variables: Readonly<Record<string, string>>;
  /** Where the server was started without knowing it. */
  readonly kernel?: KernelInterpreter;
  /** Whether to wait until the kernel answers. */
  readonly warm: boolean;
}

/** Starts the launch's kernel, or finds it; returns the kernel's id and the name of its kernelspec. */
export const startKernel = async (
  address: SessionAddress,
  options: StartKernelOptions,
  signal: AbortSignal,
): Promise<{ id: string; name: string }> => {
  const answer = await ask(address, 'POST', `${PRIVATE_PATH}kernel`, signal, JSON.stringify(options));
  const { id, name } = parse(answer.text);
  if (answer.status !== 200 || typeof id !== 'string' || typeof name !== 'string')
    throw refuse('its kernel was started', answer);
  return { id, name };
};
