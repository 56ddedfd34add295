/** Every address, header and query name of the wire. */

/** Routes of the native API, relative to the hub's address. */
export const API = {
  launches: '/api/launches',
  launch: (id: string) => `/api/launches/${encodeURIComponent(id)}`,
  launchEvents: (id: string) => `/api/launches/${encodeURIComponent(id)}/events`,
  launchKeepAlive: (id: string) => `/api/launches/${encodeURIComponent(id)}/keep-alive`,
  environment: (key: string) => `/api/environments/${encodeURIComponent(key)}`,
  environmentLog: (key: string) => `/api/environments/${encodeURIComponent(key)}/log`,
  openapi: '/openapi.json',
} as const;

/** BinderHub's routes; `spec` is a repo spec as `formatRepoSpec` writes it. */
export const BINDERHUB = {
  build: (spec: string) => `/build/${spec}`,
  launchPage: (spec: string) => `/v2/${spec}`,
  versions: '/versions',
  health: '/health',
  metrics: '/metrics',
  repoProviders: '/api/repoproviders',
  config: '/_config',
} as const;

export const PROBES = { live: '/livez', ready: '/readyz' } as const;

/** Where a session's Jupyter server is reached, on the origin of sessions. */
export const sessionPath = (session: string): string => `/user/${session}/`;

/** Where content is put into a session by the hub; relative to the session, refused by the public proxy. */
export const CONTENT_PATH = 'liveleaf/content';

/** Every path of a session below this one belongs to the hub alone. */
export const PRIVATE_PATH = 'liveleaf/';

/** A token offered as a WebSocket subprotocol is `<prefix><token>`; tokens are base64url and dots. */
export const TOKEN_SUBPROTOCOL_PREFIX = 'v1.token.liveleaf.';

/** In the address of a kernel's socket: how many messages this client has received on its earlier ones; the rest is sent again. */
export const RECEIVED_PARAMETER = 'liveleaf-received';

export const HEADERS = {
  idempotencyKey: 'idempotency-key',
  lastEventId: 'last-event-id',
  retryAfter: 'retry-after',
} as const;

/** The version of the native API, as `/versions` states it. */
export const API_VERSION = 1;
