import { createHash, randomUUID } from 'node:crypto';
import { createServer as createPlainServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { createRegistryGate, type RegistryGate, type RegistryLogin } from './fake-registry-login.ts';

/** How requests go wrong. `status` answers in the registry's place; the others act on what it does. */
type RegistryFailure =
  | {
      readonly kind: 'status';
      readonly status: number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly body?: string;
    }
  /** Never answers. */
  | { readonly kind: 'hang' }
  | { readonly kind: 'slow'; readonly delayMs: number }
  /** Cuts the connection once so many bytes of the request's body have come. */
  | { readonly kind: 'reset'; readonly afterBytes: number }
  /** Answers with other bytes than were stored. */
  | { readonly kind: 'corrupt' }
  /** Ends the answer's connection half-way. */
  | { readonly kind: 'truncate' }
  /** Answers a write with success and keeps nothing. */
  | { readonly kind: 'forget' }
  /** Starts an upload where a mount was asked for. */
  | { readonly kind: 'refuse-mount' }
  | { readonly kind: 'redirect'; readonly location: string };

export interface RegistryFault {
  readonly method?: string;
  /** Matched against path and query. */
  readonly path?: RegExp;
  /** How many requests it meets; default all. */
  readonly times?: number;
  readonly failure: RegistryFailure;
}

export interface FakeRegistryOptions {
  /** Default none. */
  readonly login?: RegistryLogin;
  /** Makes it speak TLS. */
  readonly tls?: { readonly key: string; readonly cert: string };
  /** The longest page of a list; default 100. */
  readonly pageLength?: number;
  /** Default true. */
  readonly allowsDeletion?: boolean;
}

interface SeenRequest {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
}

/** An OCI registry in memory behind a real HTTP server on loopback, which fails on demand. */
export interface FakeRegistry {
  /** `http://127.0.0.1:<port>` */
  readonly url: string;
  readonly host: string;
  readonly requests: readonly SeenRequest[];
  readonly gate: RegistryGate;
  /** Makes requests fail, in the order of the calls; returns what ends it. */
  fault(fault: RegistryFault): () => void;
  /** Puts a blob there; returns its digest. */
  putBlob(repository: string, content: Buffer): string;
  /** Puts a manifest there under a tag; returns its digest. */
  putManifest(repository: string, tag: string, manifest: object): string;
  /** Digests of all blobs of a repository. */
  blobs(repository: string): string[];
  /** Throws where there is none. */
  blob(repository: string, digest: string): Buffer;
  /** A manifest as it was put there; throws where there is none. */
  manifest(repository: string, digest: string): object;
  /** Takes a blob away under its manifest's feet. */
  dropBlob(repository: string, digest: string): void;
  close(): Promise<void>;
}

interface Repository {
  readonly blobs: Map<string, Buffer>;
  readonly manifests: Map<string, { readonly type: string; readonly body: Buffer }>;
  readonly tags: Map<string, string>;
}

const digestOf = (content: Buffer): string => `sha256:${createHash('sha256').update(content).digest('hex')}`;

/** Starts one. */
export const startFakeRegistry = async (options: FakeRegistryOptions = {}): Promise<FakeRegistry> => {
  const repositories = new Map<string, Repository>();
  const uploads = new Map<string, Buffer[]>();
  const requests: SeenRequest[] = [];
  const faults: { fault: RegistryFault; left: number }[] = [];
  const sockets = new Set<Socket>();
  const gate = createRegistryGate(options.login ?? { kind: 'none' });
  const pageLength = options.pageLength ?? 100;
  let origin = '';

  const open = (name: string): Repository => {
    const found = repositories.get(name) ?? { blobs: new Map(), manifests: new Map(), tags: new Map() };
    repositories.set(name, found);
    return found;
  };

  const takeFault = (method: string, path: string): RegistryFailure | undefined => {
    const met = faults.find(
      ({ fault, left }) => left > 0 && (fault.method ?? method) === method && (fault.path?.test(path) ?? true),
    );
    if (met) met.left -= 1;
    return met?.fault.failure;
  };

  const readBody = async (request: IncomingMessage, resetAfterBytes: number): Promise<Buffer> => {
    // Leaving the loop takes the socket from the request.
    const { socket } = request;
    const chunks: Buffer[] = [];
    let bytes = 0;
    for await (const chunk of request as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes >= resetAfterBytes) break;
      chunks.push(chunk);
    }
    if (bytes < resetAfterBytes) return Buffer.concat(chunks);
    socket.resetAndDestroy();
    throw new Error('reset on demand');
  };

  const fail = (response: ServerResponse, status: number, code: string, headers: Record<string, string> = {}): void => {
    const body = JSON.stringify({ errors: [{ code, message: code.toLowerCase().replaceAll('_', ' ') }] });
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(body);
  };

  const list = (
    response: ServerResponse,
    query: URLSearchParams,
    path: string,
    extra: object,
    field: string,
    all: string[],
  ) => {
    const length = Math.min(pageLength, Number(query.get('n') ?? pageLength));
    const after = query.get('last');
    const rest = all.sort().filter((name) => after === null || name > after);
    const page = rest.slice(0, length);
    const more = rest.length > length ? { link: `<${path}?last=${page.at(-1)}&n=${length}>; rel="next"` } : {};
    response
      .writeHead(200, { 'content-type': 'application/json', ...more })
      .end(JSON.stringify({ ...extra, [field]: page }));
  };

  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { method = 'GET', url: target = '/' } = request;
    requests.push({ method, path: target, headers: request.headers });
    const failure = takeFault(method, target);
    if (failure?.kind === 'hang') return;
    if (failure?.kind === 'slow') await new Promise((resolve) => setTimeout(resolve, failure.delayMs));
    const body = await readBody(request, failure?.kind === 'reset' ? failure.afterBytes : Infinity);
    if (failure?.kind === 'status')
      return void response.writeHead(failure.status, failure.headers).end(failure.body ?? '');
    if (failure?.kind === 'redirect') return void response.writeHead(307, { location: failure.location }).end();
    const { pathname, searchParams: query } = new URL(target, 'http://fake');
    if (pathname === '/token') {
      const { status, json } = gate.token(request, query, body.toString());
      return void response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(json));
    }

    const isList = pathname === '/v2/_catalog';
    const [, name = '', kind = '', rest = ''] =
      /^\/v2\/(.+)\/(blobs\/uploads|blobs|manifests|tags)\/(.*)$/.exec(pathname) ?? [];
    const reads = method === 'GET' || method === 'HEAD';
    const action = reads && kind !== 'blobs/uploads' ? 'pull' : method === 'DELETE' ? 'delete' : 'push';
    const denied = gate.check(request, name, action, origin);
    if (denied)
      return fail(
        response,
        denied.status,
        'UNAUTHORIZED',
        denied.challenge ? { 'www-authenticate': denied.challenge } : {},
      );
    if (pathname === '/v2/') return void response.writeHead(200).end('{}');
    if (isList) return list(response, query, pathname, {}, 'repositories', [...repositories.keys()]);
    if (kind === '') return void response.writeHead(404).end('no such page');
    if (!repositories.has(name) && reads) return fail(response, 404, 'NAME_UNKNOWN');
    const repository = open(name);

    const send = (type: string, content: Buffer, digest: string): void => {
      const bytes = failure?.kind === 'corrupt' ? Buffer.from(content.map((byte) => byte ^ 1)) : content;
      response.writeHead(200, {
        'content-type': type,
        'content-length': bytes.length,
        'docker-content-digest': digest,
      });
      if (failure?.kind !== 'truncate') return void response.end(method === 'HEAD' ? '' : bytes);
      response.write(bytes.subarray(0, bytes.length >> 1), () => response.destroy());
    };

    if (kind === 'tags') return list(response, query, pathname, { name }, 'tags', [...repository.tags.keys()]);
    if (kind === 'manifests') {
      const digest = repository.tags.get(rest) ?? rest;
      const found = repository.manifests.get(digest);
      if (method === 'PUT') {
        const made = digestOf(body);
        if (failure?.kind !== 'forget') {
          repository.manifests.set(made, { type: request.headers['content-type'] ?? '', body });
          if (!rest.startsWith('sha256:')) repository.tags.set(rest, made);
        }
        return void response.writeHead(201, { 'docker-content-digest': made, location: pathname }).end();
      }
      if (!found) return fail(response, 404, 'MANIFEST_UNKNOWN');
      if (method !== 'DELETE') return send(found.type, found.body, digest);
      if (options.allowsDeletion === false) return fail(response, 405, 'UNSUPPORTED');
      repository.manifests.delete(digest);
      for (const [tag, at] of repository.tags) if (at === digest) repository.tags.delete(tag);
      return void response.writeHead(202).end();
    }
    if (kind === 'blobs') {
      const found = repository.blobs.get(rest);
      return found ? send('application/octet-stream', found, rest) : fail(response, 404, 'BLOB_UNKNOWN');
    }

    if (method === 'POST') {
      const mounted = open(query.get('from') ?? '').blobs.get(query.get('mount') ?? '');
      if (mounted && failure?.kind !== 'refuse-mount') {
        repository.blobs.set(digestOf(mounted), mounted);
        return void response.writeHead(201, { location: `/v2/${name}/blobs/${digestOf(mounted)}` }).end();
      }
      const id = randomUUID();
      uploads.set(id, []);
      return void response.writeHead(202, { location: `/v2/${name}/blobs/uploads/${id}?state=x` }).end();
    }
    const upload = uploads.get(rest);
    if (!upload) return fail(response, 404, 'BLOB_UPLOAD_UNKNOWN');
    upload.push(body);
    if (method === 'PATCH')
      return void response.writeHead(202, { location: `/v2/${name}/blobs/uploads/${rest}?state=y` }).end();
    uploads.delete(rest);
    const content = Buffer.concat(upload);
    if (digestOf(content) !== query.get('digest')) return fail(response, 400, 'DIGEST_INVALID');
    if (failure?.kind !== 'forget') repository.blobs.set(digestOf(content), content);
    response.writeHead(201, { location: `/v2/${name}/blobs/${digestOf(content)}` }).end();
  };

  const onRequest = (request: IncomingMessage, response: ServerResponse): void =>
    void serve(request, response).catch(() => response.destroy());
  const server = options.tls ? createTlsServer(options.tls, onRequest) : createPlainServer(onRequest);
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  origin = `${options.tls ? 'https' : 'http'}://${host}`;

  return {
    url: origin,
    host,
    requests,
    gate,
    fault: (fault) => {
      const entry = { fault, left: fault.times ?? Infinity };
      faults.push(entry);
      return () => void faults.splice(faults.indexOf(entry), 1);
    },
    putBlob: (repository, content) => {
      open(repository).blobs.set(digestOf(content), content);
      return digestOf(content);
    },
    putManifest: (repository, tag, manifest) => {
      const body = Buffer.from(JSON.stringify(manifest));
      const { mediaType = 'application/vnd.oci.image.manifest.v1+json' } = manifest as { mediaType?: string };
      open(repository).manifests.set(digestOf(body), { type: mediaType, body });
      open(repository).tags.set(tag, digestOf(body));
      return digestOf(body);
    },
    blobs: (repository) => [...(repositories.get(repository)?.blobs.keys() ?? [])],
    blob: (repository, digest) => {
      const found = repositories.get(repository)?.blobs.get(digest);
      if (!found) throw new Error(`there is no blob ${digest} in ${repository}`);
      return found;
    },
    manifest: (repository, digest) => {
      const found = repositories.get(repository)?.manifests.get(digest);
      if (!found) throw new Error(`there is no manifest ${digest} in ${repository}`);
      return JSON.parse(found.body.toString()) as object;
    },
    dropBlob: (repository, digest) => void repositories.get(repository)?.blobs.delete(digest),
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
};
