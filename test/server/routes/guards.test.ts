import assert from 'node:assert/strict';
import { request } from 'node:http';
import { after, before, describe, it } from 'node:test';
import { startTestHub, type TestHub } from '../../helpers/test-hub.ts';

const DOCS = 'https://docs.example.org';

describe('the guards', () => {
  let hub: TestHub;
  before(async () => void (hub = await startTestHub({ settings: { origins: [DOCS] } })));
  after(() => hub.close());

  /** `fetch` forbids most of these headers. */
  const ask = (path: string, headers: Record<string, string>, method = 'GET') =>
    new Promise<{ status: number; headers: Record<string, string | string[] | undefined>; body: string }>(
      (resolve, reject) => {
        const asked = request(
          { host: '127.0.0.1', port: hub.port, path, method, headers, setHost: false },
          (answer) => {
            let body = '';
            answer.on('data', (chunk) => (body += String(chunk)));
            answer.on('end', () => resolve({ status: answer.statusCode!, headers: answer.headers, body }));
          },
        );
        asked.on('error', reject).end();
      },
    );
  const own = () => ({ host: `127.0.0.1:${hub.port}` });

  it('answers to its own hosts alone', async () => {
    for (const host of [`127.0.0.1:${hub.port}`, `localhost:${hub.port}`, `LOCALHOST:${hub.port}`])
      assert.equal((await ask('/versions', { host })).status, 200, host);
    for (const host of [
      'localhost',
      '127.0.0.1',
      `127.0.0.1:${hub.port + 1}`,
      `evil.example.org:${hub.port}`,
      `localhost.evil.org:${hub.port}`,
      `xlocalhost:${hub.port}`,
      `127.0.0.2:${hub.port}`,
      `user@127.0.0.1:${hub.port}`,
    ]) {
      for (const path of ['/versions', '/', '/build/gh/owner/name/HEAD', '/metrics', '/liveleaf/latest/liveleaf.js']) {
        const answer = await ask(path, { host });
        assert.equal(answer.status, 403, `${host} ${path}`);
        assert.equal(JSON.parse(answer.body).code, 'not_allowed');
      }
    }
    assert.equal((await ask('/livez', { host: '10.1.2.3:8585' })).status, 200);
  });

  it('gives its figures to who asks a pod by its address, in a cluster alone', async () => {
    const host = '10.1.2.3:8585';
    assert.equal((await ask('/metrics', { host })).status, 403);
    const inCluster = await startTestHub({ settings: { backend: 'kubernetes' } });
    try {
      const status = (path: string) =>
        new Promise<number | undefined>((resolve, reject) => {
          const { port } = inCluster;
          request({ host: '127.0.0.1', port, path, headers: { host }, setHost: false }, (answer) => {
            answer.resume();
            resolve(answer.statusCode);
          })
            .on('error', reject)
            .end();
        });
      assert.deepEqual([await status('/metrics'), await status('/versions')], [200, 403]);
    } finally {
      await inCluster.close();
    }
  });

  it('lets exactly the origins of its list read its answers, never with credentials', async () => {
    for (const origin of [DOCS, `http://127.0.0.1:${hub.port}`, `http://localhost:${hub.port}`]) {
      const { status, headers } = await ask('/versions', { ...own(), origin });
      assert.equal(status, 200);
      assert.equal(headers['access-control-allow-origin'], origin);
      assert.equal(headers['access-control-expose-headers'], 'retry-after');
      assert.equal(headers['access-control-allow-credentials'], undefined);
      assert.match(String(headers['vary']), /Origin/);
    }
    for (const origin of [
      'https://docs.example.org.evil.com',
      'https://xdocs.example.org',
      'http://docs.example.org',
      'https://docs.example.org:444',
      'https://docs.example.org/',
      'https://DOCS.example.org',
      'null',
      '',
      '*',
      `http://127.0.0.1:${hub.port + 1}`,
    ]) {
      for (const path of ['/versions', '/build/gh/owner/name/HEAD', '/api/repoproviders', '/openapi.json']) {
        const { status, headers } = await ask(path, { ...own(), origin });
        assert.equal(status, 403, `${origin} ${path}`);
        assert.equal(headers['access-control-allow-origin'], undefined);
        assert.match(String(headers['vary']), /Origin/);
      }
    }
    assert.equal(hub.spawner.records.size, 0);
  });

  it('answers preflights for the methods and headers that clients send', async () => {
    const { status, headers } = await ask(
      '/api/launches',
      {
        ...own(),
        origin: DOCS,
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'authorization,content-type,idempotency-key',
      },
      'OPTIONS',
    );
    assert.equal(status, 204);
    assert.equal(headers['access-control-allow-origin'], DOCS);
    assert.equal(headers['access-control-max-age'], '600');
    for (const method of ['GET', 'PUT', 'POST', 'PATCH', 'DELETE', 'OPTIONS'])
      assert.ok(String(headers['access-control-allow-methods']).includes(method));
    for (const header of ['accept', 'authorization', 'content-type', 'x-xsrftoken', 'last-event-id', 'idempotency-key'])
      assert.ok(String(headers['access-control-allow-headers']).includes(header), header);
    const refused = await ask(
      '/api/launches',
      { ...own(), origin: 'https://evil.org', 'access-control-request-method': 'POST' },
      'OPTIONS',
    );
    assert.equal(refused.status, 403);
    assert.equal(refused.headers['access-control-allow-origin'], undefined);
  });

  it('launches nothing for an image or script of a foreign page', async () => {
    for (const site of ['cross-site', 'same-site']) {
      const answer = await ask('/build/gh/owner/name/HEAD', {
        ...own(),
        'sec-fetch-mode': 'no-cors',
        'sec-fetch-site': site,
      });
      assert.equal(answer.status, 403);
    }
    assert.equal(hub.spawner.records.size, 0);
  });

  it('sets the headers that keep answers harmless', async () => {
    for (const path of ['/versions', '/api/launches/x', '/nothing', '/health']) {
      const { headers } = await ask(path, own());
      assert.equal(headers['x-content-type-options'], 'nosniff');
      assert.equal(headers['referrer-policy'], 'no-referrer');
      assert.match(String(headers['content-security-policy']), /default-src 'none'/);
      assert.equal(headers['cache-control'], 'no-store');
      assert.equal(headers['server'], undefined);
      assert.equal(headers['x-powered-by'], undefined);
    }
  });

  it('answers what it does not know, and what is malformed or too large, with a problem and no stack', async () => {
    for (const [path, method, status] of [
      ['/nothing', 'GET', 404],
      ['/api/launches', 'GET', 404],
      ['/%zz', 'GET', 400],
      ['/assets/../../../etc/passwd', 'GET', 404],
      ['/assets/%2e%2e/%2e%2e/package.json', 'GET', 404],
      ['/liveleaf/latest/server/main.js', 'GET', 404],
      ['/liveleaf/latest/../../package.json', 'GET', 404],
      ['/liveleaf/9.9.9/liveleaf.js', 'GET', 404],
    ] as const) {
      const answer = await ask(path, own(), method);
      assert.equal(answer.status, status, `${method} ${path}: ${answer.body}`);
      assert.equal(typeof JSON.parse(answer.body).code, 'string', path);
      assert.doesNotMatch(answer.body, /\bat .*\.ts|node_modules/);
    }
    const large = await fetch(`${hub.address}/api/launches`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ spec: 'x'.repeat(70_000) }),
    });
    const problem = (await large.json()) as { code: string; detail: string };
    assert.equal(problem.code, 'bad_spec');
    assert.match(problem.detail, /64 KiB/);
    const broken = await fetch(`${hub.address}/api/launches`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{',
    });
    assert.equal(broken.status, 400);
  });
});

describe('a hub that allows every origin', () => {
  it('says so with a star and without credentials', async () => {
    const hub = await startTestHub({ settings: { origins: ['*'] } });
    try {
      const response = await fetch(`${hub.address}/versions`, { headers: { origin: 'https://anyone.example.org' } });
      assert.equal(response.headers.get('access-control-allow-origin'), '*');
      assert.equal(response.headers.get('access-control-allow-credentials'), null);
    } finally {
      await hub.close();
    }
  });
});
