import { access, readFile } from 'node:fs/promises';
import { isIPv6 } from 'node:net';
import { join } from 'node:path';
import { systemClock, type Clock } from '../clock.ts';
import type { ClusterAccess, Credentials } from './cluster-access.ts';
import { KubernetesError } from './kubernetes-error.ts';

const SERVICE_ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount';

/** The kubelet replaces the token well before it expires; a minute's delay does no harm. */
const REREAD_MS = 60_000;

export interface InClusterOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock?: Clock;
  /** The folder with `token` and `ca.crt`. */
  readonly folder?: string;
}

/**
 * The access of the pod that this process runs in; undefined outside of one. It needs no package, so a hub in a pod pays
 * neither the second nor the 80 MB that loading one takes.
 */
export const createInClusterAccess = async (options: InClusterOptions): Promise<ClusterAccess | undefined> => {
  const { env, clock = systemClock, folder = SERVICE_ACCOUNT } = options;
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port = '443' } = env;
  const tokenFile = join(folder, 'token');
  const isThere = await access(tokenFile).then(
    () => true,
    () => false,
  );
  if (!host || !isThere) return undefined;

  const read = async (): Promise<Credentials> => {
    try {
      const [token, ca] = await Promise.all([readFile(tokenFile, 'utf8'), readFile(join(folder, 'ca.crt'), 'utf8')]);
      return { headers: { authorization: `Bearer ${token.trim()}` }, tls: { ca } };
    } catch (cause) {
      throw new KubernetesError(0, 'NoCredentials', `The pod's service account in ${folder} cannot be read.`, {
        cause,
      });
    }
  };

  let held: Credentials | undefined;
  let readAt = 0;
  return {
    server: `https://${isIPv6(host) ? `[${host}]` : host}:${port}`,
    async credentials(renew) {
      if (held === undefined || renew || clock.monotonic() - readAt >= REREAD_MS) {
        held = await read();
        readAt = clock.monotonic();
      }
      return held;
    },
  };
};
