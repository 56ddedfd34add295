import type { IncomingHttpHeaders } from 'node:http';

import { TOKEN_SUBPROTOCOL_PREFIX } from '../../sdk/contract/index.ts';
import type { SessionTokens } from '../sessions/session-tokens.ts';
import { mayUseCookie, readCookies } from './session-origin.ts';

/** What a request brings to show that it may use a session. */
export interface Credentials {
  readonly method: string | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly isUpgrade: boolean;
  readonly session: string;
  /** The token that stood in the query. */
  readonly queryToken: string | undefined;
  /** The origin of the session's own host when the request came there, else undefined. */
  readonly ownOrigin: string | undefined;
}

export type AuthVerdict =
  | { readonly ok: true; readonly token: string; readonly generation: number; readonly expiresAt: number }
  | { readonly ok: false; readonly code: 'unauthorized' | 'expired' };

/** The subprotocols that a client offers, with the one that carries our token apart. */
export interface OfferedProtocols {
  readonly token: string | undefined;
  /** The entry that held the token, as it must be answered when it is the only one. */
  readonly tokenProtocol: string | undefined;
  readonly others: readonly string[];
}

export const readProtocols = (header: string | undefined): OfferedProtocols => {
  const offered = (header ?? '')
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '');
  const tokenProtocol = offered.find((entry) => entry.startsWith(TOKEN_SUBPROTOCOL_PREFIX));
  return {
    token: tokenProtocol?.slice(TOKEN_SUBPROTOCOL_PREFIX.length),
    tokenProtocol,
    others: offered.filter((entry) => !entry.startsWith(TOKEN_SUBPROTOCOL_PREFIX)),
  };
};

const AUTHORIZATION = /^(?:bearer|token) +(\S+) *$/i;

/** Every token that may count for this request, the safest first. */
const candidates = (request: Credentials): readonly string[] => {
  const { headers, isUpgrade, queryToken, ownOrigin, method } = request;
  const header = AUTHORIZATION.exec(headers.authorization ?? '')?.[1];
  const protocol = isUpgrade ? readProtocols(headers['sec-websocket-protocol']).token : undefined;
  // Anyone can make a browser open an address, so a socket's address alone needs an origin beside it.
  const query = isUpgrade && headers.origin === undefined ? undefined : queryToken;
  const cookies =
    ownOrigin !== undefined && mayUseCookie(method, headers, ownOrigin) && !(isUpgrade && headers.origin === undefined)
      ? readCookies(headers.cookie)
      : [];
  return [header, protocol, query, ...cookies].filter((token) => token !== undefined);
};

/** Whether a request may use the session that it names: one valid token of that session is enough. */
export const authenticate = (request: Credentials, tokens: SessionTokens): AuthVerdict => {
  let code: 'unauthorized' | 'expired' = 'unauthorized';
  for (const token of candidates(request)) {
    const verdict = tokens.verify(token, request.session);
    if (verdict.ok) return { ...verdict, token };
    if (verdict.code === 'expired') code = 'expired';
  }
  return { ok: false, code };
};
