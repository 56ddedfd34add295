import type { IncomingHttpHeaders } from 'node:http';

/** Headers of one connection alone, RFC 9110 §7.6.1. */
const HOP_BY_HOP = [
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
];

/** What a session's server must never see: credentials, where the request came from, and what the proxy sets itself. */
const NEVER_FORWARDED = new Set([
  ...HOP_BY_HOP,
  'authorization',
  'cookie',
  'expect',
  'forwarded',
  'host',
  'idempotency-key',
  'origin',
  'referer',
  'service-worker',
  'via',
]);
const NEVER_FORWARDED_PREFIXES = ['sec-', 'x-forwarded-', 'x-real-', 'x-liveleaf-', 'access-control-request-'];

/** What a session's server must never set on a host that is not its own, or that the proxy sets itself. */
const NEVER_ANSWERED = new Set([
  ...HOP_BY_HOP,
  'alt-svc',
  'clear-site-data',
  'nel',
  'public-key-pins',
  'referrer-policy',
  'report-to',
  'reporting-endpoints',
  'server',
  'service-worker-allowed',
  'set-cookie',
  'set-cookie2',
  'strict-transport-security',
  'vary',
  'x-content-type-options',
]);

/** The names that a `Connection` header makes hop-by-hop. */
const namedByConnection = (headers: IncomingHttpHeaders): ReadonlySet<string> =>
  new Set(
    String(headers.connection ?? '')
      .toLowerCase()
      .split(',')
      .map((name) => name.trim()),
  );

/** The host that every upstream is told, whatever its address: Jupyter refuses all others. */
export const UPSTREAM_HOST = 'localhost';

/** What identifies the hub to a session's server. */
export const upstreamAuthorization = (token: string): string => `token ${token}`;

/** A request's headers as the session's server receives them. */
export const requestHeaders = (
  headers: IncomingHttpHeaders,
  upstreamToken: string,
): Record<string, string | string[]> => {
  const dropped = namedByConnection(headers);
  const kept: Record<string, string | string[]> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined || NEVER_FORWARDED.has(name) || dropped.has(name)) continue;
    if (NEVER_FORWARDED_PREFIXES.some((prefix) => name.startsWith(prefix))) continue;
    kept[name] = value;
  }
  kept['host'] = UPSTREAM_HOST;
  kept['authorization'] = upstreamAuthorization(upstreamToken);
  return kept;
};

const LOCAL_ORIGIN = /^http:\/\/localhost(?=\/)/i;

/** A comma-separated header with both sides' entries, each once. */
const union = (left: string, right: string): string => {
  const entries = [left, right].flatMap((list) => list.split(',').map((entry) => entry.trim()));
  return [...new Set(entries.filter((entry) => entry !== ''))].join(', ');
};

/** An answer's headers as the client receives them: the upstream's, cleaned, under `ours`. */
export const responseHeaders = (
  headers: IncomingHttpHeaders,
  ours: Readonly<Record<string, string>>,
): Record<string, string | string[]> => {
  const dropped = namedByConnection(headers);
  const kept: Record<string, string | string[]> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined || NEVER_ANSWERED.has(name) || dropped.has(name)) continue;
    if (name.startsWith('access-control-')) continue;
    kept[name] = value;
  }
  if (typeof kept['location'] === 'string') kept['location'] = kept['location'].replace(LOCAL_ORIGIN, '');
  const policy = kept['content-security-policy'];
  Object.assign(kept, ours);
  kept['vary'] = union(String(headers['vary'] ?? ''), ours['vary'] ?? '');
  // Two policies both hold, so ours is put beside the upstream's own.
  const ourPolicy = ours['content-security-policy'];
  if (policy !== undefined && ourPolicy !== undefined)
    kept['content-security-policy'] = [policy].flat().concat(ourPolicy);
  return kept;
};
