import type { FastifyReply, FastifyRequest } from 'fastify';
import { PROBES } from '../../sdk/contract/index.ts';
import { HubError } from '../errors.ts';
import type { OriginPolicy } from '../proxy/origins.ts';
import { sendProblem } from './problem-answers.ts';
import type { App } from './route-parts.ts';

const SECURITY_HEADERS: Readonly<Record<string, string>> = {
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'; sandbox",
  'cross-origin-resource-policy': 'cross-origin',
  'cache-control': 'no-store',
};

/** Set on a route whose answers anybody may read: the widget's files, badges. */
export const PUBLIC_FILES = { publicFiles: true } as const;

declare module 'fastify' {
  interface FastifyContextConfig {
    publicFiles?: boolean;
  }
}

const PROBE_PATHS: readonly string[] = Object.values(PROBES);

/** An element of a foreign page (an image, a script) that asks without saying where it comes from. */
const isForeignElement = ({ headers }: FastifyRequest): boolean =>
  headers['sec-fetch-mode'] === 'no-cors' &&
  !['same-origin', 'none', undefined].includes(headers['sec-fetch-site'] as string);

const isPreflight = ({ method, headers }: FastifyRequest): boolean =>
  method === 'OPTIONS' && headers['access-control-request-method'] !== undefined;

/**
 * Checks Host and Origin of every request by exact lists, answers preflights and sets the headers of every answer.
 * Pages and files loosen the headers that they need otherwise. Paths of `anyHost` and the probes are answered whatever the host.
 */
export const registerGuards = (app: App, policy: OriginPolicy, anyHost: readonly string[] = []): void => {
  const answered = [...PROBE_PATHS, ...anyHost];
  app.addHook('onRequest', async (request: FastifyRequest, reply: FastifyReply) => {
    void reply.headers(SECURITY_HEADERS);
    const { host, origin } = request.headers;
    const verdict = policy.check({ host, origin });
    if (!verdict.hostAllowed && !answered.includes(request.url))
      return sendProblem(
        reply,
        new HubError(
          'not_allowed',
          `This hub does not answer to the host ${JSON.stringify((host ?? '').slice(0, 80))}; use its own address, or name that one as "publicUrl" in its configuration.`,
        ),
      );
    if (request.routeOptions.config.publicFiles === true) {
      void reply.headers({ 'access-control-allow-origin': '*', 'access-control-max-age': '600' });
      return isPreflight(request) ? reply.status(204).send() : undefined;
    }
    void reply.headers(verdict.headers);
    if (verdict.origin === 'refused' || isForeignElement(request))
      return sendProblem(
        reply,
        new HubError(
          'not_allowed',
          `Pages of ${origin ?? 'other sites'} may not use this hub; its owner can add the origin to "origins" in its configuration.`,
        ),
      );
    if (isPreflight(request)) return reply.headers(verdict.preflight).status(204).send();
    return undefined;
  });
};
