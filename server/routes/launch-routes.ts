import Type from 'typebox';
import {
  API,
  HEADERS,
  PHASES,
  RANKS,
  START_OF_STREAM,
  type LaunchCreated,
  type Phase,
} from '../../sdk/contract/index.ts';
import type { FastifyRequest } from 'fastify';
import { HubError } from '../errors.ts';
import { checkRequest, fingerprintOf } from '../launches/check-request.ts';
import type { LaunchRun } from '../launches/launch-run.ts';
import { presentedId } from './launch-streams.ts';
import type { App, RouteParts } from './route-parts.ts';

const LaunchBody = Type.Object(
  {
    spec: Type.String({ description: '<provider>/<spec>/<ref>', maxLength: 4_096 }),
    kernel: Type.Optional(Type.String({ description: 'The kernel to start; "none" starts none.', default: 'python3' })),
    path: Type.Optional(Type.String({ description: 'The notebook whose folder the kernel works in.' })),
    profile: Type.Optional(Type.String({ description: 'A named size of session.' })),
  },
  { additionalProperties: false },
);

const State = Type.Object({
  id: Type.String(),
  spec: Type.String(),
  phase: Type.Unsafe<Phase>({ type: 'string', enum: PHASES }),
  resolvedRef: Type.Optional(Type.String()),
  environment: Type.Optional(Type.String()),
  session: Type.Optional(Type.String()),
  position: Type.Optional(Type.Integer()),
  error: Type.Optional(Type.Object({ code: Type.String(), message: Type.String() })),
  createdAt: Type.Number(),
  expiresAt: Type.Optional(Type.Number()),
});

const Created = Type.Object({ id: Type.String(), token: Type.String(), state: State });
const Params = Type.Object({ id: Type.String() });
const Idempotency = Type.Object({
  [HEADERS.idempotencyKey]: Type.Optional(Type.String({ minLength: 1, maxLength: 256 })),
});

const bearerOf = (request: FastifyRequest): string | undefined =>
  /^Bearer ([A-Za-z0-9_-]{16,128})$/i.exec(request.headers.authorization ?? '')?.[1];

const pathOf = (make: (id: string) => string): string => make('\0').replace('%00', ':id');

/** The native API: a launch as a resource. */
export const registerLaunchRoutes = (app: App, parts: RouteParts): void => {
  const { launcher, launchTokens, launchStreams } = parts;

  const authorize = (request: FastifyRequest, id: string): void => {
    const token = bearerOf(request);
    if (token === undefined || launchTokens.idOf(token) !== id)
      throw new HubError(
        'unauthorized',
        'The launch token is missing or belongs to another launch; send it as "Authorization: Bearer <token>".',
      );
  };
  const required = (run: LaunchRun | undefined): LaunchRun => {
    if (run === undefined)
      throw new HubError(
        'not_found',
        'There is no such launch; it has ended, or the hub was started anew. Run it again.',
      );
    return run;
  };

  app.post(
    API.launches,
    {
      schema: {
        summary: 'Launch a repository, or meet the launch that an Idempotency-Key began',
        body: LaunchBody,
        headers: Idempotency,
        response: { 200: Created, 201: Created },
      },
    },
    async (request, reply) => {
      const checked = checkRequest(request.body);
      const key = request.headers[HEADERS.idempotencyKey];
      const token = typeof key === 'string' ? launchTokens.derive(key, fingerprintOf(checked)) : launchTokens.mint();
      const id = launchTokens.idOf(token);
      const { run, created } = await launcher.launch(id, checked, key !== undefined);
      const answer: LaunchCreated = { id, token, state: run.state() };
      return reply.status(created ? 201 : 200).send(answer);
    },
  );

  app.get(
    pathOf(API.launch),
    { schema: { summary: 'How a launch stands', params: Params, response: { 200: State } } },
    async (request) => {
      const { id } = request.params;
      authorize(request, id);
      return required(await launcher.find(id)).state();
    },
  );

  app.get(
    pathOf(API.launchEvents),
    { schema: { summary: 'A launch’s events as server-sent events; resumes after Last-Event-ID', params: Params } },
    async (request, reply) => {
      const { id } = request.params;
      authorize(request, id);
      const presented = presentedId(request);
      const after = presented?.launch === id ? presented.position : START_OF_STREAM;
      if (after.rank === RANKS.ready) return reply.status(204).send();
      launchStreams.open(request, reply, required(await launcher.find(id)), { kind: 'native' }, after);
      return reply;
    },
  );

  app.delete(
    pathOf(API.launch),
    { schema: { summary: 'Stop a launch and its session', params: Params } },
    async (request, reply) => {
      const { id } = request.params;
      authorize(request, id);
      if (!(await launcher.cancel(id))) required(undefined);
      return reply.status(204).send();
    },
  );

  app.post(
    pathOf(API.launchKeepAlive),
    {
      schema: {
        summary: 'Count as activity',
        params: Params,
        response: { 200: Type.Object({ expiresAt: Type.Number() }) },
      },
    },
    async (request) => {
      const { id } = request.params;
      authorize(request, id);
      return launcher.keepAlive(id);
    },
  );
};
