import assert from 'node:assert/strict';
import type { IncomingHttpHeaders } from 'node:http';
import { describe, it } from 'node:test';

import { requestHeaders, responseHeaders } from '../../../server/proxy/proxied-headers.ts';
import { authenticate, readProtocols, type Credentials } from '../../../server/proxy/session-auth.ts';
import {
  createSessionOrigins,
  isNavigation,
  mayUseCookie,
  placeHeaders,
  readCookies,
} from '../../../server/proxy/session-origin.ts';
import { newSessionName } from '../../../server/sessions/session-name.ts';
import { sessionTokens, upstreamToken } from '../../../server/sessions/session-tokens.ts';
import { ring } from './harness.ts';

const session = newSessionName();
const own = `http://${session}.localhost:8586`;
const tokens = sessionTokens(ring, { now: () => 1000 });
const good = tokens.mint({ session, generation: 1, expiresAt: 2000 });
const late = tokens.mint({ session, generation: 1, expiresAt: 999 });
const foreign = tokens.mint({ session: newSessionName(), generation: 1, expiresAt: 2000 });

describe('hosts of sessions', () => {
  const origins = createSessionOrigins({ sessionHostSuffix: 'localhost:8586' });
  it('are told from the shared one', () => {
    assert.deepEqual(origins.placeOf(`${session}.localhost:8586`), { kind: 'own', session });
    assert.deepEqual(origins.placeOf(`${session}.LOCALHOST:8586`), { kind: 'own', session });
    for (const host of [
      undefined,
      '127.0.0.1:8586',
      'localhost:8586',
      `${session}.localhost`,
      `${session}localhost:8586`,
      `${session}.localhost:8586.evil`,
    ])
      assert.deepEqual(origins.placeOf(host), { kind: 'shared' }, String(host));
  });
  it('are only those below the suffix that a session can have', () => {
    for (const name of ['x', `x.${session}`, session.slice(1), '', '*'])
      assert.equal(origins.placeOf(`${name}.localhost:8586`), undefined, name);
  });
  it('have the origin that a browser shows', () => {
    assert.equal(origins.ownOrigin(session), own);
    const wild = createSessionOrigins({ sessionHostSuffix: 'sessions.example.org', scheme: 'https' });
    assert.equal(wild.ownOrigin(session), `https://${session}.sessions.example.org`);
    assert.equal(createSessionOrigins({}).ownOrigin(session), undefined);
  });
  it('below localhost are led to from this machine only', () => {
    for (const host of ['127.0.0.1:8586', 'localhost:8586', '[::1]:8586']) assert.ok(origins.leadsFrom(host), host);
    for (const host of ['192.168.1.2:8586', 'hub.example', '127.0.0.1.evil.example'])
      assert.equal(origins.leadsFrom(host), false, host);
    assert.ok(createSessionOrigins({ sessionHostSuffix: 'sessions.example.org' }).leadsFrom('sessions.example.org'));
    assert.equal(createSessionOrigins({}).leadsFrom('127.0.0.1:8586'), false);
  });
  it('get a cookie for this host and path alone', () => {
    const path = `/user/${session}/`;
    assert.equal(
      origins.cookie(session, good, 5500),
      `liveleaf-session=${good}; Path=${path}; Max-Age=5; HttpOnly; SameSite=Lax`,
    );
    const wild = createSessionOrigins({ sessionHostSuffix: 'sessions.example.org', scheme: 'https' });
    assert.match(wild.cookie(session, good, -1), /Max-Age=0; HttpOnly; SameSite=Lax; Secure$/);
  });
  it('read their own cookie among others, and not without end', () => {
    assert.deepEqual(readCookies(`a=b; liveleaf-session=${good}; _xsrf=2|x`), [good]);
    assert.deepEqual(readCookies('xliveleaf-session=1; liveleaf-session2=3'), []);
    assert.deepEqual(readCookies(undefined), []);
    assert.equal(readCookies('liveleaf-session=x; '.repeat(50)).length, 16);
  });
});

describe('the cookie counts', () => {
  const document = { 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' };
  const rows: readonly [string, string, IncomingHttpHeaders, boolean][] = [
    ['a script of its own page', 'GET', { 'sec-fetch-site': 'same-origin', 'sec-fetch-mode': 'cors' }, true],
    ['a POST of its own page', 'POST', { origin: own, 'sec-fetch-site': 'same-origin' }, true],
    [
      'its own frame',
      'GET',
      { 'sec-fetch-site': 'same-origin', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'iframe' },
      true,
    ],
    ['an address typed in', 'GET', { 'sec-fetch-site': 'none', ...document }, true],
    ['a link on another site', 'GET', { 'sec-fetch-site': 'cross-site', ...document }, true],
    ['a form of another site', 'POST', { 'sec-fetch-site': 'cross-site', ...document }, false],
    ['a form of another site with its origin', 'POST', { origin: 'https://evil.example', ...document }, false],
    [
      'a frame on another site',
      'GET',
      { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'iframe' },
      false,
    ],
    ['a sibling session', 'GET', { 'sec-fetch-site': 'same-site', 'sec-fetch-mode': 'cors' }, false],
    [
      'a sibling session with its origin',
      'GET',
      { origin: `http://${newSessionName()}.localhost:8586`, 'sec-fetch-site': 'same-site' },
      false,
    ],
    [
      'an image on another site',
      'GET',
      { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'image' },
      false,
    ],
    ['a sandboxed page', 'POST', { origin: 'null', 'sec-fetch-site': 'cross-site' }, false],
    ['an old browser that says where from', 'GET', { referer: `${own}/user/x/lab` }, true],
    ['an old browser on another site', 'GET', { referer: 'https://evil.example/' }, false],
    ['an old browser that says nothing', 'GET', {}, false],
    ['an old browser that goes there', 'GET', { accept: 'text/html,*/*' }, true],
  ];
  for (const [what, method, headers, allowed] of rows)
    it(`${allowed ? 'for' : 'not for'} ${what}`, () => assert.equal(mayUseCookie(method, headers, own), allowed));
  it('and a script is no navigation', () => {
    assert.equal(isNavigation('GET', { 'sec-fetch-mode': 'cors', accept: 'text/html' }), false);
    assert.equal(isNavigation('GET', { accept: 'text/html', authorization: 'token x' }), false);
    assert.equal(isNavigation('POST', { accept: 'text/html' }), false);
    assert.equal(isNavigation('GET', document), true);
  });
});

describe('a request may use a session', () => {
  const ask = (change: Partial<Credentials>) =>
    authenticate(
      { method: 'GET', headers: {}, isUpgrade: false, session, queryToken: undefined, ownOrigin: undefined, ...change },
      tokens,
    );
  const code = (change: Partial<Credentials>): string => {
    const verdict = ask(change);
    return verdict.ok ? 'ok' : verdict.code;
  };
  const protocol = (token: string) => ({
    'sec-websocket-protocol': `v1.kernel.websocket.jupyter.org, v1.token.liveleaf.${token}`,
  });
  const cookie = { cookie: `liveleaf-session=${good}` };
  const rows: readonly [string, Partial<Credentials>, string][] = [
    ['Bearer', { headers: { authorization: `Bearer ${good}` } }, 'ok'],
    ['token', { headers: { authorization: `token ${good}` } }, 'ok'],
    ['any case', { headers: { authorization: `TOKEN  ${good}` } }, 'ok'],
    ['Basic', { headers: { authorization: `Basic ${good}` } }, 'unauthorized'],
    ['bare', { headers: { authorization: good } }, 'unauthorized'],
    ['expired', { headers: { authorization: `token ${late}` } }, 'expired'],
    ["another session's", { headers: { authorization: `token ${foreign}` } }, 'unauthorized'],
    ['of the upstream', { headers: { authorization: `token ${upstreamToken(ring, session)}` } }, 'unauthorized'],
    ['query', { queryToken: good }, 'ok'],
    ['query, wrong header', { queryToken: good, headers: { authorization: 'token x' } }, 'ok'],
    ['subprotocol without upgrade', { headers: protocol(good) }, 'unauthorized'],
    ['subprotocol', { isUpgrade: true, headers: protocol(good) }, 'ok'],
    ['subprotocol, expired', { isUpgrade: true, headers: protocol(late) }, 'expired'],
    ['query of an upgrade without origin', { isUpgrade: true, queryToken: good }, 'unauthorized'],
    [
      'query of an upgrade with origin',
      { isUpgrade: true, queryToken: good, headers: { origin: 'https://docs.example.org' } },
      'ok',
    ],
    ['cookie on the shared host', { headers: { ...cookie, 'sec-fetch-site': 'same-origin' } }, 'unauthorized'],
    ['cookie on its own host', { headers: { ...cookie, 'sec-fetch-site': 'same-origin' }, ownOrigin: own }, 'ok'],
    [
      'cookie from another site',
      { headers: { ...cookie, 'sec-fetch-site': 'cross-site' }, ownOrigin: own },
      'unauthorized',
    ],
    ['cookie of an upgrade', { isUpgrade: true, headers: { ...cookie, origin: own }, ownOrigin: own }, 'ok'],
    [
      'cookie of an upgrade from elsewhere',
      { isUpgrade: true, headers: { ...cookie, origin: 'https://docs.example.org' }, ownOrigin: own },
      'unauthorized',
    ],
    [
      'cookie of an upgrade from nowhere',
      { isUpgrade: true, headers: { ...cookie, 'sec-fetch-site': 'same-origin' }, ownOrigin: own },
      'unauthorized',
    ],
    [
      'a planted cookie beside the good one',
      {
        headers: { cookie: `liveleaf-session=${foreign}; liveleaf-session=${good}`, 'sec-fetch-site': 'same-origin' },
        ownOrigin: own,
      },
      'ok',
    ],
  ];
  for (const [what, change, expected] of rows) it(`${what}: ${expected}`, () => assert.equal(code(change), expected));

  it('and its subprotocols are told apart', () => {
    assert.deepEqual(readProtocols('a , v1.token.liveleaf.x,b, v1.token.liveleaf.y'), {
      token: 'x',
      tokenProtocol: 'v1.token.liveleaf.x',
      others: ['a', 'b'],
    });
    assert.deepEqual(readProtocols(undefined), { token: undefined, tokenProtocol: undefined, others: [] });
  });
});

describe('headers', () => {
  it('of a request lose credentials, origins, hops and our own, and keep the rest', () => {
    const sent = requestHeaders(
      {
        host: '127.0.0.1:8586',
        authorization: 'Bearer x',
        cookie: 'a=b',
        origin: 'https://a',
        referer: 'https://a/?token=x',
        connection: 'keep-alive, x-hop',
        'x-hop': '1',
        'transfer-encoding': 'chunked',
        te: 'trailers',
        upgrade: 'x',
        expect: '100-continue',
        'x-forwarded-for': '1.2.3.4',
        'x-real-ip': '1',
        forwarded: 'for=1',
        'sec-fetch-site': 'same-origin',
        'sec-websocket-protocol': 'v1.token.liveleaf.x',
        'x-liveleaf-a': '1',
        'idempotency-key': 'k',
        accept: '*/*',
        'content-type': 'text/plain',
        'content-length': '3',
        'x-xsrftoken': 'y',
        'if-none-match': '"1"',
        range: 'bytes=0-1',
      },
      'up',
    );
    assert.deepEqual(sent, {
      accept: '*/*',
      'content-type': 'text/plain',
      'content-length': '3',
      'x-xsrftoken': 'y',
      'if-none-match': '"1"',
      range: 'bytes=0-1',
      host: 'localhost',
      authorization: 'token up',
    });
  });

  it('of an answer lose cookies, workers, hops and CORS of the server, and get ours', () => {
    const answered = responseHeaders(
      {
        'set-cookie': ['a=b'],
        'service-worker-allowed': '/',
        'access-control-allow-origin': '*',
        'access-control-allow-credentials': 'true',
        server: 'Tornado',
        connection: 'x-hop',
        'x-hop': '1',
        'clear-site-data': '"*"',
        'content-security-policy': "frame-ancestors 'self'",
        vary: 'Accept-Encoding, Origin',
        location: 'http://localhost/user/x/lab',
        etag: '"1"',
        'content-length': '3',
      },
      { vary: 'Origin', ...placeHeaders({ kind: 'shared' }) },
    );
    assert.deepEqual(answered, {
      'content-security-policy': ["frame-ancestors 'self'", 'sandbox'],
      vary: 'Accept-Encoding, Origin',
      location: '/user/x/lab',
      etag: '"1"',
      'content-length': '3',
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
    });
  });
});
