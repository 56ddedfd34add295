import type { IncomingHttpHeaders } from 'node:http';

import { sessionPath } from '../../sdk/contract/index.ts';
import { isSessionName } from '../sessions/session-name.ts';

/**
 * The two kinds of host that sessions have. On the shared one no cookie is ever set and what a session serves is
 * sandboxed; a session's own host is an origin of its own, where JupyterLab can work.
 */
export type Place = { readonly kind: 'shared' } | { readonly kind: 'own'; readonly session: string };

export interface SessionOriginOptions {
  /** What follows `<session>.` in the host of a session, port included, such as `localhost:8586`; without it sessions have no own host. */
  readonly sessionHostSuffix?: string | undefined;
  /** Scheme of the addresses that a browser uses; default `http`. */
  readonly scheme?: 'http' | 'https' | undefined;
}

export interface SessionOrigins {
  /**
   * The kind of host that a `Host` header names; undefined below the suffix where no session can be. Whether a shared
   * one is ours is the origin policy's business.
   */
  placeOf(host: string | undefined): Place | undefined;
  /** The origin of a session's own host; undefined when sessions have none. */
  ownOrigin(session: string): string | undefined;
  /** Whether who reached us by this shared host can reach sessions' own hosts too: names below `localhost` stay on one machine. */
  leadsFrom(host: string): boolean;
  /** `Set-Cookie` that lets a browser use the session on its own host until the token expires. */
  cookie(session: string, token: string, maxAgeMs: number): string;
}

const LOOPBACK_HOST = /^(?:localhost|127\.0\.0\.1|\[::1\])(?::[0-9]+)?$/i;

const COOKIE_NAME = 'liveleaf-session';

export const createSessionOrigins = ({ sessionHostSuffix, scheme = 'http' }: SessionOriginOptions): SessionOrigins => {
  const suffix = sessionHostSuffix === undefined ? undefined : `.${sessionHostSuffix.toLowerCase()}`;
  return {
    placeOf: (host) => {
      const name = host?.toLowerCase();
      if (suffix === undefined || !name?.endsWith(suffix)) return { kind: 'shared' };
      const session = name.slice(0, -suffix.length);
      return isSessionName(session) ? { kind: 'own', session } : undefined;
    },
    ownOrigin: (session) => (suffix === undefined ? undefined : `${scheme}://${session}${suffix}`),
    leadsFrom: (host) => suffix !== undefined && (!/^\.localhost(?::|$)/.test(suffix) || LOOPBACK_HOST.test(host)),
    // Lax, not Strict: the redirect that sets it ends a navigation that began on another site, and a Strict cookie
    // would not be sent with its last step. Requests from other origins are refused all the same.
    cookie: (session, token, maxAgeMs) =>
      [
        `${COOKIE_NAME}=${token}`,
        `Path=${sessionPath(session)}`,
        `Max-Age=${Math.max(0, Math.floor(maxAgeMs / 1000))}`,
        'HttpOnly',
        'SameSite=Lax',
        ...(scheme === 'https' ? ['Secure'] : []),
      ].join('; '),
  };
};

/** Most values of our cookie that are looked at: sibling hosts under one wildcard can add some of their own. */
const MAX_COOKIES = 16;

/** The values of our cookie; a sibling host may have planted another one beside it. */
export const readCookies = (header: string | undefined): readonly string[] =>
  (header ?? '')
    .split(';')
    .map((pair) => pair.trim())
    .filter((pair) => pair.startsWith(`${COOKIE_NAME}=`))
    .slice(0, MAX_COOKIES)
    .map((pair) => pair.slice(COOKIE_NAME.length + 1));

const isRead = (method: string | undefined): boolean => method === 'GET' || method === 'HEAD';

/** Whether a person goes to this address, rather than a script or an element asking for it. */
export const isNavigation = (method: string | undefined, headers: IncomingHttpHeaders): boolean => {
  if (!isRead(method) || headers.origin !== undefined) return false;
  const mode = headers['sec-fetch-mode'];
  if (mode !== undefined) return mode === 'navigate' && headers['sec-fetch-dest'] !== 'object';
  return headers.authorization === undefined && /\btext\/html\b/.test(headers.accept ?? '');
};

/** Whether a request may use the cookie of `origin`: it comes from there, or a person goes there in a tab of its own. */
export const mayUseCookie = (method: string | undefined, headers: IncomingHttpHeaders, origin: string): boolean => {
  if (headers.origin !== undefined) return headers.origin === origin;
  const site = headers['sec-fetch-site'];
  if (site === 'same-origin') return true;
  if (isNavigation(method, headers)) {
    const destination = headers['sec-fetch-dest'];
    return destination === undefined || destination === 'document';
  }
  if (site !== undefined) return false;
  const referer = headers.referer;
  return referer !== undefined && URL.canParse(referer) && new URL(referer).origin === origin;
};

/** Headers that every proxied answer gets in place of the upstream's own. */
export const placeHeaders = (place: Place): Readonly<Record<string, string>> =>
  place.kind === 'own'
    ? { 'x-content-type-options': 'nosniff', 'referrer-policy': 'same-origin' }
    : { 'x-content-type-options': 'nosniff', 'referrer-policy': 'no-referrer', 'content-security-policy': 'sandbox' };
