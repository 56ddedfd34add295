import Type from 'typebox';
import {
  API,
  encodeEvent,
  formatEventId,
  positionOf,
  START_OF_STREAM,
  type LogEvent,
} from '../../sdk/contract/index.ts';
import { HubError } from '../errors.ts';
import { EventChannel } from '../sse/event-channel.ts';
import type { EventFeed } from '../sse/event-feed.ts';
import { formatEvent, formatOpening, SSE_HEADERS } from '../sse/sse-format.ts';
import { headersOf, isAfter, presentedId } from './launch-streams.ts';
import type { App, RouteParts } from './route-parts.ts';

const KEY = /^[a-z2-7]{20,64}$/;
const LOG_DEADLINE_MS = 30_000;
const Params = Type.Object({ key: Type.String() });
const LogQuery = Type.Object({
  phase: Type.Optional(Type.Union([Type.Literal('building'), Type.Literal('pushing')])),
  from: Type.Optional(Type.Integer({ minimum: 1, description: 'The first line that is wanted, counted from 1.' })),
});

interface Channels {
  sse?: EventChannel<LogEvent>;
  text?: EventChannel<LogEvent>;
}

const pathOf = (make: (key: string) => string): string => make('\0').replace('%00', ':key');

/** Whether an environment is built, and its whole log. A key is a capability: it cannot be had without knowing all that is installed. */
export const registerEnvironmentRoutes = (app: App, { builder, buildLogs, streams }: RouteParts): void => {
  const statusOf = async (key: string) => {
    const status = KEY.test(key) ? await builder.status(key) : { state: 'absent' as const };
    if (status.state === 'absent')
      throw new HubError(
        'not_found',
        'There is no environment of that key; it was never built here, or it was removed.',
      );
    return status;
  };

  const channels = new WeakMap<EventFeed<LogEvent>, Channels>();

  /** One channel for all readers of a log in one form. */
  const channelOf = (feed: EventFeed<LogEvent>, key: string, form: keyof Channels): EventChannel<LogEvent> => {
    const ofFeed = channels.get(feed) ?? {};
    channels.set(feed, ofFeed);
    ofFeed[form] ??= new EventChannel<LogEvent>({
      feed,
      encode:
        form === 'sse'
          ? (event) => formatEvent(formatEventId(key, positionOf(event)), encodeEvent(event))
          : ({ message }) => `${message}\n`,
    });
    return ofFeed[form];
  };

  app.get(
    pathOf(API.environment),
    {
      schema: {
        summary: 'Whether an environment is built',
        params: Params,
        response: {
          200: Type.Object({
            key: Type.String(),
            state: Type.Union([Type.Literal('running'), Type.Literal('built'), Type.Literal('failed')]),
            generation: Type.String(),
            error: Type.Optional(Type.Object({ code: Type.String(), message: Type.String() })),
          }),
        },
      },
    },
    async (request) => {
      const { key } = request.params;
      const status = await statusOf(key);
      const { state, generation } = status;
      const error =
        status.state === 'failed' ? { error: { code: status.error.code, message: status.error.message } } : {};
      return { key, state, generation, ...error };
    },
  );

  app.get(
    pathOf(API.environmentLog),
    {
      schema: {
        summary:
          'The log of an environment’s build, as plain lines, or as server-sent events where Accept asks for them',
        params: Params,
        querystring: LogQuery,
      },
    },
    async (request, reply) => {
      const { key } = request.params;
      const { phase = 'building', from = 1 } = request.query;
      const status = await statusOf(key);
      const sse = (request.headers.accept ?? '').includes('text/event-stream');
      const presented = presentedId(request);
      const asked = { rank: positionOf({ phase, line: from, message: '' }).rank, line: from - 1 };
      const after = presented?.launch === key ? presented.position : asked;
      const log = buildLogs.open(key, status.generation);
      try {
        if (status.state !== 'running' && presented?.launch === key) {
          // A client that has the whole of a finished log must not come again and again.
          await log.feed.forEach(() => undefined, AbortSignal.timeout(LOG_DEADLINE_MS));
          const last = log.feed.items.at(-1);
          if (last === undefined || !isAfter(last, after)) {
            log.release();
            return reply.status(204).send();
          }
        }
        streams.open<LogEvent>({
          response: reply.raw,
          address: request.ip,
          channel: channelOf(log.feed, key, sse ? 'sse' : 'text'),
          lacks: (event) => isAfter(event, after),
          headers: {
            ...headersOf(reply),
            ...SSE_HEADERS,
            ...(sse ? {} : { 'content-type': 'text/plain; charset=utf-8' }),
          },
          opening: sse ? formatOpening(formatEventId(key, after.line === 0 ? START_OF_STREAM : after)) : '',
          sse,
          onClose: log.release,
        });
      } catch (error) {
        log.release();
        throw error;
      }
      reply.hijack();
      return reply;
    },
  );
};
