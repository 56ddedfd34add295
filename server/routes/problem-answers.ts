import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { HEADERS } from '../../sdk/contract/index.ts';
import { HubError, PROBLEM_CONTENT_TYPE, toHubError, toProblem } from '../errors.ts';
import { loggedPath } from '../log.ts';
import type { App } from './route-parts.ts';

/** Answers with an error as problem JSON. */
export const sendProblem = (reply: FastifyReply, error: HubError): FastifyReply => {
  const problem = toProblem(error);
  if (problem.retryAfterMs !== undefined)
    void reply.header(HEADERS.retryAfter, String(Math.max(1, Math.ceil(problem.retryAfterMs / 1_000))));
  return reply
    .status(problem.status)
    .type(PROBLEM_CONTENT_TYPE)
    .header('cache-control', 'no-store')
    .serializer(JSON.stringify)
    .send(problem);
};

const isFrameworkError = (error: unknown): error is FastifyError =>
  error instanceof Error && 'statusCode' in error && typeof error.statusCode === 'number';

/** What the framework refuses (a body too large, malformed or not as the schema says) is a bad request of ours. */
const fromFramework = (error: FastifyError): HubError => {
  const { statusCode = 500 } = error;
  if (statusCode === 413) return new HubError('bad_spec', 'The body is too large; 64 KiB are allowed.');
  if (statusCode === 415) return new HubError('bad_spec', 'The body must be JSON; send content-type application/json.');
  // What file servers forbid, such as a way out of their folder, is not there.
  if (statusCode === 403 || statusCode === 404)
    return new HubError('not_found', 'There is no such file; the hub’s pages begin at /.');
  if (statusCode < 500) return new HubError('bad_spec', `${error.message.replace(/\.$/, '')}.`);
  return toHubError(error);
};

/** Answers for everything that goes wrong: problem JSON, never a stack. */
export const registerProblemAnswers = (app: App): void => {
  app.setErrorHandler((error: unknown, request: FastifyRequest, reply: FastifyReply) => {
    const known = isFrameworkError(error) ? fromFramework(error) : toHubError(error);
    if (known.code === 'internal')
      request.log.error({ err: known.cause ?? known, path: loggedPath(request.url) }, 'a request failed');
    return sendProblem(reply, known);
  });
  app.setNotFoundHandler((request, reply) =>
    sendProblem(
      reply,
      new HubError('not_found', `There is nothing at ${loggedPath(request.url)}; the hub’s pages begin at /.`),
    ),
  );
};
