import {
  comparePositions,
  encodeEvent,
  formatEventId,
  HEADERS,
  isLogPhase,
  parseEventId,
  positionOf,
  type EventPosition,
  type LaunchEvent,
} from '../../sdk/contract/index.ts';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { OutgoingHttpHeaders } from 'node:http';
import type { Addresses } from '../config/addresses.ts';
import type { LaunchRun } from '../launches/launch-run.ts';
import { EventChannel } from '../sse/event-channel.ts';
import type { EventStreams } from '../sse/event-streams.ts';
import { formatEvent, formatOpening, SSE_HEADERS } from '../sse/sse-format.ts';
import { toBinderHub } from './binderhub-events.ts';

/** The headers set so far, for an answer that is written past the framework. */
export const headersOf = (reply: FastifyReply): OutgoingHttpHeaders => reply.getHeaders() as OutgoingHttpHeaders;

/** The protocol of a stream; on BinderHub's the launch token stands in the ids. */
type StreamKind =
  | { readonly kind: 'native' }
  | { readonly kind: 'binderhub'; readonly token: string; readonly origin: string | undefined };

export interface LaunchStreams {
  /** Answers with a launch's events after what the client has seen. */
  open(request: FastifyRequest, reply: FastifyReply, run: LaunchRun, stream: StreamKind, after: EventPosition): void;
}

/** BinderHub's clients take the end of a stream for an error until they have closed it themselves. */
const BINDERHUB_LINGER_MS = 1_000;

/** Reads the id that a client presents; undefined when it presents none that a hub wrote. */
export const presentedId = (request: FastifyRequest) => {
  const header = request.headers[HEADERS.lastEventId];
  return typeof header === 'string' ? parseEventId(header) : undefined;
};

/** Whether an event goes out to a client that has seen everything up to `after`. Phases without lines may be told again. */
export const isAfter = (event: LaunchEvent, after: EventPosition): boolean => {
  const order = comparePositions(positionOf(event), after);
  return order > 0 || (order === 0 && !isLogPhase(event.phase));
};

interface Channels {
  native?: EventChannel<LaunchEvent>;
  binderhub?: EventChannel<LaunchEvent>;
}

export const createLaunchStreams = (
  streams: EventStreams,
  addresses: Pick<Addresses, 'hub' | 'sessionHostSuffix'>,
): LaunchStreams => {
  const channels = new WeakMap<LaunchRun, Channels>();

  const channelOf = (run: LaunchRun, stream: StreamKind): EventChannel<LaunchEvent> => {
    const ofRun = channels.get(run) ?? {};
    channels.set(run, ofRun);
    const { feed } = run;
    const urgent = (event: LaunchEvent) => !isLogPhase(event.phase);
    ofRun[stream.kind] ??=
      stream.kind === 'native'
        ? new EventChannel({
            feed,
            urgent,
            encode: (event) => formatEvent(formatEventId(run.id, positionOf(event)), encodeEvent(event)),
          })
        : new EventChannel({
            feed,
            urgent,
            encode: (event) =>
              formatEvent(
                formatEventId(stream.token, positionOf(event)),
                JSON.stringify(toBinderHub(event, { run, addresses, origin: stream.origin })),
              ),
          });
    return ofRun[stream.kind]!;
  };

  return {
    open: (request, reply, run, stream, after) => {
      const isNative = stream.kind === 'native';
      const leave = run.watch();
      try {
        streams.open({
          response: reply.raw,
          address: request.ip,
          channel: channelOf(run, stream),
          lacks: (event) => isAfter(event, after),
          headers: { ...headersOf(reply), ...SSE_HEADERS },
          opening: formatOpening(formatEventId(isNative ? run.id : stream.token, after)),
          lingerMs: isNative ? 0 : BINDERHUB_LINGER_MS,
          drains: !isNative,
          onClose: leave,
        });
      } catch (error) {
        leave();
        throw error;
      }
      reply.hijack();
    },
  };
};
