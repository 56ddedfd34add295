import { canonicalHost } from './image-reference.ts';

/** What proves who is asking. */
export type Credentials =
  | { readonly kind: 'password'; readonly username: string; readonly password: string }
  /** Exchanged for an access token at the registry's token server. */
  | { readonly kind: 'identity-token'; readonly token: string }
  /** Sent to the registry as it is. */
  | { readonly kind: 'access-token'; readonly token: string };

interface Entry {
  readonly auth?: unknown;
  readonly username?: unknown;
  readonly password?: unknown;
  readonly identitytoken?: unknown;
  readonly registrytoken?: unknown;
}

const text = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined);

const credentialsOf = (entry: Entry): Credentials | undefined => {
  const registryToken = text(entry.registrytoken);
  if (registryToken !== undefined) return { kind: 'access-token', token: registryToken };
  const identityToken = text(entry.identitytoken);
  if (identityToken !== undefined) return { kind: 'identity-token', token: identityToken };
  const [, username = text(entry.username), password = text(entry.password)] =
    /^([^:]*):(.*?)\0*$/s.exec(Buffer.from(text(entry.auth) ?? '', 'base64').toString()) ?? [];
  return username === undefined || password === undefined ? undefined : { kind: 'password', username, password };
};

/** `https://host/path/` as host and path; `v1` and `v2` are the API's own folders and say nothing. */
const placeOf = (key: string): { host: string; path: string } => {
  const [host = '', ...path] = key.replace(/^[a-z]+:\/\//i, '').split('/');
  return { host: canonicalHost(host), path: path.join('/').replace(/^v[12](?:\/|$)|\/+$/g, '') };
};

/**
 * The credentials that a Docker `config.json` has for a repository of a host, those for its very folder before those for the
 * whole host. Credential helpers are programs and are not run. Throws SyntaxError where the text is no such file.
 */
export const findCredentials = (config: string, host: string, repository: string): Credentials | undefined => {
  const { auths } = JSON.parse(config) as { auths?: unknown };
  if (auths === undefined || auths === null) return undefined;
  if (typeof auths !== 'object') throw new SyntaxError('“auths” is no object');
  const wanted = canonicalHost(host);
  return Object.entries(auths as Record<string, unknown>)
    .map(([key, entry]) => ({ ...placeOf(key), entry }))
    .filter(({ host: at, path }) => at === wanted && (path === '' || `${repository}/`.startsWith(`${path}/`)))
    .sort((a, b) => b.path.length - a.path.length)
    .map(({ entry }) => (typeof entry === 'object' && entry !== null ? credentialsOf(entry) : undefined))
    .find((found) => found !== undefined);
};
