import type { ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';

import { HEADERS, PROBLEM_CONTENT_TYPE } from '../../sdk/contract/index.ts';
import { toProblem, type HubError } from '../errors.ts';

/** An error as status, headers and body: problem JSON, whoever asks. */
const problemAnswer = (error: HubError, headers: Readonly<Record<string, string>>) => {
  const problem = toProblem(error);
  const body = JSON.stringify(problem);
  return {
    status: problem.status,
    body,
    headers: {
      ...headers,
      ...(error.retryAfterMs === undefined
        ? {}
        : { [HEADERS.retryAfter]: String(Math.ceil(error.retryAfterMs / 1000)) }),
      'content-type': PROBLEM_CONTENT_TYPE,
      'content-length': String(Buffer.byteLength(body)),
      'cache-control': 'no-store',
      'content-security-policy': "default-src 'none'; frame-ancestors 'none'; sandbox",
      'referrer-policy': 'no-referrer',
      'x-content-type-options': 'nosniff',
    },
  };
};

/** Answers a request with an error; cuts the answer when it has already begun. */
export const answerProblem = (
  response: ServerResponse,
  error: HubError,
  headers: Readonly<Record<string, string>> = {},
): void => {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const answer = problemAnswer(error, headers);
  response.writeHead(answer.status, answer.headers).end(answer.body);
};

/** Answers an upgrade with an error and closes the socket. */
export const answerUpgradeProblem = (
  socket: Duplex,
  error: HubError,
  headers: Readonly<Record<string, string>> = {},
): void => {
  const answer = problemAnswer(error, headers);
  answerUpgrade(socket, answer.status, error.code, answer.headers, answer.body);
};

/** Writes a whole answer to a socket that asked for an upgrade, then closes it. */
export const answerUpgrade = (
  socket: Duplex,
  status: number,
  reason: string,
  headers: Readonly<Record<string, string>>,
  body = '',
): void => {
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const lines = Object.entries({ ...headers, connection: 'close' }).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.once('finish', () => socket.destroy());
  socket.end(`HTTP/1.1 ${status} ${reason}\r\n${lines.join('')}\r\n${body}`);
};
