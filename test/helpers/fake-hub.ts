import { createHash, randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  API,
  encodeEvent,
  formatEventId,
  HEADERS,
  isTerminal,
  parseEventId,
  parseRepoSpec,
  comparePositions,
  positionOf,
  START_OF_STREAM,
  type ErrorCode,
  type LaunchEvent,
  type LaunchRequest,
} from '../../sdk/contract/index.ts';

/** One launch as the fake hub knows it, with what was asked about it. */
interface FakeLaunch {
  readonly id: string;
  readonly token: string;
  readonly request: LaunchRequest;
  readonly faults: ReadonlyMap<string, string>;
  /** Connections to its event stream so far. */
  streams: number;
  posts: number;
  readonly lastEventIds: (string | undefined)[];
  cancelled: boolean;
}

const ROOT_EVENTS: readonly LaunchEvent[] = [
  { phase: 'waiting', message: 'Resolving the ref' },
  { phase: 'fetching', line: 1, message: 'Cloning' },
  { phase: 'fetching', line: 2, message: 'Done' },
  { phase: 'building', line: 1, message: 'Resolved 3 packages' },
  { phase: 'building', line: 2, message: '\u001b[32mnumpy\u001b[0m 50%\r100%' },
  { phase: 'building', line: 3, message: 'Über 🌱 <b>&amp;</b>' },
  { phase: 'built', environment: 'k'.repeat(32), cached: false },
  { phase: 'launching', line: 1, message: 'Starting the kernel' },
];

const ready = (address: string): LaunchEvent => ({
  phase: 'ready',
  url: `${address}/user/abc/`,
  token: 'session-token',
  expiresAt: 4_000_000_000_000,
  idleTimeoutMs: 600_000,
  session: 'abc',
  kernel: { id: '11111111-1111-4111-8111-111111111111', name: 'python3' },
});

const failed: LaunchEvent = {
  phase: 'failed',
  code: 'build_failed',
  message: 'requirements.txt, line 2: there is no package nmpy.',
  retryable: false,
  detail: { file: 'requirements.txt', line: 2, package: 'nmpy' },
};

/** `cut=17,restart=1` in a spec's ref tells the hub which faults to make. */
const faultsOf = (ref: string): Map<string, string> =>
  new Map(ref.split(',').map((part) => part.split('=', 2) as [string, string]));

/**
 * A hub that speaks the native protocol and makes the faults that a spec's ref names, each once or as often as said:
 * `cut=<byte>` (the first stream ends there, the socket destroyed), `cuts=<n>` (n streams end after their first new
 * event), `status=<code>` with `times=<n>` and `after=<seconds>` (POST), `streamstatus=…` (events), `silence=1` (the
 * first stream says nothing), `lost=<n>` (events answer 404 and the launch is forgotten), `fail=1`, `lines=<n>`,
 * `problem=<code>`, `ended=1` (204 without a terminal event), `waits=1` (no terminal event until it is cancelled).
 */
export class FakeHub {
  readonly #server: Server;
  readonly launches = new Map<string, FakeLaunch>();
  /** Method and address of each request. */
  readonly requests: string[] = [];
  readonly #counts = new Map<string, number>();
  address = '';

  constructor() {
    this.#server = createServer((request, response) => {
      void this.#handle(request, response).catch(() => response.destroy());
    });
  }

  async start(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    this.address = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
    return this;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** How often something was done for a spec: the first time is 1. */
  #count(name: string): number {
    const count = (this.#counts.get(name) ?? 0) + 1;
    this.#counts.set(name, count);
    return count;
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = new URL(request.url ?? '/', 'http://hub').pathname;
    this.requests.push(`${request.method} ${request.url}`);
    // Below this path the hub allows no other origin, as one whose owner has not named the page's.
    if (!path.startsWith('/closed/')) response.setHeader('access-control-allow-origin', '*');
    response.setHeader('access-control-allow-headers', 'authorization, content-type, idempotency-key, last-event-id');
    response.setHeader('access-control-allow-methods', 'GET, POST, DELETE');
    response.setHeader('access-control-expose-headers', 'retry-after');
    if (request.method === 'OPTIONS') return void response.writeHead(204).end();
    if (path.endsWith('/versions') && !path.startsWith('/nothing/'))
      return json(response, 200, { liveleaf: '0.1.0', binderhub: '1.0', api: 1 });
    if (path === '/requests') return json(response, 200, this.requests);
    if (path === '/launches') return json(response, 200, this.#summary());
    if (path === API.launches && request.method === 'POST') return this.#create(request, response);
    const match = /^\/api\/launches\/([^/]+)(\/events)?$/.exec(path);
    const launch = this.launches.get(match?.[1] ?? '');
    if (!launch) return problem(response, 404, 'not_found', 'There is no such launch.');
    if (request.headers.authorization !== `Bearer ${launch.token}`)
      return problem(response, 401, 'unauthorized', 'The launch token is missing or wrong.');
    if (match?.[2]) return this.#events(launch, request, response);
    if (request.method === 'DELETE') {
      launch.cancelled = true;
      return void response.writeHead(204).end();
    }
    json(response, 200, {
      id: launch.id,
      spec: launch.request.spec,
      phase: 'failed',
      createdAt: 0,
      error: { code: 'session_lost', message: 'The session was lost.' },
    });
  }

  /** What a test in a browser may look at. */
  #summary() {
    return [...this.launches.values()].map(({ request, streams, posts, cancelled, lastEventIds }) => ({
      spec: request.spec,
      streams,
      posts,
      cancelled,
      lastEventIds,
    }));
  }

  async #create(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = '';
    for await (const chunk of request) body += String(chunk);
    const asked = JSON.parse(body) as LaunchRequest;
    const key = request.headers[HEADERS.idempotencyKey];
    if (typeof key !== 'string') return problem(response, 400, 'bad_spec', 'A test of the SDK always sends a key.');
    const faults = faultsOf(parseRepoSpec(asked.spec).ref);
    if (faults.has('problem')) {
      return problem(response, 403, faults.get('problem') as ErrorCode, 'This hub does not run that repository.');
    }
    if (faults.has('status') && this.#count(`post ${asked.spec}`) <= Number(faults.get('times') ?? 1)) {
      if (faults.has('after')) response.setHeader('retry-after', faults.get('after')!);
      return void response.writeHead(Number(faults.get('status'))).end();
    }
    const id = createHash('sha256').update(`${key} ${asked.spec}`).digest('base64url');
    const known = this.launches.get(id);
    const launch = known ?? {
      id,
      token: randomBytes(16).toString('base64url'),
      request: asked,
      faults,
      streams: 0,
      posts: 0,
      lastEventIds: [],
      cancelled: false,
    };
    launch.posts += 1;
    this.launches.set(id, launch);
    const state = { id, spec: asked.spec, phase: 'waiting', createdAt: 0 };
    // The answer is lost on its way: the client asks again with the same key and must meet the same launch.
    if (faults.has('postcut') && launch.posts === 1) return void response.destroy();
    if (faults.has('bodycut') && launch.posts === 1) {
      // The head came through, and the connection breaks in the middle of what it announced.
      response.writeHead(201, { 'content-type': 'application/json', 'content-length': 500 });
      return void response.write('{"id":', () => response.destroy());
    }
    json(response, known ? 200 : 201, { id, token: launch.token, state });
  }

  #script(launch: FakeLaunch): LaunchEvent[] {
    const lines = Number(launch.faults.get('lines') ?? 0);
    const many = Array.from({ length: lines }, (_, index): LaunchEvent => ({
      phase: 'launching',
      line: index + 2,
      message: `line ${index + 2}`,
    }));
    const end = launch.faults.has('fail') ? failed : ready(this.address);
    return [...ROOT_EVENTS, ...many, ...(launch.faults.has('waits') ? [] : [end])];
  }

  #events(launch: FakeLaunch, request: IncomingMessage, response: ServerResponse): void {
    launch.streams += 1;
    const header = request.headers[HEADERS.lastEventId];
    launch.lastEventIds.push(typeof header === 'string' ? header : undefined);
    const { faults, streams } = launch;
    if (faults.has('ended')) return void response.writeHead(204).end();
    if (faults.has('lost') && this.#count(`loss ${launch.id}`) <= Number(faults.get('lost'))) {
      this.launches.delete(launch.id);
      return problem(response, 404, 'not_found', 'There is no such launch.');
    }
    if (faults.has('streamstatus') && streams <= Number(faults.get('times') ?? 1)) {
      return void response.writeHead(Number(faults.get('streamstatus'))).end();
    }
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store, no-transform' });
    response.flushHeaders();
    if (faults.has('silence') && streams === 1) return;
    const seen = typeof header === 'string' ? parseEventId(header)?.position : undefined;
    const events = this.#script(launch).filter(
      (event) => seen === undefined || comparePositions(positionOf(event), seen) > 0,
    );
    const first = `retry: 500\nid: ${formatEventId(launch.id, seen ?? START_OF_STREAM)}\n`;
    const text = (event: LaunchEvent) =>
      `id: ${formatEventId(launch.id, positionOf(event))}\ndata: ${encodeEvent(event)}\n\n`;
    const whole = Buffer.from(`${first}${events.map(text).join(':keepalive\n\n')}`);
    const cut = faults.has('cut') && streams === 1 ? Number(faults.get('cut')) : undefined;
    if (cut !== undefined && cut < whole.length) {
      response.write(whole.subarray(0, cut), () => setImmediate(() => response.destroy()));
    } else if (streams <= Number(faults.get('cuts') ?? 0)) {
      // A browser throws away what it has not yet read when a connection is reset.
      response.write(Buffer.from(`${first}${text(events[0]!)}`), () => setTimeout(() => response.destroy(), 20));
    } else if (events.some(isTerminal)) response.end(whole);
    else response.write(whole);
  }
}

const json = (response: ServerResponse, status: number, body: unknown): void => {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
};

const problem = (response: ServerResponse, status: number, code: ErrorCode, detail: string): void => {
  response
    .writeHead(status, { 'content-type': 'application/problem+json' })
    .end(JSON.stringify({ type: 'about:blank', title: code, status, detail, code, retryable: false }));
};

/** Starts a fake hub on loopback. */
export const startFakeHub = (): Promise<FakeHub> => new FakeHub().start();
