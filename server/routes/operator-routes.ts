import { API, PROBES } from '../../sdk/contract/index.ts';
import { HubError } from '../errors.ts';
import { describeApi, type DescribedRoute } from './openapi.ts';
import { sendProblem } from './problem-answers.ts';
import type { App, RouteParts } from './route-parts.ts';

/** Probes, and the description of the API; registered first, so that it sees every other route. */
export const registerOperatorRoutes = (app: App, { hindrance, version }: RouteParts): void => {
  const routes: DescribedRoute[] = [];
  app.addHook('onRoute', ({ method, url, schema }) => {
    if (schema !== undefined && method !== 'HEAD') routes.push({ method: String(method), url, schema });
  });

  app.get(PROBES.live, async () => ({ ok: true }));
  app.get(PROBES.ready, async (_request, reply) => {
    const why = hindrance();
    if (why === undefined) return { ok: true };
    return sendProblem(reply, new HubError('capacity', why, { retryAfterMs: 2_000 }));
  });
  app.get(API.openapi, async (_request, reply) =>
    reply.serializer(JSON.stringify).type('application/json').send(describeApi(routes, version)),
  );
};
