import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { systemClock } from '../../server/clock.ts';
import type { ClusterAccess } from '../../server/kubernetes/cluster-access.ts';
import type { PatchStep, V1Lease, V1Pod, V1Secret } from '../../server/kubernetes/kubernetes-api.ts';
import { KubernetesError } from '../../server/kubernetes/kubernetes-error.ts';
import { createFakeKubernetesApi, type FakeKubernetesApi } from './fake-kubernetes-api.ts';

/** One request as the server got it; `verb` is the API's own word for it. */
export interface ApiRequest {
  readonly verb: 'get' | 'list' | 'watch' | 'log' | 'create' | 'patch' | 'replace' | 'delete' | 'other';
  readonly method: string;
  readonly resource: string;
  readonly namespace: string;
  readonly name: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

export interface PassOptions {
  /** Makes each line of a watch or a log into the lines that are sent instead. */
  readonly mangle?: (line: string) => readonly string[];
}

/** What goes wrong with a request: answers in its own way, or passes it on, changed. */
export type ApiFault = (exchange: {
  readonly request: ApiRequest;
  readonly response: ServerResponse;
  /** Does what a sound server does. */
  pass(options?: PassOptions): Promise<void>;
}) => void | Promise<void>;

/** A Kubernetes API over real HTTP that keeps its objects in memory and breaks as it is told. */
export interface FakeApiserver {
  readonly url: string;
  readonly access: ClusterAccess;
  /** What it holds; tests change it as a cluster would. */
  readonly api: FakeKubernetesApi;
  readonly requests: readonly ApiRequest[];
  /** The next `times` requests of this kind, default one, meet the fault; faults are met in the order given. */
  fail(verb: ApiRequest['verb'], fault: ApiFault, times?: number): void;
  /** No more faults. */
  heal(): void;
  /** Whether watches are told by bookmarks that nothing happened; default true. */
  hasBookmarks: boolean;
  /** What each container of a pod has written, by `<pod>/<container>`: lines with their times, RFC 3339. */
  readonly logs: Map<string, FakeLog>;
  close(): Promise<void>;
}

export interface FakeLog {
  readonly lines: { readonly time: string; readonly text: string }[];
  isClosed: boolean;
}

const PATH = /^\/(?:api|apis\/[^/]+)\/v1(?:\/namespaces\/([^/]+))?\/([^/]+)(?:\/([^/]+))?(\/log)?$/;

const verbOf = (method: string, query: URLSearchParams, name: string, isLog: boolean): ApiRequest['verb'] => {
  if (isLog) return 'log';
  if (method === 'GET' && name !== '') return 'get';
  if (method === 'GET') return query.get('watch') === 'true' ? 'watch' : 'list';
  const verbs = { POST: 'create', PATCH: 'patch', PUT: 'replace', DELETE: 'delete' } as const;
  return verbs[method as keyof typeof verbs] ?? 'other';
};

const readRequest = async (incoming: IncomingMessage): Promise<ApiRequest> => {
  const { pathname, searchParams: query } = new URL(incoming.url ?? '/', 'http://apiserver');
  const { method = 'GET', headers } = incoming;
  const [, namespace = '', resource = '', name = '', log] = PATH.exec(pathname) ?? [];
  let body = '';
  for await (const chunk of incoming.setEncoding('utf8')) body += chunk;
  const verb = resource === '' ? 'other' : verbOf(method, query, name, log !== undefined);
  return { verb, method, resource, namespace, name, query, headers, body };
};

/** Answers with a Status, as the API refuses. */
export const sendStatus = (
  response: ServerResponse,
  code: number,
  reason: string,
  message: string,
  headers: Readonly<Record<string, string>> = {},
): void => {
  const status = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message, reason, code };
  response.writeHead(code, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify(status));
};

const TYPES = { added: 'ADDED', modified: 'MODIFIED', deleted: 'DELETED' } as const;

/** Starts one on a port of its own. */
export const startFakeApiserver = async (): Promise<FakeApiserver> => {
  const api = createFakeKubernetesApi(systemClock);
  const requests: ApiRequest[] = [];
  const logs = new Map<string, FakeLog>();
  let faults: { readonly verb: ApiRequest['verb']; readonly fault: ApiFault; left: number }[] = [];

  const answer = async ({ verb, resource, namespace, name, query, body }: ApiRequest): Promise<unknown> => {
    const parsed = body === '' ? undefined : (JSON.parse(body) as unknown);
    const preconditions = (parsed as { preconditions?: { uid?: string; resourceVersion?: string } })?.preconditions;
    switch (`${verb} ${resource}`) {
      case 'get pods':
        return api.getPod(namespace, name);
      case 'list pods': {
        const { items, resourceVersion } = await api.listPods(namespace, query.get('labelSelector') ?? '');
        const start = Number(query.get('continue') ?? 0);
        const end = start + Number(query.get('limit') ?? items.length);
        const more = end < items.length ? { continue: String(end) } : {};
        return { kind: 'PodList', metadata: { resourceVersion, ...more }, items: items.slice(start, end) };
      }
      case 'create pods':
        return api.createPod(namespace, parsed as V1Pod, { dryRun: query.get('dryRun') === 'All' });
      case 'patch pods':
        return api.patchPod(namespace, name, parsed as object | PatchStep[]);
      case 'delete pods':
        if (!(await api.deletePod(namespace, name, preconditions ?? {})))
          throw new KubernetesError(404, 'NotFound', `pods "${name}" not found`);
        return { kind: 'Status', status: 'Success' };
      case 'list events':
        return {
          items: await api.podEvents(namespace, /name=(.*)$/.exec(query.get('fieldSelector') ?? '')?.[1] ?? ''),
        };
      case 'create secrets':
        return api.createSecret(namespace, parsed as V1Secret);
      case 'get leases':
        return api.getLease(namespace, name);
      case 'create leases':
        return api.createLease(namespace, parsed as V1Lease);
      case 'replace leases':
        return api.replaceLease(namespace, parsed as V1Lease);
      case 'other ':
        return { gitVersion: 'v1.34.4' };
      default:
        throw new KubernetesError(404, 'NotFound', `the fake has no ${verb} of ${resource}`);
    }
  };

  const sendLog = async ({ name, query }: ApiRequest, send: (line: string) => void, signal: AbortSignal) => {
    const container = query.get('container') ?? '';
    const log = logs.get(`${name}/${container}`);
    if (log === undefined)
      throw new KubernetesError(400, 'BadRequest', `container "${container}" in pod "${name}" is waiting to start`);
    const since = Date.parse(query.get('sinceTime') ?? '1970-01-01T00:00:00Z');
    for (let at = 0; ; at += 1) {
      while (at >= log.lines.length) {
        if (log.isClosed || query.get('follow') !== 'true') return;
        await systemClock.sleep(5, signal);
      }
      const { time, text } = log.lines[at]!;
      if (Date.parse(time) >= since) send(query.get('timestamps') === 'true' ? `${time} ${text}` : text);
    }
  };

  const sendWatch = async (request: ApiRequest, send: (line: string) => void, signal: AbortSignal) => {
    const { namespace, query } = request;
    const labelSelector = query.get('labelSelector') ?? '';
    const options = {
      labelSelector,
      resourceVersion: query.get('resourceVersion') ?? '0',
      timeoutSeconds: Number(query.get('timeoutSeconds')),
    };
    for await (const event of api.watchPods(namespace, options, signal))
      if (event.type !== 'bookmark') send(JSON.stringify({ type: TYPES[event.type], object: event.object }));
    if (!fake.hasBookmarks) return;
    const { resourceVersion } = await api.listPods(namespace, labelSelector);
    send(JSON.stringify({ type: 'BOOKMARK', object: { kind: 'Pod', metadata: { resourceVersion } } }));
  };

  const pass = async (
    request: ApiRequest,
    response: ServerResponse,
    { mangle = (line) => [line] }: PassOptions = {},
  ) => {
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    const send = (line: string) => {
      if (!response.destroyed) for (const text of mangle(line)) response.write(`${text}\n`);
    };
    try {
      if (request.verb === 'watch') {
        response.flushHeaders();
        await sendWatch(request, send, gone.signal);
        response.end();
      } else if (request.verb === 'log') {
        await sendLog(request, send, gone.signal);
        response.end();
      } else response.end(JSON.stringify(await answer(request)));
    } catch (error) {
      if (gone.signal.aborted) return;
      if (!(error instanceof KubernetesError)) throw error;
      const { status, reason, message } = error;
      if (response.headersSent) {
        send(JSON.stringify({ type: 'ERROR', object: { kind: 'Status', code: status, reason, message } }));
        response.end();
      } else sendStatus(response, status, reason, message);
    }
  };

  const server = createServer((incoming, response) => {
    const serve = async () => {
      const request = await readRequest(incoming);
      requests.push(request);
      const due = faults.find(({ verb, left }) => verb === request.verb && left > 0);
      if (due === undefined) return pass(request, response);
      due.left -= 1;
      await due.fault({ request, response, pass: (options) => pass(request, response, options) });
    };
    serve().catch((error: unknown) => response.destroy(error as Error));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  const fake: FakeApiserver = {
    url,
    access: { server: url, credentials: () => Promise.resolve({ headers: {}, tls: {} }) },
    api,
    requests,
    logs,
    hasBookmarks: true,
    fail(verb, fault, times = 1) {
      faults.push({ verb, fault, left: times });
    },
    heal() {
      faults = [];
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return fake;
};
