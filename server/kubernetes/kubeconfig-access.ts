import type { KubeConfig } from '@kubernetes/client-node';
import type { RequestOptions } from 'node:https';
import { systemClock, type Clock } from '../clock.ts';
import type { ClusterAccess, Credentials, TlsSettings } from './cluster-access.ts';
import { KubernetesError } from './kubernetes-error.ts';

const PACKAGE = '@kubernetes/client-node@1.4.0';

/** Reading a kubeconfig's files for every call would cost more than most calls do. */
const REREAD_MS = 30_000;

/** What a login command wrote on its standard error, in the error that tells of it. */
const MAX_SAID_CHARACTERS = 500;

/** The address that the package falls back to where nothing is configured. */
const NOWHERE = 'http://localhost:8080';

interface KubeconfigOptions {
  /** Its path; default the files of `KUBECONFIG`, else `~/.kube/config`. */
  readonly kubeconfig?: string | undefined;
  /** Which of its contexts; default its current one. */
  readonly context?: string | undefined;
  readonly clock?: Clock;
  /** For tests: loads the package that reads kubeconfigs. */
  readonly load?: Load;
}

const notConfigured = (message: string, cause?: unknown) =>
  new KubernetesError(0, 'NotConfigured', message, cause === undefined ? undefined : { cause });

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error)).trim();

type Load = () => Promise<{ readonly KubeConfig: new () => KubeConfig }>;

const loadPackage = async (load: Load) => {
  try {
    return await load();
  } catch (error) {
    throw notConfigured(
      `Reading a kubeconfig takes a package that cannot be loaded (${messageOf(error)}): npm install ${PACKAGE}`,
      error,
    );
  }
};

const TLS_KEYS = ['ca', 'cert', 'key', 'passphrase', 'servername', 'rejectUnauthorized'] as const;

const tlsOf = (options: RequestOptions): TlsSettings =>
  Object.fromEntries(TLS_KEYS.map((key) => [key, options[key]]).filter(([, value]) => value !== undefined));

const headersOf = (options: RequestOptions): Record<string, string> => {
  const { auth, headers = {} } = options;
  const given = Object.entries(headers).map(([name, value]) => [name.toLowerCase(), String(value)]);
  const basic = auth ? [['authorization', `Basic ${Buffer.from(auth).toString('base64')}`]] : [];
  return Object.fromEntries([...given, ...basic]) as Record<string, string>;
};

/** The access that a kubeconfig describes: certificates, tokens, and logins by command or OpenID, as kubectl takes them. */
export const createKubeconfigAccess = async (options: KubeconfigOptions): Promise<ClusterAccess> => {
  const { kubeconfig, context, clock = systemClock } = options;
  const { KubeConfig } = await loadPackage(options.load ?? (() => import('@kubernetes/client-node')));
  const named = kubeconfig ?? 'the kubeconfig';

  const load = (): KubeConfig => {
    const config = new KubeConfig();
    try {
      if (kubeconfig === undefined) config.loadFromDefault();
      else config.loadFromFile(kubeconfig);
    } catch (error) {
      throw notConfigured(`${named} cannot be read: ${messageOf(error)}`, error);
    }
    if (context !== undefined) {
      const known = config.getContexts().map(({ name }) => name);
      if (!known.includes(context))
        throw notConfigured(
          `${named} has no context ${JSON.stringify(context)}; it has ${known.join(', ') || 'none'}. Set kubernetes.context to one of them.`,
        );
      config.setCurrentContext(context);
    }
    return config;
  };

  let config = load();
  const cluster = config.getCurrentCluster();
  if (cluster === null || (kubeconfig === undefined && cluster.server === NOWHERE))
    throw notConfigured(
      'No cluster is configured: this is not a pod, and neither KUBECONFIG nor ~/.kube/config names one. Set kubernetes.kubeconfig to the path of a kubeconfig.',
    );
  let held: Credentials | undefined;
  let readAt = 0;

  const read = async (): Promise<Credentials> => {
    const request: RequestOptions = { headers: {} };
    try {
      await config.applyToHTTPSOptions(request);
    } catch (error) {
      const said = messageOf(error).slice(0, MAX_SAID_CHARACTERS);
      throw new KubernetesError(0, 'NoCredentials', `Logging in as ${named} says failed: ${said}`, { cause: error });
    }
    return { headers: headersOf(request), tls: tlsOf(request) };
  };

  return {
    server: cluster.server.replace(/\/+$/, ''),
    ...(cluster.proxyUrl ? { proxyUrl: cluster.proxyUrl } : {}),
    async credentials(renew) {
      // A login that was refused may be held anywhere in the configuration: only loading it anew forgets it.
      if (renew) config = load();
      if (held === undefined || renew || clock.monotonic() - readAt >= REREAD_MS) {
        held = await read();
        readAt = clock.monotonic();
      }
      return held;
    },
  };
};
