import type { FastifyReply, FastifyRequest } from 'fastify';
import { BINDERHUB, ERRORS, formatEventId, RANKS, START_OF_STREAM } from '../../sdk/contract/index.ts';
import { HubError, toFailedEvent, toHubError } from '../errors.ts';
import { checkRequest, fingerprintOf } from '../launches/check-request.ts';
import { EventChannel } from '../sse/event-channel.ts';
import { EventFeed } from '../sse/event-feed.ts';
import { formatEvent, formatOpening, SSE_HEADERS } from '../sse/sse-format.ts';
import { headersOf, presentedId } from './launch-streams.ts';
import { loggedPath } from '../log.ts';
import type { App, RouteParts } from './route-parts.ts';

const LAUNCH_TOKEN = /^[A-Za-z0-9_-]{22,64}$/;
const LINGER_MS = 1_000;
const PREFIX = BINDERHUB.build('');

/** The spec as it stands in the address: still encoded, so that `%2F` in an address of a repository survives. */
export const rawSpec = (url: string, prefix: string): string =>
  url.split(/[?#]/, 1)[0]!.slice(prefix.length).replace(/\/+$/, '');

const acceptsStream = (accept: string | undefined): boolean =>
  accept === undefined ||
  accept.split(/[,;]/).some((type) => ['text/event-stream', 'text/*', '*/*', ''].includes(type.trim().toLowerCase()));

/** BinderHub's stream: launches what the address names, tells how it goes, and resumes where our ids are presented. */
export const registerBinderHubBuild = (app: App, parts: RouteParts): void => {
  const { launcher, launchTokens, launchStreams, streams } = parts;

  /** Old clients expect errors as an event in a stream; its id lets an EventSource learn that nothing will follow. */
  const sendFailure = (request: FastifyRequest, reply: FastifyReply, error: HubError, token: string): FastifyReply => {
    if (error.code === 'internal')
      request.log.error({ err: error.cause ?? error, path: loggedPath(request.url) }, 'a request failed');
    const event = toFailedEvent(error);
    const data = { ...event, message: `${event.message}\n`, status_code: ERRORS[event.code].status ?? 500 };
    const id = formatEventId(token, { rank: RANKS.failed, line: 0 });
    const text = formatOpening(formatEventId(token, START_OF_STREAM)) + formatEvent(id, JSON.stringify(data));
    const feed = new EventFeed<string>();
    feed.append(text);
    feed.end();
    try {
      streams.open({
        response: reply.raw,
        address: request.ip,
        channel: new EventChannel<string>({ feed, encode: (item) => item }),
        lacks: () => true,
        headers: { ...headersOf(reply), ...SSE_HEADERS },
        opening: '',
        lingerMs: LINGER_MS,
      });
    } catch {
      // No stream is left for it; one that says so at once and ends still reaches the client.
      reply.raw.writeHead(200, { ...headersOf(reply), ...SSE_HEADERS }).end(text);
    }
    return reply.hijack();
  };

  const answer = async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const text = rawSpec(request.originalUrl, PREFIX);
    const presented = presentedId(request);
    const known = presented !== undefined && LAUNCH_TOKEN.test(presented.launch) ? presented : undefined;
    if (known?.position.rank === RANKS.ready) return reply.status(204).send();
    let token = known?.launch ?? launchTokens.mint();
    try {
      if (!acceptsStream(request.headers.accept))
        throw new HubError(
          'bad_spec',
          `This address answers with text/event-stream; "Accept" asks for ${JSON.stringify(request.headers.accept?.slice(0, 80))}.`,
        );
      const query = new URLSearchParams(request.originalUrl.split('?')[1] ?? '');
      if (query.get('build_only')?.toLowerCase() === 'true')
        throw new HubError('bad_spec', 'This hub launches what it builds; leave build_only away.');
      const checked = checkRequest({ spec: text });
      let after = known?.position ?? START_OF_STREAM;
      const id = launchTokens.idOf(token);
      const met = known === undefined ? undefined : await launcher.find(id);
      if (met !== undefined && fingerprintOf(met.request) !== fingerprintOf(checked)) {
        // The id is another launch's, so what is asked for begins anew.
        token = launchTokens.mint();
        after = START_OF_STREAM;
      }
      const { run } = await launcher.launch(launchTokens.idOf(token), checked, known !== undefined);
      const { origin } = request.headers;
      launchStreams.open(request, reply, run, { kind: 'binderhub', token, origin }, after);
      return reply;
    } catch (error) {
      return sendFailure(request, reply, toHubError(error), token);
    }
  };

  app.get(`${PREFIX}*`, { schema: { summary: 'BinderHub’s build and launch stream' } }, answer);
};
