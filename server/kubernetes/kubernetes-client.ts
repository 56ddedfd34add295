import { systemClock, type Clock } from '../clock.ts';
import type { Log } from '../log.ts';
import type { ClusterAccess } from './cluster-access.ts';
import { createInClusterAccess } from './in-cluster-access.ts';
import { createKubeconfigAccess } from './kubeconfig-access.ts';
import { createLineSplitter } from './line-splitter.ts';
import type { CoreV1Event, DeleteOptions, KubernetesApi, V1Lease, V1Pod, V1Secret } from './kubernetes-api.ts';
import { KubernetesError } from './kubernetes-error.ts';
import { decodeObject, encodeObject } from './kubernetes-objects.ts';
import {
  createKubernetesTransport,
  TRANSPORT_TIMEOUTS,
  type KubernetesRequest,
  type TransportTimeouts,
} from './kubernetes-transport.ts';
import { readWatchLine } from './watch-line.ts';

export interface KubernetesClientOptions {
  /** Path of a kubeconfig. Default: the pod's own service account, else the files of `KUBECONFIG`, else `~/.kube/config`. */
  readonly kubeconfig?: string | undefined;
  /** Which context of the kubeconfig; default its current one. */
  readonly context?: string | undefined;
  /** Tells of every call, at level `debug`. */
  readonly log?: Pick<Log, 'debug'> | undefined;
  readonly timeouts?: Partial<TransportTimeouts>;
  readonly clock?: Clock;
  /** The process's own environment. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** For tests: where the API is. */
  readonly access?: ClusterAccess;
}

export interface KubernetesClient extends KubernetesApi {
  /** Lets go of the connections; what is under way is ended. */
  close(): Promise<void>;
}

interface Metadata {
  readonly continue?: string;
  readonly resourceVersion?: string;
}

/** Small enough to be parsed without holding up anything else. */
const PAGE_OBJECTS = 100;
const MAX_EVENTS = 100;

/** The largest object that the API stores has a megabyte and a half. */
const MAX_WATCH_LINE_BYTES = 4 * 2 ** 20;
const MAX_LOG_LINE_BYTES = 64 * 2 ** 10;

/** API groups of the resources outside the core group that are asked about. */
const GROUPS: Readonly<Record<string, string>> = {
  leases: 'coordination.k8s.io',
  networkpolicies: 'networking.k8s.io',
  poddisruptionbudgets: 'policy',
  selfsubjectaccessreviews: 'authorization.k8s.io',
};

const NAME = /^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/;

const segment = (text: string): string => {
  if (!NAME.test(text))
    throw new KubernetesError(404, 'NotFound', `${JSON.stringify(text)} cannot be anything's name.`);
  return text;
};

const pathTo = (resource: 'pods' | 'secrets' | 'events' | 'leases', namespace: string, name?: string): string => {
  const group = resource === 'leases' ? '/apis/coordination.k8s.io/v1' : '/api/v1';
  const collection = `${group}/namespaces/${segment(namespace)}/${resource}`;
  return name === undefined ? collection : `${collection}/${segment(name)}`;
};

const findAccess = async (options: KubernetesClientOptions): Promise<ClusterAccess> => {
  const { kubeconfig, context, env = process.env, clock = systemClock } = options;
  const own = kubeconfig === undefined ? await createInClusterAccess({ env, clock }) : undefined;
  return own ?? (await createKubeconfigAccess({ kubeconfig, context, clock }));
};

const eventTime = ({ lastTimestamp, eventTime, metadata }: CoreV1Event): number =>
  (lastTimestamp ?? eventTime ?? metadata.creationTimestamp)?.getTime() ?? 0;

/** Connects to a cluster's API. Rejects with KubernetesError `NotConfigured` where none is named; asks nothing of it yet. */
export const createKubernetesClient = async (options: KubernetesClientOptions = {}): Promise<KubernetesClient> => {
  const { clock = systemClock, log } = options;
  const timeouts = { ...TRANSPORT_TIMEOUTS, ...options.timeouts };
  const access = options.access ?? (await findAccess(options));
  const transport = createKubernetesTransport({ access, clock, log, timeouts });

  const call = async <T>(request: KubernetesRequest): Promise<T> => decodeObject(await transport.call(request)) as T;

  const create = async <T>(path: string, object: T, query = {}): Promise<T> =>
    call<T>({ method: 'POST', path, query, body: encodeObject(object) });

  const remove = async (
    resource: 'pods' | 'secrets',
    namespace: string,
    name: string,
    { uid, resourceVersion, graceSeconds = 0 }: DeleteOptions = {},
  ) => {
    const body = {
      apiVersion: 'v1',
      kind: 'DeleteOptions',
      gracePeriodSeconds: graceSeconds,
      preconditions: { uid, resourceVersion },
    };
    try {
      await call({ method: 'DELETE', path: pathTo(resource, namespace, name), body: encodeObject(body) });
      return true;
    } catch (error) {
      if (KubernetesError.is(error, 404)) return false;
      throw error;
    }
  };

  const listAll = async (path: string, labelSelector: string) => {
    const items: V1Pod[] = [];
    let page: Metadata = {};
    do {
      const query = { labelSelector, limit: PAGE_OBJECTS, continue: page.continue };
      const list = await call<{ items: V1Pod[]; metadata: Metadata }>({ method: 'GET', path, query });
      if (!Array.isArray(list?.items)) throw new KubernetesError(0, 'Garbled', `A list of ${path} has no items.`);
      for (const item of list.items) items.push(item);
      page = list.metadata;
    } while (page.continue);
    return { items, resourceVersion: page.resourceVersion ?? '' };
  };

  return {
    createPod: async (namespace, pod, { dryRun = false } = {}) =>
      create<V1Pod>(pathTo('pods', namespace), pod, dryRun ? { dryRun: 'All' } : {}),
    getPod: async (namespace, name) => call<V1Pod>({ method: 'GET', path: pathTo('pods', namespace, name) }),
    listPods: async (namespace, labelSelector) => listAll(pathTo('pods', namespace), labelSelector),
    patchPod: async (namespace, name, patch) =>
      call<V1Pod>({
        method: 'PATCH',
        path: pathTo('pods', namespace, name),
        body: encodeObject(patch),
        contentType: `application/${Array.isArray(patch) ? 'json-patch' : 'merge-patch'}+json`,
      }),
    deletePod: async (namespace, name, options) => remove('pods', namespace, name, options),

    async *podLog(namespace, name, { container, follow, sinceTime, tailLines, timestamps = false }, signal) {
      const path = `${pathTo('pods', namespace, name)}/log`;
      const query = { container, follow, sinceTime, tailLines, timestamps };
      // A container that says nothing has not even the head of an answer to give.
      const bounds = { headersTimeoutMs: 0, silenceTimeoutMs: 0 };
      const splitter = createLineSplitter(MAX_LOG_LINE_BYTES);
      for await (const chunk of transport.stream({ method: 'GET', path, query }, bounds, signal)) {
        const lines = splitter.push(chunk);
        if (lines.length > 0) yield lines.map(({ text }) => `${text}\n`).join('');
      }
      const { text } = splitter.rest();
      if (text !== '') yield text;
    },

    async podEvents(namespace, name) {
      const query = {
        fieldSelector: `involvedObject.kind=Pod,involvedObject.name=${segment(name)}`,
        limit: MAX_EVENTS,
      };
      try {
        const path = pathTo('events', namespace);
        const { items } = await call<{ items: CoreV1Event[] }>({ method: 'GET', path, query });
        return items.sort((a, b) => eventTime(a) - eventTime(b));
      } catch (error) {
        if (KubernetesError.is(error, 403)) return [];
        throw error;
      }
    },

    async *watchPods(namespace, { labelSelector, resourceVersion, timeoutSeconds }, signal) {
      const path = pathTo('pods', namespace);
      const query = { watch: true, allowWatchBookmarks: true, labelSelector, resourceVersion, timeoutSeconds };
      const bounds = {
        headersTimeoutMs: timeouts.callTimeoutMs,
        // The server ends a watch when its time is over; one that does not is dead.
        silenceTimeoutMs: timeoutSeconds * 1_000 + timeouts.watchGraceMs,
      };
      const splitter = createLineSplitter(MAX_WATCH_LINE_BYTES);
      for await (const chunk of transport.stream({ method: 'GET', path, query }, bounds, signal))
        for (const line of splitter.push(chunk)) yield readWatchLine(line);
      if (splitter.rest().text !== '') throw new KubernetesError(0, 'Cut', 'A watch ended within an event.');
    },

    createSecret: async (namespace, secret) => create<V1Secret>(pathTo('secrets', namespace), secret),
    deleteSecret: async (namespace, name, options) => remove('secrets', namespace, name, options),
    getLease: async (namespace, name) => call<V1Lease>({ method: 'GET', path: pathTo('leases', namespace, name) }),
    createLease: async (namespace, lease) => create<V1Lease>(pathTo('leases', namespace), lease),
    replaceLease: async (namespace, lease) =>
      call<V1Lease>({
        method: 'PUT',
        path: pathTo('leases', namespace, lease.metadata?.name ?? ''),
        body: encodeObject(lease),
      }),

    async may({ namespace, verb, resource, subresource }) {
      const resourceAttributes = { namespace, verb, resource, subresource, group: GROUPS[resource] ?? '' };
      const review = {
        apiVersion: 'authorization.k8s.io/v1',
        kind: 'SelfSubjectAccessReview',
        spec: { resourceAttributes },
      };
      const path = '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews';
      const { status } = await create<{ status?: { allowed?: boolean } }>(path, review as object);
      return status?.allowed === true;
    },
    version: async () => (await call<{ gitVersion: string }>({ method: 'GET', path: '/version' })).gitVersion,
    close: () => transport.close(),
  };
};
