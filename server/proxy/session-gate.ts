import type { IncomingMessage } from 'node:http';

import { ERRORS } from '../../sdk/contract/index.ts';
import type { Clock } from '../clock.ts';
import { HubError } from '../errors.ts';
import type { SessionTokens } from '../sessions/session-tokens.ts';
import type { SessionRecord, Spawner, Upstream } from '../spawners/spawner.ts';
import type { OriginPolicy } from './origins.ts';
import { routeOf, type ProxyRoute, type RouteRefusal } from './route.ts';
import { authenticate } from './session-auth.ts';
import { isNavigation, type Place, type SessionOrigins } from './session-origin.ts';

type Headers = Readonly<Record<string, string>>;

/** What to do with a request, HTTP or upgrade alike. `headers` go on every answer. */
export type Admission =
  | {
      readonly kind: 'proxy';
      readonly route: ProxyRoute;
      readonly place: Place;
      readonly upstream: Upstream;
      readonly headers: Headers;
    }
  | { readonly kind: 'preflight'; readonly headers: Headers }
  | { readonly kind: 'redirect'; readonly location: string; readonly headers: Headers }
  | { readonly kind: 'refuse'; readonly error: HubError; readonly headers: Headers };

export interface SessionGate {
  /** Decides on a request before a byte of it reaches a session. */
  admit(request: IncomingMessage, isUpgrade: boolean): Promise<Admission>;
  /** Drops what is remembered of a session. */
  forget(session: string): void;
}

export interface SessionGateOptions {
  readonly spawner: Pick<Spawner, 'get' | 'upstream'>;
  readonly tokens: SessionTokens;
  readonly policy: OriginPolicy;
  readonly origins: SessionOrigins;
  readonly clock: Clock;
  /** How long a record's generation is believed; default 1 s. A stopped session is refused at once all the same. */
  readonly recordTtlMs?: number;
}

const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);

const REFUSALS: Readonly<Record<RouteRefusal, () => HubError>> = {
  too_long: () => new HubError('policy', 'This address is longer than 8192 characters; shorten it.'),
  malformed: () =>
    new HubError('policy', 'This address holds characters that must be percent-encoded as UTF-8; encode them.'),
  outside: () =>
    new HubError('policy', 'This path could leave its session; use a plain one without "..", "//" or "%2F".'),
  private: () => new HubError('policy', 'This path belongs to the hub alone.'),
  not_a_session: () =>
    new HubError('not_found', 'There is no session here; addresses of sessions begin with /user/<session>/.'),
};

const CREDENTIAL_ERRORS = {
  unauthorized: 'The token is missing or is not one of this session; launch again to get a new session.',
  expired: 'The session of this token has reached its greatest age; launch again to get a new one.',
} as const;

const gone = (): HubError =>
  new HubError('session_lost', 'This session has ended: it was stopped, or nobody used it for a while. Launch again.');

/** Why a session that has no server cannot be reached. */
const whyUnreachable = (record: SessionRecord): HubError => {
  if (record.state === 'failed')
    return record.error ? new HubError(record.error.code, record.error.message, record.error) : gone();
  return record.state === 'ready'
    ? new HubError('session_lost', "This session's server is gone; launch again to get a new one.")
    : new HubError('unhealthy', "This session's server is still starting; try again in a moment.", {
        retryAfterMs: 1000,
      });
};

/** An error as the proxy answers it: a code without a status of its own would be a bug here. */
const withStatus = (error: HubError): HubError =>
  ERRORS[error.code].status === undefined ? new HubError('session_lost', error.message) : error;

export const createSessionGate = (options: SessionGateOptions): SessionGate => {
  const { spawner, tokens, policy, origins, clock, recordTtlMs = 1000 } = options;
  const records = new Map<string, { record: SessionRecord; readAt: number }>();

  const recordOf = async (session: string): Promise<SessionRecord | undefined> => {
    const known = records.get(session);
    if (known && clock.monotonic() - known.readAt < recordTtlMs) return known.record;
    const record = await spawner.get(session);
    if (record) records.set(session, { record, readAt: clock.monotonic() });
    else records.delete(session);
    return record;
  };

  /** Where a navigation that carries its token in the address goes instead. */
  const redirectOf = (
    host: string,
    route: ProxyRoute,
    place: Place,
    token: string,
    expiresAt: number,
  ): Admission | undefined => {
    const search = (query: string): string => (query === '' ? '' : `?${query}`);
    const headers = { 'cache-control': 'no-store', 'referrer-policy': 'no-referrer' };
    if (place.kind === 'own') {
      const cookie = origins.cookie(route.session, token, expiresAt - clock.now());
      return {
        kind: 'redirect',
        location: route.path + search(route.query),
        headers: { ...headers, 'set-cookie': cookie },
      };
    }
    const origin = origins.ownOrigin(route.session);
    if (origin === undefined || !origins.leadsFrom(host)) return undefined;
    const query = [route.query, `token=${token}`].filter((part) => part !== '').join('&');
    return { kind: 'redirect', location: origin + route.path + search(query), headers };
  };

  const admit = async (request: IncomingMessage, isUpgrade: boolean): Promise<Admission> => {
    const { method, headers: sent } = request;
    const { host, origin } = sent;
    const place = origins.placeOf(host);
    const verdict = policy.check({ host, origin });
    const { headers } = verdict;
    const refuse = (error: HubError): Admission => ({ kind: 'refuse', error: withStatus(error), headers });

    if (!place || (place.kind === 'shared' && !verdict.hostAllowed))
      return refuse(
        new HubError('not_allowed', 'This is not a host of this hub; use the address that the launch gave.'),
      );
    const ownOrigin = place.kind === 'own' ? origins.ownOrigin(place.session) : undefined;
    if (verdict.origin === 'refused' && origin !== ownOrigin)
      return refuse(
        new HubError(
          'not_allowed',
          'Pages of this origin may not use this hub; its owner can add the origin to `origins` in the configuration.',
        ),
      );
    if (method === 'OPTIONS' && origin !== undefined && sent['access-control-request-method'] !== undefined)
      return { kind: 'preflight', headers: { ...headers, ...verdict.preflight } };
    if (!METHODS.has(method ?? '')) return refuse(new HubError('policy', `${method} is not proxied to sessions.`));

    const result = routeOf(request.url ?? '');
    if (!result.ok) return refuse(REFUSALS[result.refusal]());
    const { route } = result;
    const { session } = route;
    if (place.kind === 'own' && place.session !== session)
      return refuse(new HubError('not_found', 'This host belongs to another session.'));

    const { queryToken } = route;
    const auth = authenticate({ method, headers: sent, isUpgrade, session, queryToken, ownOrigin }, tokens);
    if (!auth.ok) return refuse(new HubError(auth.code, CREDENTIAL_ERRORS[auth.code]));
    const record = await recordOf(session);
    if (!record) return refuse(gone());
    if (record.generation !== auth.generation)
      return refuse(new HubError('unauthorized', CREDENTIAL_ERRORS.unauthorized));

    if (!isUpgrade && queryToken !== undefined && isNavigation(method, sent)) {
      const redirect = redirectOf(host ?? '', route, place, auth.token, auth.expiresAt);
      if (redirect) return redirect;
    }
    if (place.kind === 'shared' && sent['service-worker'] !== undefined)
      return refuse(new HubError('policy', 'Service workers are not served on the host that sessions share.'));
    const upstream = spawner.upstream(session);
    if (!upstream) {
      records.delete(session);
      const latest = await recordOf(session);
      return refuse(latest ? whyUnreachable(latest) : gone());
    }
    return { kind: 'proxy', route, place, upstream, headers };
  };

  return { admit, forget: (session) => void records.delete(session) };
};
