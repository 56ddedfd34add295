import { PRIVATE_PATH, sessionPath } from '../../sdk/contract/index.ts';
import { isSessionName } from '../sessions/session-name.ts';

/** Where a request to a session goes. */
export interface ProxyRoute {
  readonly session: string;
  /** The path below the session, raw as it came, without a leading slash. */
  readonly suffix: string;
  /** The whole raw path for the upstream; always begins with the session's own path. */
  readonly path: string;
  /** The raw query without its `?` and without tokens; empty when there is none. */
  readonly query: string;
  /** The token that stood in the query, for clients that can send it no other way. */
  readonly queryToken: string | undefined;
}

/** Why a request target has no route. */
export type RouteRefusal = 'too_long' | 'malformed' | 'not_a_session' | 'outside' | 'private';

export type RouteResult =
  { readonly ok: true; readonly route: ProxyRoute } | { readonly ok: false; readonly refusal: RouteRefusal };

/** Longest request target in characters. */
export const MAX_TARGET_LENGTH = 8192;

const SESSION_PREFIX = sessionPath('\0').split('\0')[0]!;
const PRIVATE_SEGMENT = PRIVATE_PATH.split('/')[0]!.toLowerCase();

const PRINTABLE = /^[!-~]*$/;
/** What ends a segment or a string, wherever some reader of the path might decode it. */
// oxlint-disable-next-line no-control-regex
const FORBIDDEN_DECODED = /[/\\\u0000-\u001f\u007f]/;
const DOT_SEGMENT = /^\.{1,2}(?:;|$)/;
/** An upstream decodes once; one that decodes more often must not be led outside either. */
const DECODINGS = 4;

/** How a segment reads after each decoding, or undefined when it is not percent-encoded UTF-8. */
const readings = (segment: string): readonly string[] | undefined => {
  const all = [segment];
  let text = segment;
  for (let round = 0; round < DECODINGS && text.includes('%'); round += 1) {
    try {
      text = decodeURIComponent(text);
    } catch {
      // A file may be called `100%`: only what arrives must be well-formed, not what it means.
      if (round === 0) return undefined;
      text = text.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
    }
    all.push(text);
  }
  return all;
};

const refuseSuffix = (suffix: string): RouteRefusal | undefined => {
  const segments = suffix.split('/');
  for (const [index, segment] of segments.entries()) {
    if (segment === '' && index < segments.length - 1) return 'outside';
    const read = readings(segment);
    if (!read) return 'malformed';
    if (read.some((text) => FORBIDDEN_DECODED.test(text) || DOT_SEGMENT.test(text))) return 'outside';
    if (index === 0 && read.some((text) => text.toLowerCase().split(';')[0] === PRIVATE_SEGMENT)) return 'private';
  }
  return undefined;
};

/** Takes every `token` out of a raw query, however it is encoded; the rest stays byte for byte. */
export const takeToken = (query: string): { query: string; token: string | undefined } => {
  let token: string | undefined;
  const kept = query.split('&').filter((pair) => {
    const [key, value] = new URLSearchParams(pair).entries().next().value ?? [];
    if (key?.trim().toLowerCase() !== 'token') return true;
    token ??= value;
    return false;
  });
  return { query: kept.join('&'), token };
};

/**
 * Reads a raw request target as the session it addresses. Nothing is normalised: what could be read as leaving the
 * session, by this proxy or by any server behind it, is refused.
 */
export const routeOf = (target: string): RouteResult => {
  const refuse = (refusal: RouteRefusal): RouteResult => ({ ok: false, refusal });
  if (target.length > MAX_TARGET_LENGTH) return refuse('too_long');
  if (!PRINTABLE.test(target) || target.includes('#')) return refuse('malformed');
  const mark = target.indexOf('?');
  const path = mark < 0 ? target : target.slice(0, mark);
  if (!path.startsWith(SESSION_PREFIX)) return refuse('not_a_session');
  const slash = path.indexOf('/', SESSION_PREFIX.length);
  const session = path.slice(SESSION_PREFIX.length, slash < 0 ? undefined : slash);
  if (slash < 0 || !isSessionName(session)) return refuse('not_a_session');
  const suffix = path.slice(slash + 1);
  const refusal = refuseSuffix(suffix);
  if (refusal) return refuse(refusal);
  const { query, token } = takeToken(mark < 0 ? '' : target.slice(mark + 1));
  return { ok: true, route: { session, suffix, path, query, queryToken: token } };
};

const KERNEL_SOCKET = /^api\/kernels\/[^/]+\/channels$/;

/** Whether a path below a session is a kernel's socket: the only one whose frames are activity. */
export const isKernelSocket = (suffix: string): boolean => KERNEL_SOCKET.test(suffix);
