import { lookup as systemLookup } from 'node:dns/promises';
import { isIP, type LookupFunction } from 'node:net';
import { HubError } from '../errors.ts';
import { classifyAddress, inRange, parseAddress, parseRange, type AddressRange } from './address-class.ts';

export interface NetworkOptions {
  /**
   * Hosts (`git.intranet`, `localhost:3000`), addresses and CIDR ranges (`10.0.0.0/8`) inside the owner's own network that may be reached on a
   * reader's behalf, by http too and, unless the entry names a port, on any port. Default none.
   */
  readonly private?: readonly string[];
}

/** Finds a host's addresses; injected, so that no test asks a real resolver. */
export type HostLookup = (host: string) => Promise<readonly string[]>;

/** An address on the web whose host was resolved once and found to be allowed; connect to `addresses` only. */
export interface CheckedTarget {
  /** In canonical form, as `URL` writes it. */
  readonly url: URL;
  /** Without the brackets of an IPv6 literal. */
  readonly host: string;
  readonly port: number;
  readonly addresses: readonly { readonly address: string; readonly family: 4 | 6 }[];
}

export interface AddressPolicy {
  /**
   * Resolves an address's host and checks every answer. Throws HubError `policy` for what must not be reached,
   * `host_down` when the name cannot be resolved, `bad_spec` for what is no http(s) address.
   */
  check(address: string | URL, signal: AbortSignal): Promise<CheckedTarget>;
}

// Stricter than URL: these bytes go into a setting of curl's, where "*", "+", "-" and "," mean something.
const HOST_NAME = /^(?!-)[a-z0-9_-]{1,63}(?<!-)(?:\.(?!-)[a-z0-9_-]{1,63}(?<!-))*$/;
const DEFAULT_PORTS: Readonly<Record<string, number>> = { 'http:': 80, 'https:': 443 };

interface Named {
  readonly host: string | undefined;
  readonly range: AddressRange | undefined;
  readonly port: number | undefined;
}

const readEntry = (entry: string): Named => {
  const text = entry.trim().toLowerCase();
  const whole = parseRange(text);
  if (whole !== undefined) return { host: undefined, range: whole, port: undefined };
  const [, host = '', port] = /^(.*?)(?::(\d{1,5}))?$/.exec(text) ?? [];
  const range = parseRange(host);
  if (range === undefined && !HOST_NAME.test(host))
    throw new Error(
      `network.private holds ${JSON.stringify(entry)}; give host names, addresses or CIDR ranges, such as "git.intranet" or "10.0.0.0/8".`,
    );
  return { host: range === undefined ? host : undefined, range, port: port === undefined ? undefined : Number(port) };
};

const parseUrl = (address: string | URL): { url: URL; host: string; port: number } => {
  const shown = JSON.stringify(String(address).slice(0, 120));
  const url = URL.canParse(String(address)) ? new URL(address) : undefined;
  const standard = url === undefined ? undefined : DEFAULT_PORTS[url.protocol];
  if (url === undefined || standard === undefined || url.username !== '' || url.password !== '')
    throw new HubError('bad_spec', `${shown} is no plain http(s) address; give one without a user name or password.`);
  // One spelling, so that what curl looks up is what it was told the addresses of.
  url.hostname = url.hostname.replace(/\.$/, '');
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  if (isIP(host) === 0 && !HOST_NAME.test(host))
    throw new HubError(
      'bad_spec',
      `${shown} holds a host name that cannot be one; use letters, digits, dots and hyphens.`,
    );
  return { url, host, port: url.port === '' ? standard : Number(url.port) };
};

const abortable = async <T>(work: Promise<T>, signal: AbortSignal): Promise<T> => {
  signal.throwIfAborted();
  let stop = (): void => {};
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason);
    signal.addEventListener('abort', stop, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
};

const lookupAll: HostLookup = async (host) =>
  (await systemLookup(host, { all: true, verbatim: true })).map(({ address }) => address);

/** Decides which hosts may be reached on a reader's behalf. Throws for an entry of `private` that is neither host nor range. */
export const createAddressPolicy = (options: NetworkOptions = {}, lookup: HostLookup = lookupAll): AddressPolicy => {
  const named = (options.private ?? []).map(readEntry);

  const resolve = async (host: string, signal: AbortSignal): Promise<readonly string[]> => {
    if (isIP(host) !== 0) return [host];
    const answers = await abortable(lookup(host), signal).catch((error: unknown) => {
      if (signal.aborted) throw error;
      throw new HubError(
        'host_down',
        `The name ${host} could not be resolved; check its spelling, or try again later.`,
        {
          cause: error,
        },
      );
    });
    if (answers.length > 0) return answers;
    throw new HubError('host_down', `The name ${host} has no address; check its spelling, or try again later.`);
  };

  const isNamed = (host: string, port: number, text: string): boolean => {
    const address = parseAddress(text);
    return named.some(
      (entry) =>
        (entry.port === undefined || entry.port === port) &&
        (entry.host === host || (entry.range !== undefined && address !== undefined && inRange(address, entry.range))),
    );
  };

  return {
    check: async (address, signal) => {
      const { url, host, port } = parseUrl(address);
      const answers = await resolve(host, signal);
      for (const answer of answers) {
        if (isNamed(host, port, answer) && parseAddress(answer) !== undefined) continue;
        const advice = 'The owner of this hub can name it under network.private';
        if (classifyAddress(answer) !== 'unicast')
          throw new HubError(
            'policy',
            `${host} is in a private or reserved network, which this hub does not reach for its readers. ${advice}.`,
          );
        if (url.protocol === 'http:')
          throw new HubError('policy', `${host} is asked for over plain http; use https. ${advice} to allow http.`);
        if (port !== DEFAULT_PORTS['https:'])
          throw new HubError('policy', `${host}:${port} is not https's own port; use 443. ${advice} to allow another.`);
      }
      return {
        url,
        host,
        port,
        addresses: answers.map((answer) => ({ address: answer, family: isIP(answer) === 6 ? 6 : 4 })),
      };
    },
  };
};

/** For `connect.lookup` of undici and `lookup` of net.connect: answers with the checked addresses and asks no resolver. */
export const pinnedLookup =
  ({ host, addresses }: CheckedTarget): LookupFunction =>
  (asked, options, callback) => {
    const first = addresses[0];
    if (asked.replace(/\.$/, '') !== host || first === undefined)
      return callback(new Error(`${asked} was not checked`), '', 4);
    if (options.all === true)
      callback(
        null,
        addresses.map((address) => ({ ...address })),
      );
    else callback(null, first.address, first.family);
  };

/** For git's `http.curloptResolve`: tells curl the checked addresses. Undefined for an address literal, which curl does not look up. */
export const curlResolve = ({ host, port, addresses }: CheckedTarget): string | undefined => {
  if (isIP(host) !== 0) return undefined;
  return `${host}:${port}:${addresses.map(({ address, family }) => (family === 6 ? `[${address}]` : address)).join(',')}`;
};
