import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';

import fc from 'fast-check';

import { newSessionName } from '../../../server/sessions/session-name.ts';
import { upstreamToken } from '../../../server/sessions/session-tokens.ts';
import {
  PAGE_ORIGIN,
  rawExchange,
  requestHead,
  ring,
  startProxy,
  statusOf,
  upgradeHead,
  type Proxy,
} from './harness.ts';
import { HOSTILE_ORIGINS } from './hostile-origins.ts';
import { FOREIGN_TARGETS, HOSTILE_SUFFIXES, JUPYTER_PATHS } from './hostile-paths.ts';
import { startRecordingUpstream, type RecordingUpstream } from './recording-upstream.ts';

describe('who may reach a session', () => {
  let proxy: Proxy;
  let left: RecordingUpstream;
  let right: RecordingUpstream;
  let a = '';
  let b = '';
  let host = '';

  before(async () => {
    left = await startRecordingUpstream();
    right = await startRecordingUpstream();
    proxy = await startProxy();
    a = proxy.spawner.add({ socketPath: left.socketPath });
    b = proxy.spawner.add({ socketPath: right.socketPath });
    host = `127.0.0.1:${proxy.port}`;
  });
  beforeEach(() => {
    left.seen.length = 0;
    right.seen.length = 0;
  });
  after(async () => {
    await proxy.close();
    await Promise.all([left.close(), right.close()]);
  });

  /** Asks for one path with one token, over HTTP and as an upgrade; gives both statuses. */
  const both = async (path: string, headers: Record<string, string>): Promise<number[]> => {
    const target = `/user/${a}/${path}`;
    const answers = [
      rawExchange(proxy.port, requestHead('GET', target, host, headers)),
      rawExchange(proxy.port, upgradeHead(target, host, { origin: PAGE_ORIGIN, ...headers })),
    ];
    return (await Promise.all(answers)).map(statusOf);
  };

  it(`is decided by its own token alone, on ${JUPYTER_PATHS.length} paths, over HTTP and as an upgrade`, async () => {
    const tokens: readonly [string, Record<string, string>, number[]][] = [
      ['its own', { authorization: `Bearer ${proxy.token(a)}` }, [200, 101]],
      ["another session's", { authorization: `Bearer ${proxy.token(b)}` }, [401, 401]],
      ['none', {}, [401, 401]],
      ['expired', { authorization: `token ${proxy.token(a, { expiresAt: Date.now() - 1 })}` }, [410, 410]],
      ['of an earlier generation', { authorization: `token ${proxy.token(a, { generation: 0 })}` }, [401, 401]],
      ['garbled', { authorization: `token ${proxy.token(a).slice(0, -1)}` }, [401, 401]],
      ['of the upstream', { authorization: `token ${upstreamToken(ring, a)}` }, [401, 401]],
    ];
    for (const path of JUPYTER_PATHS)
      for (const [what, headers, expected] of tokens)
        assert.deepEqual(await both(path, headers), expected, `${what} on ${path}`);
    assert.equal(left.seen.length, JUPYTER_PATHS.length * 2);
    assert.deepEqual(right.seen, []);
    for (const { url, headers } of left.seen) {
      assert.ok(url.startsWith(`/user/${a}/`));
      assert.equal(headers.host, 'localhost');
      assert.equal(headers.authorization, `token ${upstreamToken(ring, a)}`);
      assert.equal(headers.origin, undefined);
      assert.equal(headers.cookie, undefined);
    }
  });

  it('takes the token in every place where clients can put it, and passes it on in none', async () => {
    const token = proxy.token(a);
    const target = `/user/${a}/api/kernels/1/channels?session_id=1`;
    const query = `${target}&token=${token}`;
    const subprotocol = { 'sec-websocket-protocol': `v1.kernel.websocket.jupyter.org, v1.token.liveleaf.${token}` };
    const answers = [
      await rawExchange(proxy.port, requestHead('GET', query, host)),
      await rawExchange(proxy.port, upgradeHead(query, host, { origin: PAGE_ORIGIN })),
      await rawExchange(proxy.port, upgradeHead(target, host, subprotocol)),
      await rawExchange(
        proxy.port,
        upgradeHead(target, host, { 'sec-websocket-protocol': `v1.token.liveleaf.${token}` }),
      ),
    ];
    assert.deepEqual(answers.map(statusOf), [200, 101, 101, 101]);
    assert.match(answers[0]!, /cache-control: no-store/i);
    assert.match(answers[0]!, /referrer-policy: no-referrer/i);
    assert.match(answers[2]!, /Sec-WebSocket-Protocol: v1\.kernel\.websocket\.jupyter\.org\r\n/);
    assert.ok(!answers[2]!.includes(token));
    assert.ok(answers[3]!.includes(`Sec-WebSocket-Protocol: v1.token.liveleaf.${token}\r\n`));
    assert.ok(answers.every((answer) => !/set-cookie/i.test(answer)));
    assert.equal(left.seen.length, 4);
    for (const seen of left.seen) {
      assert.equal(seen.url, target);
      assert.ok(!JSON.stringify(seen).includes(token));
    }
    assert.equal(left.seen[2]!.headers['sec-websocket-protocol'], 'v1.kernel.websocket.jupyter.org');
    assert.equal(left.seen[3]!.headers['sec-websocket-protocol'], undefined);
  });

  it('needs an origin beside a token that stands only in the address of an upgrade', async () => {
    const target = `/user/${a}/api/kernels/1/channels?token=${proxy.token(a)}`;
    assert.equal(statusOf(await rawExchange(proxy.port, upgradeHead(target, host))), 401);
    assert.deepEqual(left.seen, []);
  });

  it(`refuses ${HOSTILE_ORIGINS.length} origins on requests, upgrades and preflights, with a good token`, async () => {
    const target = `/user/${a}/api/status`;
    const authorization = `token ${proxy.token(a)}`;
    // These bytes cannot stand in a header, or a reader of headers takes them off.
    const sendable = HOSTILE_ORIGINS.filter((origin) => /^[!-~]([ -~]*[!-~])?$/.test(origin));
    assert.ok(sendable.length >= 60);
    for (const origin of sendable) {
      const asked = await rawExchange(proxy.port, requestHead('GET', target, host, { origin, authorization }));
      const upgrade = await rawExchange(proxy.port, upgradeHead(target, host, { origin, authorization }));
      const preflight = await rawExchange(
        proxy.port,
        requestHead('OPTIONS', target, host, { origin, 'access-control-request-method': 'GET' }),
      );
      for (const answer of [asked, upgrade, preflight]) {
        assert.equal(statusOf(answer), 403, origin);
        assert.ok(!/access-control-allow/i.test(answer), origin);
        assert.match(answer, /"code":"not_allowed"/);
      }
    }
    assert.deepEqual(left.seen, []);
  });

  it('refuses hosts that are not ours', async () => {
    const authorization = `token ${proxy.token(a)}`;
    const foreign = [
      'evil.example',
      `evil.example:${proxy.port}`,
      '127.0.0.1',
      `127.0.0.1:${proxy.port + 1}`,
      `127.0.0.1:${proxy.port}.evil.example`,
      `x.localhost:${proxy.port}`,
      `[::1]:${proxy.port}`,
      '0',
      'localhost',
    ];
    for (const name of foreign) {
      const target = `/user/${a}/api/status`;
      assert.equal(
        statusOf(await rawExchange(proxy.port, requestHead('GET', target, name, { authorization }))),
        403,
        name,
      );
      assert.equal(statusOf(await rawExchange(proxy.port, upgradeHead(target, name, { authorization }))), 403, name);
    }
    assert.deepEqual(left.seen, []);
  });

  it('lets no path leave its session, over HTTP and as a raw upgrade', async () => {
    const authorization = `token ${proxy.token(a)}`;
    const targets = [...HOSTILE_SUFFIXES.map((suffix) => `/user/${a}/${suffix}`), ...FOREIGN_TARGETS(a)];
    for (const target of targets)
      for (const bytes of [
        requestHead('GET', target, host, { authorization }),
        upgradeHead(target, host, { authorization }),
      ]) {
        const status = statusOf(await rawExchange(proxy.port, bytes));
        assert.ok([400, 403, 404].includes(status), `${status} for ${JSON.stringify(target)}`);
      }
    assert.deepEqual([...left.seen, ...right.seen], []);
    assert.equal((await both('api/status', { authorization })).join(), '200,101', 'and still works');
  });

  it('lets nothing outside the prefix reach a server, whatever the path is made of', async () => {
    const piece = fc.constantFrom(
      '..',
      '.',
      '/',
      '%2e',
      '%2f',
      '%5c',
      '\\',
      ';',
      '%00',
      '%25',
      'a',
      '?',
      '&token=',
      'liveleaf',
      b,
      'user',
    );
    const authorization = `token ${proxy.token(a)}`;
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { minLength: 1, maxLength: 10 }), fc.boolean(), async (pieces, isUpgrade) => {
        const target = `/user/${a}/${pieces.join('')}`;
        const head = isUpgrade
          ? upgradeHead(target, host, { authorization })
          : requestHead('GET', target, host, { authorization });
        const status = statusOf(await rawExchange(proxy.port, head));
        assert.ok([101, 200, 400, 401, 403, 404].includes(status), `${status} for ${target}`);
      }),
      { numRuns: 300 },
    );
    assert.deepEqual(right.seen, []);
    for (const { url } of left.seen) {
      assert.ok(url.startsWith(`/user/${a}/`), url);
      assert.ok(!/\/\.\.?(\/|$|;)|%2f|%5c|%00|\\|\/\//i.test(url.split('?')[0]!), url);
    }
  });

  it('says truthfully why a session cannot be reached', async () => {
    const states: readonly [string, Parameters<Proxy['spawner']['add']>[1], number, string][] = [
      ['queued', { state: 'reserved' }, 502, 'unhealthy'],
      ['starting', { state: 'starting' }, 502, 'unhealthy'],
      ['lost', { state: 'ready' }, 410, 'session_lost'],
      ['out of memory', { state: 'failed', error: { code: 'session_oom', message: 'Too much.' } }, 410, 'session_oom'],
      ['crashed', { state: 'failed', error: { code: 'session_crashed', message: 'Down.' } }, 502, 'session_crashed'],
      [
        'failed in the page only',
        { state: 'failed', error: { code: 'kernel_dead', message: 'Dead.' } },
        410,
        'session_lost',
      ],
    ];
    const ask = async (session: string) =>
      fetch(`${proxy.origin}/user/${session}/api`, {
        headers: { authorization: `token ${proxy.token(session)}`, origin: PAGE_ORIGIN },
      });
    for (const [what, change, status, code] of states) {
      const response = await ask(proxy.spawner.add(undefined, change));
      const problem = (await response.json()) as { code: string; detail: string };
      assert.deepEqual([response.status, problem.code], [status, code], what);
      assert.equal(response.headers.get('content-type'), 'application/problem+json');
      assert.equal(response.headers.get('access-control-allow-origin'), PAGE_ORIGIN);
      assert.ok(problem.detail.length > 3);
    }
    const never = await ask(newSessionName());
    assert.deepEqual([never.status, ((await never.json()) as { code: string }).code], [410, 'session_lost']);
    const stopped = proxy.spawner.add({ socketPath: left.socketPath });
    assert.equal((await ask(stopped)).status, 200);
    await proxy.spawner.stop(stopped);
    assert.equal((await ask(stopped)).status, 410, 'stopping revokes at once');
  });

  it('keeps methods that are not of a Jupyter client away', async () => {
    const authorization = `token ${proxy.token(a)}`;
    for (const method of ['TRACE', 'CONNECT', 'PROPFIND', 'PURGE'])
      assert.notEqual(
        statusOf(await rawExchange(proxy.port, requestHead(method, `/user/${a}/`, host, { authorization }), 500)),
        200,
      );
    assert.deepEqual(left.seen, []);
  });

  it('logs no token, nor answers with one', () => {
    const log = proxy.log.join('\n');
    for (const session of [a, b]) assert.ok(!log.includes(upstreamToken(ring, session)));
    assert.ok(!log.includes('ll_'));
  });
});
