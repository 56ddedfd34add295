import { DEFAULT_REF } from '../../sdk/contract/index.ts';
import type { AddressPolicy } from '../network/address-policy.ts';
import { openConnection, type BoundedAnswer, type Connect, type HostConnection } from '../network/bounded-request.ts';
import { HubError } from '../errors.ts';
import { lsRefsRequest, PacketError, readAdvertisement, readLsRefs, type GitRef } from './pkt-line.ts';

/** Refs of a repository, and the address where the host really keeps it. */
export interface ListedRefs {
  readonly url: string;
  readonly refs: readonly GitRef[];
}

/** Asks a host for refs over git's smart HTTP, which no API quota counts. */
export interface GitRefClient {
  /**
   * The refs whose full names begin with one of the prefixes.
   * Throws HubError `repo_not_found`, `host_down`, `host_limited`, `policy` or `clone_limit`.
   */
  list(url: string, prefixes: readonly string[], signal: AbortSignal): Promise<ListedRefs>;
  /** The address where the host really keeps a repository, redirects followed and checked. Throws as `list` does. */
  locate(url: string, signal: AbortSignal): Promise<string>;
}

export interface GitRefClientParts {
  readonly policy: AddressPolicy;
  /** For tests: makes the connection to a checked host. */
  readonly connect?: Connect;
  /** The most bytes that one answer may have. Default 16 MiB. */
  readonly maxBytes?: number;
}

const SERVICE = '/info/refs?service=git-upload-pack';
const ADVERTISEMENT = 'application/x-git-upload-pack-advertisement';
const RESULT = 'application/x-git-upload-pack-result';
const MAX_REDIRECTS = 3;
const MAX_BYTES = 16 * 1024 * 1024;
const DEFAULT_RETRY_MS = 60_000;
const HEADERS = { 'user-agent': 'git/liveleaf', 'git-protocol': 'version=2', pragma: 'no-cache' };

const header = ({ headers }: BoundedAnswer, name: string): string => String(headers[name] ?? '');

const retryAfterMs = (answer: BoundedAnswer): number => {
  const text = header(answer, 'retry-after');
  if (/^\d{1,6}$/.test(text)) return Number(text) * 1_000;
  const reset = Number(header(answer, 'x-ratelimit-reset'));
  const at = text === '' ? reset * 1_000 : Date.parse(text);
  const sent = Date.parse(header(answer, 'date'));
  const wait = at - sent;
  return wait > 0 && wait < 86_400_000 ? wait : DEFAULT_RETRY_MS;
};

/** What a host's status says about the repository; undefined for 200. */
const statusError = (url: string, answer: BoundedAnswer): HubError | undefined => {
  const { status } = answer;
  const { host } = new URL(url);
  if (status === 200) return undefined;
  if (status === 429 || (status === 403 && header(answer, 'x-ratelimit-remaining') === '0'))
    return new HubError('host_limited', `${host} answers too many requests for now; try again a little later.`, {
      retryAfterMs: retryAfterMs(answer),
    });
  if (status >= 400 && status < 500)
    return new HubError(
      'repo_not_found',
      `${url} cannot be read: it does not exist, or is private. Check its spelling; this hub reads public repositories only.`,
    );
  return new HubError('host_down', `${host} answered with status ${status}; trying again later may help.`);
};

const redirectTarget = (from: string, answer: BoundedAnswer): string => {
  const location = header(answer, 'location');
  const base = `${from}${SERVICE}`;
  const to = URL.canParse(location, base) ? new URL(location, base).href : '';
  if (to.endsWith(SERVICE)) return to.slice(0, -SERVICE.length);
  throw new HubError(
    'repo_not_found',
    `${from} leads to a page that is no git repository; it does not exist, is private, or has moved. Check its address.`,
  );
};

const protocolError = (url: string, error: unknown): unknown =>
  error instanceof PacketError
    ? new HubError('host_down', `${url} answered in a way that is not git's (${error.message.slice(0, 200)}).`, {
        cause: error,
      })
    : error;

export const createGitRefClient = ({ policy, connect, maxBytes = MAX_BYTES }: GitRefClientParts): GitRefClient => {
  const ask = async (url: string, prefixes: readonly string[], signal: AbortSignal, connection: HostConnection) => {
    const { pathname } = new URL(url);
    const first = await connection.request(
      { method: 'GET', path: `${pathname}${SERVICE}`, headers: { ...HEADERS, accept: '*/*' }, maxBytes },
      signal,
    );
    if ([301, 302, 303, 307, 308].includes(first.status)) return { movedTo: redirectTarget(url, first) };
    const error = statusError(url, first);
    if (error !== undefined) throw error;
    if (!header(first, 'content-type').startsWith(ADVERTISEMENT))
      throw new HubError(
        'repo_not_found',
        `${url} is no git repository that can be read over HTTP; check its address.`,
      );
    const advertisement = readAdvertisement(first.body);
    if (advertisement.version === 0) {
      const wanted = advertisement.refs.filter(({ name }) => prefixes.some((prefix) => name.startsWith(prefix)));
      return { refs: wanted };
    }
    const second = await connection.request(
      {
        method: 'POST',
        path: `${pathname}/git-upload-pack`,
        headers: { ...HEADERS, 'content-type': 'application/x-git-upload-pack-request', accept: RESULT },
        body: lsRefsRequest(prefixes, advertisement.objectFormat),
        maxBytes,
      },
      signal,
    );
    const refused = statusError(url, second);
    if (refused !== undefined) throw refused;
    return { refs: readLsRefs(second.body) };
  };

  const list: GitRefClient['list'] = async (address, prefixes, signal) => {
    let url = address.replace(/\/+$/, '');
    for (let hop = 0; hop <= MAX_REDIRECTS; hop += 1) {
      const target = await policy.check(url, signal);
      url = target.url.href.replace(/\/+$/, '');
      const connection = openConnection(target, connect);
      try {
        const answer = await ask(url, prefixes, signal, connection);
        if (answer.refs !== undefined) return { url, refs: answer.refs };
        url = answer.movedTo;
      } catch (error) {
        throw protocolError(url, error);
      } finally {
        await connection.close();
      }
    }
    throw new HubError('host_down', `${address} redirects more than ${MAX_REDIRECTS} times; give its final address.`);
  };

  return { list, locate: async (url, signal) => (await list(url, [DEFAULT_REF], signal)).url };
};
