import { join } from 'node:path';

/** The owner's package indexes. Addresses may hold credentials: they travel in the build's environment, never in argv, plan or log. */
export interface IndexOptions {
  /** Instead of uv's default index. */
  readonly defaultIndex?: string;
  /** Asked before the default one. */
  readonly extraIndexes?: readonly string[];
  /** Folders or pages with files of packages. */
  readonly findLinks?: readonly string[];
  /** Hosts whose certificate is not checked, or that are reached without TLS. */
  readonly insecureHosts?: readonly string[];
}

/** Variables that a build needs to reach the network as its owner's other programs do. Nothing else is taken over. */
const CARRIED = [
  'SSL_CERT_FILE', 'SSL_CERT_DIR', 'REQUESTS_CA_BUNDLE', 'CURL_CA_BUNDLE', 'PIP_CERT', 'GIT_SSL_CAINFO', 'NIX_SSL_CERT_FILE',
  'HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY', 'NO_PROXY', 'http_proxy', 'https_proxy', 'all_proxy', 'no_proxy',
  'UV_SYSTEM_CERTS', 'UV_NATIVE_TLS', 'UV_HTTP_TIMEOUT',
] as const; // prettier-ignore

const SYSTEM_PATH = '/usr/local/bin:/usr/bin:/bin';

type Environment = Readonly<Record<string, string | undefined>>;

/** The variables of the hub's own environment that a build is given. */
export const carriedVariables = (environment: Environment): Record<string, string> => {
  const carried: Record<string, string> = {};
  for (const name of CARRIED) {
    const value = environment[name];
    if (value) carried[name] = value;
  }
  return carried;
};

const words = (text: string | undefined): string[] => (text ?? '').split(/\s+/).filter(Boolean);

/** The index that the owner's machine names in the ordinary variables of uv, else of pip; the default of the option `environments.index`. */
export const indexFromVariables = (environment: Environment): IndexOptions => {
  const defaultIndex = environment['UV_DEFAULT_INDEX'] || environment['UV_INDEX_URL'] || environment['PIP_INDEX_URL'];
  const extra = words(
    environment['UV_INDEX'] || environment['UV_EXTRA_INDEX_URL'] || environment['PIP_EXTRA_INDEX_URL'],
  );
  const insecure = words(environment['UV_INSECURE_HOST'] || environment['PIP_TRUSTED_HOST']);
  return {
    ...(defaultIndex ? { defaultIndex } : {}),
    ...(extra.length > 0 ? { extraIndexes: extra } : {}),
    ...(insecure.length > 0 ? { insecureHosts: insecure } : {}),
  };
};

/** The indexes as they stand in a plan: with them the key changes, without credentials. */
export const indexesForPlan = (index: IndexOptions): string[] =>
  [index.defaultIndex ?? '', ...(index.extraIndexes ?? []), ...(index.findLinks ?? [])].some(Boolean)
    ? [
        index.defaultIndex ?? '',
        ...(index.extraIndexes ?? []),
        ...(index.findLinks ?? []).map((link) => `links:${link}`),
      ].map((address) => address.replace(/^((?:links:|[\w-]+=)?https?:\/\/)[^/@]*@/, '$1'))
    : [];

/** The indexes as uv reads them. */
export const indexVariables = (index: IndexOptions): Record<string, string> => ({
  ...(index.defaultIndex ? { UV_DEFAULT_INDEX: index.defaultIndex } : {}),
  ...(index.extraIndexes?.length ? { UV_INDEX: index.extraIndexes.join(' ') } : {}),
  ...(index.findLinks?.length ? { UV_FIND_LINKS: index.findLinks.join(',') } : {}),
  ...(index.insecureHosts?.length ? { UV_INSECURE_HOST: index.insecureHosts.join(' ') } : {}),
});

export interface BuildEnvironmentOptions {
  readonly folder: string;
  readonly cache: string;
  readonly marker: string;
  readonly carried: Readonly<Record<string, string>>;
  readonly index: IndexOptions;
}

/** All variables of a build: made from nothing, so that no secret of the hub is among them. */
export const buildEnvironment = ({
  folder,
  cache,
  marker,
  carried,
  index,
}: BuildEnvironmentOptions): Record<string, string> => ({
  ...carried,
  PATH: SYSTEM_PATH,
  HOME: join(folder, 'home'),
  TMPDIR: join(folder, 'tmp'),
  XDG_CONFIG_HOME: join(folder, 'home', '.config'),
  XDG_CACHE_HOME: join(folder, 'home', '.cache'),
  LANG: 'C.UTF-8',
  GIT_TERMINAL_PROMPT: '0',
  LIVELEAF_BUILD: marker,
  UV_CACHE_DIR: cache,
  UV_NO_CONFIG: '1',
  UV_NO_PROGRESS: '1',
  UV_NO_ENV_FILE: '1',
  UV_PYTHON_DOWNLOADS: 'never',
  UV_PROJECT_ENVIRONMENT: join(folder, 'env'),
  UV_KEYRING_PROVIDER: 'disabled',
  ...indexVariables(index),
});
