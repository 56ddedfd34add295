/** What a policy says about a request's `Host` and `Origin`. */
interface OriginVerdict {
  readonly hostAllowed: boolean;
  readonly origin: 'allowed' | 'refused' | 'missing';
  /** Headers for the answer, whatever it is. */
  readonly headers: Readonly<Record<string, string>>;
  /** Headers for the answer to a preflight, beside `headers`. */
  readonly preflight: Readonly<Record<string, string>>;
}

/** Decides by exact comparison which hosts are ours and which origins may read our answers. No credentials are ever allowed. */
export interface OriginPolicy {
  check(request: { readonly host: string | undefined; readonly origin: string | undefined }): OriginVerdict;
}

export interface OriginPolicyOptions {
  /** Origins as browsers send them, such as `https://docs.example.org`; `*` allows every one. */
  readonly origins: readonly string[];
  /** Values of `Host` that are ours, port included, such as `127.0.0.1:8585`; `*.name` stands for one label before it. */
  readonly hosts: readonly string[];
}

const METHODS = 'GET, PUT, POST, PATCH, DELETE, OPTIONS';
const REQUEST_HEADERS =
  'accept, authorization, content-type, x-xsrftoken, last-event-id, cache-control, idempotency-key';
const PREFLIGHT_MAX_AGE_S = '600';

/** Throws a TypeError that says how an origin is written. */
const requireOrigin = (origin: string): string => {
  const canonical = URL.canParse(origin) ? new URL(origin).origin : undefined;
  if (origin !== '*' && (canonical !== origin || canonical === 'null'))
    throw new TypeError(
      `${JSON.stringify(origin)} is not an origin; write scheme, host and port only, such as "https://docs.example.org" or "http://127.0.0.1:8000", or "*" for all`,
    );
  return origin;
};

/** Throws a TypeError when an origin of the list is not written as browsers send it. */
export const createOriginPolicy = ({ origins, hosts }: OriginPolicyOptions): OriginPolicy => {
  const allowed = new Set(origins.map(requireOrigin));
  const any = allowed.has('*');
  const exact = new Set(hosts.filter((host) => !host.startsWith('*.')).map((host) => host.toLowerCase()));
  const suffixes = hosts.filter((host) => host.startsWith('*.')).map((host) => host.slice(1).toLowerCase());
  const isHost = (host: string): boolean => {
    const name = host.toLowerCase();
    return (
      exact.has(name) ||
      suffixes.some((suffix) => name.endsWith(suffix) && /^[a-z0-9-]+$/.test(name.slice(0, -suffix.length)))
    );
  };
  return {
    check: ({ host, origin }): OriginVerdict => {
      const hostAllowed = host !== undefined && isHost(host);
      if (origin === undefined) return { hostAllowed, origin: 'missing', headers: { vary: 'Origin' }, preflight: {} };
      if (!any && !allowed.has(origin))
        return { hostAllowed, origin: 'refused', headers: { vary: 'Origin' }, preflight: {} };
      return {
        hostAllowed,
        origin: 'allowed',
        headers: {
          vary: 'Origin',
          'access-control-allow-origin': any ? '*' : origin,
          'access-control-expose-headers': 'retry-after',
        },
        preflight: {
          'access-control-allow-methods': METHODS,
          'access-control-allow-headers': REQUEST_HEADERS,
          'access-control-max-age': PREFLIGHT_MAX_AGE_S,
        },
      };
    },
  };
};
