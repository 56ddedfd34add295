import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** One event as a BinderHub writes it: any object, some without a phase. */
type BinderhubEvent = Readonly<Record<string, unknown>>;

const COLD_BUILD: readonly BinderhubEvent[] = [
  { phase: 'waiting', message: 'Waiting for build to start...\n' },
  { message: 'Picked Git content provider.\n' },
  { phase: 'fetching', message: 'Cloning into /tmp/repo2dockerx...\n' },
  { phase: 'unknown', message: 'not JSON\n' },
  { phase: 'building', message: 'Step 1/50 : FROM ubuntu\n' },
  { phase: 'building', message: '\u001b[1mdownloading\u001b[0m 10%\r90%\n' },
  { phase: 'pushing', message: 'Pushing image\n', progress: { layer1: { current: 1, total: 2 } } },
  { phase: 'built', imageName: 'registry/image:abc', message: 'Built image, launching...\n' },
  { phase: 'launching', message: 'Launching server...\n' },
];

const ready = (address: string, spec: string): BinderhubEvent => ({
  phase: 'ready',
  message: `server running at ${address}/user/binder-abc/\n`,
  image: 'registry/image:abc',
  repo_url: 'https://github.com/owner/name',
  token: 'aBcDeFgHiJkLmNoPqRsTuV',
  binder_ref_url: 'https://github.com/owner/name/tree/abc',
  binder_launch_host: `${address}/`,
  binder_request: `v2/${spec}`,
  binder_persistent_request: `v2/${spec.replace(/[^/]+$/, 'abc')}`,
  url: `${address}/user/binder-abc/`,
});

export interface BinderhubServer {
  readonly address: string;
  /** Builds asked for so far, by spec. */
  readonly builds: ReadonlyMap<string, number>;
  close(): Promise<void>;
}

/**
 * A small server that speaks a plain BinderHub's stream: only `data:` lines and comments, no ids, nothing resumed.
 * A spec's last segment says what goes wrong: `cut-<n>` (the first n streams break before they are ready), `failed`
 * (an image that does not build; the event comes twice), `quota`, `limited` (429 once), `build-only`, `late-cut`
 * (the stream breaks right after `ready`).
 */
export const startBinderhub = async (): Promise<BinderhubServer> => {
  const builds = new Map<string, number>();
  let address = '';

  const stream = (response: ServerResponse, events: readonly BinderhubEvent[]) => {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
    for (const event of events) response.write(`data: ${JSON.stringify(event)}\n\n:keepalive\n\n`);
  };

  const build = (response: ServerResponse, spec: string) => {
    const count = (builds.get(spec) ?? 0) + 1;
    builds.set(spec, count);
    const fault = spec.split('/').at(-1) ?? '';
    const cuts = Number(/^cut-(\d+)$/.exec(fault)?.[1] ?? 0);
    if (count <= cuts) {
      stream(response, COLD_BUILD.slice(0, 5));
      return void setTimeout(() => response.destroy(), 20);
    }
    if (fault === 'limited' && count === 1)
      return void response.writeHead(429, { 'retry-after': '1' }).end('Rate limit exceeded.');
    if (fault === 'quota') {
      const message = 'Too many users on this BinderHub! Try again soon.';
      return void stream(response, [{ phase: 'failed', message, status_code: 503 }]);
    }
    const failure = { phase: 'failed', message: 'Built image failed\n' };
    if (fault === 'failed') return void stream(response, [...COLD_BUILD.slice(0, 6), failure, { phase: 'failed' }]);
    if (fault === 'build-only') {
      const done = { phase: 'ready', message: 'Done! Image built\n', imageName: 'registry/image:abc' };
      return void stream(response, [...COLD_BUILD.slice(0, 8), done]);
    }
    stream(response, [...COLD_BUILD, ready(address, spec)]);
    if (fault === 'late-cut') setTimeout(() => response.destroy(), 5);
  };

  const server = createServer((request, response) => {
    const path = (request.url ?? '/').split('?', 1)[0] ?? '/';
    response.setHeader('access-control-allow-origin', '*');
    if (request.method === 'OPTIONS')
      return void response.writeHead(200, { 'access-control-allow-headers': 'cache-control' }).end();
    if (path === '/versions') {
      const versions = { builder_info: { 'repo2docker-version': '2026.4.0' }, binderhub: '1.0.0', builder: 'r2d' };
      return void response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(versions));
    }
    if (path === '/builds') return void response.end(JSON.stringify(Object.fromEntries(builds)));
    if (!path.startsWith('/build/')) return void response.writeHead(404).end();
    if (!(request.headers.accept ?? '').includes('text/event-stream'))
      return void stream(response, [
        { phase: 'failed', message: 'Accept must be text/event-stream', status_code: 400 },
      ]);
    build(response, path.slice('/build/'.length));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    address,
    builds,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
};
