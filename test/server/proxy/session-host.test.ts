import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';

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
import { startRecordingUpstream, type RecordingUpstream } from './recording-upstream.ts';

describe("a session's own host", () => {
  let proxy: Proxy;
  let upstream: RecordingUpstream;
  let session = '';
  let own = '';
  before(async () => {
    upstream = await startRecordingUpstream({
      onRequest: (_, response) =>
        void response.writeHead(200, { 'content-type': 'text/html', 'set-cookie': '_xsrf=1' }).end('<p>hi</p>'),
    });
    proxy = await startProxy();
    session = proxy.spawner.add({ socketPath: upstream.socketPath });
    own = proxy.ownHost(session);
  });
  after(async () => {
    await proxy.close();
    await upstream.close();
  });
  const navigate = {
    'sec-fetch-mode': 'navigate',
    'sec-fetch-dest': 'document',
    'sec-fetch-site': 'cross-site',
    accept: 'text/html',
  };
  const ask = (target: string, host: string, headers: Record<string, string>): Promise<string> =>
    rawExchange(proxy.port, requestHead('GET', target, host, headers));
  const header = (answer: string, name: string): string | undefined =>
    new RegExp(`^${name}: (.*)\r$`, 'im').exec(answer)?.[1];

  it('takes over a navigation with a token from the shared host, and turns the token into a cookie', async () => {
    const token = proxy.token(session);
    const path = `/user/${session}/lab/tree/x.ipynb`;
    const first = await ask(`${path}?a=1&token=${token}`, `127.0.0.1:${proxy.port}`, navigate);
    assert.equal(statusOf(first), 302);
    assert.equal(header(first, 'set-cookie'), undefined);
    assert.equal(header(first, 'referrer-policy'), 'no-referrer');
    assert.equal(header(first, 'location'), `http://${own}${path}?a=1&token=${token}`);
    const second = await ask(`${path}?a=1&token=${token}`, own, navigate);
    assert.equal(statusOf(second), 302);
    assert.equal(header(second, 'location'), `${path}?a=1`);
    assert.equal(header(second, 'cache-control'), 'no-store');
    const cookie = header(second, 'set-cookie')!;
    assert.match(
      cookie,
      /^liveleaf-session=ll_[^;]+; Path=\/user\/[a-z2-7]{26}\/; Max-Age=3[56]\d\d; HttpOnly; SameSite=Lax$/,
    );
    const third = await ask(`${path}?a=1`, own, { ...navigate, cookie: cookie.split(';')[0]! });
    assert.equal(statusOf(third), 200);
    assert.equal(header(third, 'set-cookie'), undefined);
    assert.equal(header(third, 'content-security-policy'), undefined);
    assert.equal(header(third, 'x-content-type-options'), 'nosniff');
    assert.equal(upstream.seen.length, 1);
    assert.equal(upstream.seen[0]!.url, `${path}?a=1`);
    assert.equal(upstream.seen[0]!.headers.cookie, undefined);
  });

  it('is not given away for a wrong token, nor to another session', async () => {
    const other = proxy.spawner.add({ socketPath: upstream.socketPath });
    const path = `/user/${session}/lab`;
    for (const token of ['x', proxy.token(other), upstreamToken(ring, session)])
      for (const host of [`127.0.0.1:${proxy.port}`, own]) {
        const answer = await ask(`${path}?token=${token}`, host, navigate);
        assert.equal(statusOf(answer), 401);
        assert.equal(header(answer, 'set-cookie'), undefined);
        assert.equal(header(answer, 'location'), undefined);
      }
    const crossed = await ask(path, proxy.ownHost(other), { authorization: `token ${proxy.token(session)}` });
    assert.equal(statusOf(crossed), 404);
    const stolen = { cookie: `liveleaf-session=${proxy.token(session)}`, 'sec-fetch-site': 'same-origin' };
    assert.equal(statusOf(await ask(path, proxy.ownHost(other), stolen)), 404);
    assert.equal(statusOf(await ask(`/user/${other}/lab`, proxy.ownHost(other), stolen)), 401);
  });

  it('takes sockets of its own page by cookie, and of no other', async () => {
    const cookie = `liveleaf-session=${proxy.token(session)}`;
    const target = `/user/${session}/api/kernels/1/channels`;
    const open = async (headers: Record<string, string>): Promise<number> =>
      statusOf(await rawExchange(proxy.port, upgradeHead(target, own, { cookie, ...headers })));
    assert.equal(await open({ origin: `http://${own}` }), 101);
    assert.equal(await open({}), 401);
    assert.equal(await open({ origin: PAGE_ORIGIN }), 401);
    assert.equal(await open({ origin: `http://${proxy.ownHost(newSessionName())}` }), 403);
    assert.equal(await open({ origin: 'null' }), 403);
    assert.equal(await open({ origin: `https://${own}` }), 403);
  });

  it('is the only place for pages: elsewhere they are sandboxed and no worker is served', async () => {
    const authorization = `token ${proxy.token(session)}`;
    const host = `127.0.0.1:${proxy.port}`;
    const answer = await ask(`/user/${session}/files/x.html`, host, { authorization });
    assert.equal(header(answer, 'content-security-policy'), 'sandbox');
    assert.equal(header(answer, 'x-content-type-options'), 'nosniff');
    assert.equal(
      statusOf(await ask(`/user/${session}/files/sw.js`, host, { authorization, 'service-worker': 'script' })),
      403,
    );
  });

  it('may be missing: then a page with a token in its address is served, sandboxed', async () => {
    const alone = await startProxy({ spawner: proxy.spawner, ownHosts: false });
    const target = `/user/${session}/lab?token=${alone.token(session)}`;
    const answer = await rawExchange(alone.port, requestHead('GET', target, `127.0.0.1:${alone.port}`, navigate));
    assert.equal(statusOf(answer), 200);
    assert.equal(header(answer, 'content-security-policy'), 'sandbox');
    assert.equal(header(answer, 'set-cookie'), undefined);
    await alone.close();
  });
});
