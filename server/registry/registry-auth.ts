import type { Clock } from '../clock.ts';
import { HubError } from '../errors.ts';
import type { Credentials } from './docker-config.ts';
import { answerError, isTransient, jsonOf, type RegistryAnswer } from './registry-answer.ts';
import { ConnectionLost, type RegistryTransport } from './registry-transport.ts';
import { parseChallenges, type Challenge } from './www-authenticate.ts';

/** What a request is about, as token servers spell it: `repository:name:pull,push`. */
export type Scope = string;

interface Grant {
  readonly authorization: string;
  /** On the clock that never jumps. */
  readonly expiresAtMs: number;
}

export interface RegistryAuth {
  /** The Authorization header to begin with; undefined before the registry has asked for one. */
  known(origin: string, scope: Scope): string | undefined;
  /**
   * The Authorization header that a 401 asks for; undefined where nothing better is at hand than what was `refused`.
   * Rejects with ConnectionLost where the token server does not answer, and with HubError where it refuses.
   */
  answer(question: {
    readonly unauthorized: RegistryAnswer;
    readonly scope: Scope;
    readonly repository: string;
    readonly refused: string | undefined;
  }): Promise<string | undefined>;
}

export interface RegistryAuthOptions {
  readonly transport: RegistryTransport;
  readonly credentials: (host: string, repository: string) => Promise<Credentials | undefined>;
  readonly clock: Clock;
}

const MAX_TOKEN_BYTES = 256 * 1024;
const TIMEOUT_MS = 15_000;
/** What the specification says where a token server does not. */
const DEFAULT_LIFETIME_MS = 60_000;
/** A token is not used in its last moments, for it has to arrive before they are over. */
const MARGIN_MS = 10_000;
const MAX_GRANTS = 10_000;

const basic = (username: string, password: string): string =>
  `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;

/** The scopes to ask for: the registry's own word for it too, where that says more. */
const scopesOf = (own: Scope, asked: string | undefined): string[] => {
  const split = (scope: Scope) => {
    const at = scope.lastIndexOf(':');
    return { resource: scope.slice(0, at), actions: scope.slice(at + 1).split(',') };
  };
  const wanted = split(own);
  const more = (asked ?? '').split(' ').filter((scope) => {
    const { resource, actions } = split(scope);
    return scope !== '' && !(resource === wanted.resource && actions.every((each) => wanted.actions.includes(each)));
  });
  return [own, ...more];
};

/** Convinces registries: with a password, or with short tokens of their token servers, which are kept by scope. */
export const createRegistryAuth = ({ transport, credentials, clock }: RegistryAuthOptions): RegistryAuth => {
  const grants = new Map<string, Grant>();
  const pending = new Map<string, Promise<string>>();
  const nameOf = (origin: string, scope: Scope) => `${origin} ${scope}`;

  const keep = (name: string, authorization: string, lifetimeMs: number): string => {
    if (grants.size >= MAX_GRANTS) grants.clear();
    const margin = Math.min(MARGIN_MS, lifetimeMs / 4);
    grants.set(name, { authorization, expiresAtMs: clock.monotonic() + lifetimeMs - margin });
    return authorization;
  };

  /** Asks the token server that the challenge names; credentials go there and nowhere else. */
  const fetchToken = async (
    challenge: Challenge,
    from: URL,
    scope: Scope,
    who: Credentials | undefined,
  ): Promise<{ token: string; lifetimeMs: number }> => {
    const { realm = '', service } = challenge.parameters;
    if (!URL.canParse(realm))
      throw new HubError('registry_down', `The image registry ${from.host} names no token server to log in at.`);
    const url = new URL(realm);
    if (url.protocol === 'http:' && from.protocol === 'https:')
      throw new HubError(
        'registry_down',
        `The image registry ${from.host} sends logins to ${url.host} without TLS, so the hub does not log in there.`,
      );
    const scopes = scopesOf(scope, challenge.parameters['scope']);
    const fields = new URLSearchParams(service === undefined ? {} : { service });
    const bounds = { maxBytes: MAX_TOKEN_BYTES, timeoutMs: TIMEOUT_MS };
    let answer: RegistryAnswer;
    if (who?.kind === 'identity-token') {
      fields.set('scope', scopes.join(' '));
      fields.set('grant_type', 'refresh_token');
      fields.set('client_id', 'liveleaf');
      fields.set('refresh_token', who.token);
      const body = Buffer.from(fields.toString());
      const headers = { 'content-type': 'application/x-www-form-urlencoded' };
      answer = await transport({ method: 'POST', url, headers, body, ...bounds });
    } else {
      for (const each of scopes) fields.append('scope', each);
      for (const [name, value] of fields) url.searchParams.append(name, value);
      if (who?.kind === 'password') url.searchParams.append('account', who.username);
      const headers: Record<string, string> =
        who?.kind === 'password' ? { authorization: basic(who.username, who.password) } : {};
      answer = await transport({ method: 'GET', url, headers, ...bounds });
    }
    if (isTransient(answer)) throw new ConnectionLost(`the token server ${url.host} answered ${answer.status}`);
    if (answer.status !== 200) throw answerError(answer, 'logging in', false, clock.now());
    const found = (jsonOf(answer) ?? {}) as { token?: unknown; access_token?: unknown; expires_in?: unknown };
    const token = found.token ?? found.access_token;
    if (typeof token !== 'string' || token === '' || /[^\x21-\x7e]/.test(token))
      throw new HubError('registry_down', `The token server ${url.host} answered without a token.`);
    const seconds = typeof found.expires_in === 'number' && found.expires_in > 0 ? found.expires_in : undefined;
    return { token, lifetimeMs: seconds === undefined ? DEFAULT_LIFETIME_MS : seconds * 1_000 };
  };

  const known = (origin: string, scope: Scope): string | undefined => {
    const grant = grants.get(nameOf(origin, scope));
    return grant !== undefined && grant.expiresAtMs > clock.monotonic() ? grant.authorization : undefined;
  };

  return {
    known,

    answer: async ({ unauthorized, scope, repository, refused }) => {
      const { url } = unauthorized;
      const name = nameOf(url.origin, scope);
      const challenges = parseChallenges(unauthorized.headers['www-authenticate']);
      const bearer = challenges.find(({ scheme }) => scheme === 'bearer');
      const who = await credentials(url.host, repository);
      if (grants.get(name)?.authorization === refused) grants.delete(name);
      const newer = known(url.origin, scope);
      if (newer !== undefined) return newer;
      if (who?.kind === 'access-token') {
        const authorization = `Bearer ${who.token}`;
        return authorization === refused ? undefined : keep(name, authorization, Number.POSITIVE_INFINITY);
      }
      if (bearer) {
        // Requests that meet the same question wait for one token, so it is nobody's to abort; its time is bounded.
        const asked = pending.get(name);
        if (asked) return asked;
        const asking = fetchToken(bearer, url, scope, who)
          .then(({ token, lifetimeMs }) => keep(name, `Bearer ${token}`, lifetimeMs))
          .finally(() => pending.delete(name));
        pending.set(name, asking);
        return asking;
      }
      if (who?.kind !== 'password' || !challenges.some(({ scheme }) => scheme === 'basic')) return undefined;
      const authorization = basic(who.username, who.password);
      return authorization === refused ? undefined : keep(name, authorization, Number.POSITIVE_INFINITY);
    },
  };
};
