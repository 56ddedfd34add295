import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { decodeEvent } from '../../../sdk/contract/index.ts';
import { openSse } from '../../helpers/sse-client.ts';
import { startTestHub, type TestHub } from '../../helpers/test-hub.ts';

describe('BinderHub’s routes', () => {
  let hub: TestHub;
  before(async () => void (hub = await startTestHub()));
  after(() => hub.close());
  const text = async (path: string) => (await fetch(hub.address + path)).text();
  const json = async (path: string) => (await fetch(hub.address + path)).json() as Promise<any>;

  it('streams the fields that its clients read', async () => {
    const stream = await openSse(`${hub.address}/build/gh/owner/name/HEAD`);
    const { data, id } = await stream.until(({ data }) => data['phase'] === 'ready');
    stream.close();
    assert.equal(stream.status, 200);
    assert.equal(stream.headers.get('content-type'), 'text/event-stream');
    const session = [...hub.spawner.records.values()].at(-1)!;
    const url = `http://127.0.0.1:${hub.port + 1}/user/${session.name}/`;
    const { token, expiresAt, kernel, ...rest } = data;
    assert.equal(typeof expiresAt, 'number');
    assert.match(String(token), /^ll_/);
    assert.deepEqual(kernel, { id: `kernel-${session.name}`, name: 'python3' });
    assert.deepEqual(rest, {
      phase: 'ready',
      message: `server running at ${url}\n`,
      url,
      idleTimeoutMs: hub.config.sessions.idleTimeoutMs,
      session: session.name,
      image: session.environment.key,
      repo_url: 'https://example.org/owner/name',
      binder_ref_url: `https://example.org/owner/name/tree/${session.resolvedRef}`,
      binder_launch_host: `${hub.address}/`,
      binder_request: 'v2/gh/owner/name/HEAD',
      binder_persistent_request: `v2/gh/owner/name/${session.resolvedRef}`,
    });
    assert.match(id!, /^[A-Za-z0-9_-]{22}\.6\.0$/);
    const built = stream.messages.find((message) => message.data['phase'] === 'built')!.data;
    assert.equal(built['imageName'], session.environment.key);
    assert.equal(built['message'], 'Built image, launching...\n');
    for (const message of stream.messages) {
      assert.ok(String(message.data['message']).endsWith('\n'), 'clients write messages to a terminal as they are');
      assert.ok(decodeEvent(JSON.stringify(message.data)));
    }
  });

  it('answers every error with a 200 stream and one failed event, whose id stops an EventSource', async () => {
    for (const [path, status, message] of [
      ['xx/owner/name/HEAD', 400, /^No provider found for prefix "xx"/],
      ['gh/owner/name', 400, /names no ref.*Did you mean "gh\/owner\/name\/HEAD"\?/],
      ['gh/owner/name/%E0%A4%A', 400, /broken percent-encoding/],
      ['gh/owner/name/a%00b', 400, /cannot be a ref/],
      ['gh/..%2f..%2fetc/passwd/HEAD', 400, /is no repository of gh/],
      ['git/file%3A%2F%2F%2Fetc/HEAD', 400, /is no repository of git/],
      ['git/https%3A%2F%2Fuser%3Apw%40example.org%2Fx/HEAD', 400, /./],
      [`gh/owner/name/${'x'.repeat(3_000)}`, 400, /longer than/],
      ['gl/group%2Fname/HEAD', 403, /^Sorry, gl\/group\/name is not allowed to launch/],
      ['gh/owner/name/absent', 404, /^Could not resolve ref for gh:owner\/name\/absent\. Double check your URL/],
      ['gh/owner/name/private', 404, /^Could not resolve ref/],
      ['gh/owner/name/HEAD?build_only=true', 400, /build_only/],
    ] as const) {
      const stream = await openSse(`${hub.address}/build/${path}`);
      assert.equal(stream.status, 200, path);
      const failed = await stream.until(({ data }) => data['phase'] === 'failed');
      stream.close();
      const messages = stream.messages.filter(({ data }) => data['phase'] === 'failed');
      assert.equal(messages.length, 1);
      assert.equal(failed.data['status_code'], status, `${path}: ${JSON.stringify(failed.data)}`);
      assert.match(String(failed.data['message']), message);
      const again = await openSse(`${hub.address}/build/${path}`, { 'last-event-id': failed.id! });
      assert.equal(again.status, 204);
    }
  });

  it('names a session by another name of this machine to a page of the same name, whose sockets would have no token', async () => {
    const addressTold = async (origin?: string): Promise<string> => {
      const stream = await openSse(`${hub.address}/build/gh/owner/name/HEAD`, origin === undefined ? {} : { origin });
      const { data } = await stream.until(({ data }) => data['phase'] === 'ready');
      stream.close();
      assert.equal(data['message'], `server running at ${String(data['url'])}\n`);
      return new URL(String(data['url'])).host;
    };
    const port = hub.port + 1;
    assert.equal(await addressTold(), `127.0.0.1:${port}`);
    assert.equal(await addressTold(`http://127.0.0.1:${hub.port}`), `localhost:${port}`);
    assert.equal(await addressTold(`http://localhost:${hub.port}`), `127.0.0.1:${port}`);
  });

  it('keeps an encoded address of a repository whole', async () => {
    const stream = await openSse(`${hub.address}/build/git/https%3A%2F%2Fexample.org%2Fa%2Fb.git/feature/x/`);
    const { data } = await stream.until(({ data }) => data['phase'] === 'ready');
    stream.close();
    assert.equal(data['binder_request'], 'v2/git/https%3A%2F%2Fexample.org%2Fa%2Fb.git/feature/x');
  });

  it('takes every Accept that allows a stream', async () => {
    for (const [accept, takes] of [
      ['text/event-stream', true],
      ['text/event-stream, */*', true],
      ['application/json, text/event-stream;q=0.5', true],
      ['*/*', true],
      ['', true],
      ['text/html,application/xhtml+xml,*/*;q=0.8', true],
      ['application/json', false],
    ] as const) {
      const stream = await openSse(`${hub.address}/build/gh/owner/name/HEAD`, { accept });
      const { data } = await stream.until(({ data }) => data['phase'] === 'ready' || data['phase'] === 'failed');
      assert.equal(data['phase'], takes ? 'ready' : 'failed', accept);
      stream.close();
    }
  });

  it('answers its service routes', async () => {
    const versions = await json('/versions');
    assert.equal(versions.api, 1);
    assert.equal(typeof versions.binderhub, 'string');
    assert.equal(typeof versions.builder, 'string');
    assert.deepEqual(Object.keys(versions.builder_info), ['liveleaf']);
    assert.ok(versions.isolation.length > 0);
    const health = await json('/health');
    assert.equal(health.ok, true);
    assert.deepEqual(
      health.checks.map(({ service }: { service: string }) => service),
      ['Docker registry', 'JupyterHub API', 'Pod quota'],
    );
    assert.equal(health.checks[2]._ignore_failure, true);
    assert.equal((await fetch(`${hub.address}/health`, { method: 'HEAD' })).status, 200);
    const providers = await json('/api/repoproviders');
    assert.deepEqual(providers[0], {
      id: 'gh',
      displayName: 'GitHub',
      spec: { validateRegex: '.+' },
      repo: { label: 'Repository', placeholder: 'owner/name' },
      ref: { enabled: true, default: 'HEAD' },
    });
    assert.equal((await json('/_config')).gh.text, 'Repository');
    for (const path of ['/badge.svg', '/badge_logo.svg'])
      assert.match(await text(path), /^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg"/);
    assert.equal(await text('/robots.txt'), 'User-agent: *\nDisallow: /\n');
    const old = await fetch(`${hub.address}/repo/owner/name/notebooks/a.ipynb`, { redirect: 'manual' });
    assert.equal(old.status, 302);
    assert.equal(old.headers.get('location'), '/v2/gh/owner/name/HEAD?urlpath=%2Fnotebooks%2Fa.ipynb');
  });

  it('has figures without a visitor’s word in them', async () => {
    for (const ref of ['secret-branch-one', 'secret-branch-two']) {
      const stream = await openSse(`${hub.address}/build/gh/owner/secret-name/${ref}`);
      await stream.until(({ data }) => data['phase'] === 'ready');
      stream.close();
    }
    const metrics = await text('/metrics');
    assert.match(metrics, /^liveleaf_launches_total\{result="ready"\} \d+$/m);
    assert.doesNotMatch(metrics, /secret/);
  });

  it('describes its API', async () => {
    const api = await json('/openapi.json');
    assert.equal(api.openapi, '3.1.0');
    assert.deepEqual(Object.keys(api.paths['/api/launches/{id}']).sort(), ['delete', 'get']);
    assert.ok(api.paths['/api/launches'].post.requestBody.content['application/json'].schema.properties.spec);
    assert.ok(api.components.schemas.Problem.properties.code.enum.includes('bad_spec'));
  });

  it('answers the probes whatever the host', async () => {
    assert.deepEqual(await json('/livez'), { ok: true });
    assert.deepEqual(await json('/readyz'), { ok: true });
  });

  it('is not ready, and says why, while what it runs on is away; and tells the age of what it knows', async () => {
    let why: string | undefined = 'The cluster has not told of its pods for a while.';
    const away = await startTestHub({ parts: { hindrance: () => why, watchAgesS: () => ({ sessions: 61.5 }) } });
    try {
      const answer = await fetch(`${away.address}/readyz`);
      assert.equal(answer.status, 503);
      assert.equal(((await answer.json()) as { detail: string }).detail, why);
      assert.equal((await fetch(`${away.address}/health`)).status, 503);
      assert.match(
        await (await fetch(`${away.address}/metrics`)).text(),
        /^liveleaf_watch_age_seconds\{watch="sessions"\} 61\.5$/m,
      );
      why = undefined;
      assert.equal((await fetch(`${away.address}/readyz`)).status, 200);
    } finally {
      await away.close();
    }
  });
});

describe('@jupyterhub/binderhub-client', () => {
  it('works unchanged', async () => {
    const hub = await startTestHub();
    const globals = globalThis as { window?: unknown; document?: unknown };
    // The package is made for browsers and takes its timers from there.
    globals.window = globalThis;
    globals.document = {
      hidden: false,
      cookie: '',
      addEventListener: () => undefined,
      removeEventListener: () => undefined,
    };
    try {
      const { BinderRepository } = (await import('@jupyterhub/binderhub-client/client.js' as string)) as {
        BinderRepository: new (
          spec: string,
          build: URL,
        ) => { fetch(): AsyncIterable<Record<string, string>>; close(): void };
      };
      const repository = new BinderRepository('gh/owner/name/HEAD', new URL(`${hub.address}/build/`));
      const phases: string[] = [];
      for await (const { phase, url, token, message } of repository.fetch()) {
        if (phase !== phases.at(-1)) phases.push(phase!);
        assert.notEqual(phase, 'failed', message);
        if (phase !== 'ready') continue;
        assert.match(url!, /\/user\/[a-z2-7]{26}\/$/);
        assert.ok(token);
        repository.close();
        break;
      }
      assert.deepEqual(phases, ['waiting', 'fetching', 'building', 'built', 'launching', 'ready']);
    } finally {
      delete globals.window;
      delete globals.document;
      await hub.close();
    }
  });
});
