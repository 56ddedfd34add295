import { randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

/** How a fake registry lets itself be convinced. Users are names with passwords. */
export type RegistryLogin =
  | { readonly kind: 'none' }
  | { readonly kind: 'basic'; readonly users: Readonly<Record<string, string>> }
  | {
      readonly kind: 'bearer';
      readonly users: Readonly<Record<string, string>>;
      /** Whether tokens to read are given to anybody. Default false. */
      readonly isPublic?: boolean;
      /** What a token server says; default nothing, which means 60 seconds. */
      readonly expiresInSeconds?: number;
      /** Refresh tokens, with the user that they stand for. */
      readonly identityTokens?: Readonly<Record<string, string>>;
    };

interface Denied {
  readonly status: number;
  readonly challenge?: string;
}

/** The gate of a fake registry and its token server. */
export interface RegistryGate {
  /** Undefined where the request may pass. */
  check(
    request: IncomingMessage,
    repository: string,
    action: 'pull' | 'push' | 'delete',
    origin: string,
  ): Denied | undefined;
  /** Answers the token server's request. */
  token(request: IncomingMessage, query: URLSearchParams, body: string): { status: number; json: object };
  /** Tokens given so far, by their scopes. */
  readonly granted: readonly string[];
  /** Makes all tokens of now worthless. */
  revoke(): void;
}

const userOf = (request: IncomingMessage, users: Readonly<Record<string, string>>): string | undefined => {
  const [, encoded = ''] = /^Basic (.+)$/.exec(request.headers.authorization ?? '') ?? [];
  const [name = '', password] = Buffer.from(encoded, 'base64').toString().split(':');
  return users[name] !== undefined && users[name] === password ? name : undefined;
};

/** Makes the gate. */
export const createRegistryGate = (login: RegistryLogin): RegistryGate => {
  const granted: string[] = [];
  const tokens = new Map<string, Set<string>>();
  return {
    granted,
    revoke: () => tokens.clear(),

    check: (request, repository, action, origin) => {
      if (login.kind === 'none') return undefined;
      if (login.kind === 'basic')
        return userOf(request, login.users) === undefined
          ? { status: 401, challenge: 'Basic realm="fake"' }
          : undefined;
      const [, token = ''] = /^Bearer (.+)$/.exec(request.headers.authorization ?? '') ?? [];
      if (tokens.get(token)?.has(`${repository}:${action}`)) return undefined;
      const actions = action === 'push' ? 'pull,push' : action;
      const scope = repository === '' ? 'registry:catalog:*' : `repository:${repository}:${actions}`;
      return {
        status: 401,
        challenge: `Bearer realm="${origin}/token",service="fake, \\"quoted\\"",scope="${scope}"`,
      };
    },

    token: (request, query, body) => {
      if (login.kind !== 'bearer') return { status: 404, json: {} };
      const form = new URLSearchParams(body);
      const fields = request.method === 'POST' ? form : query;
      const isExchange = form.get('grant_type') === 'refresh_token';
      const user = isExchange ? login.identityTokens?.[form.get('refresh_token') ?? ''] : userOf(request, login.users);
      const isAsking = request.headers.authorization !== undefined || isExchange;
      if ((isAsking && user === undefined) || fields.get('service') !== 'fake, "quoted"')
        return { status: 401, json: { errors: [{ code: 'UNAUTHORIZED', message: 'wrong name or password' }] } };
      const rights = new Set<string>();
      for (const scope of fields.getAll('scope').flatMap((each) => each.split(' '))) {
        const [, name = '', actions = ''] = /^repository:(.+):([a-z,*]+)$/.exec(scope) ?? [];
        for (const action of scope === 'registry:catalog:*' ? ['pull'] : actions.split(','))
          if (user !== undefined || (login.isPublic === true && action === 'pull')) rights.add(`${name}:${action}`);
      }
      const token = randomBytes(16).toString('hex');
      tokens.set(token, rights);
      granted.push(fields.getAll('scope').join(' '));
      const expires = login.expiresInSeconds === undefined ? {} : { expires_in: login.expiresInSeconds };
      return { status: 200, json: { [isExchange ? 'access_token' : 'token']: token, ...expires } };
    },
  };
};
