import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { createOriginPolicy } from '../../../server/proxy/origins.ts';
import { HOSTILE_ORIGINS } from './hostile-origins.ts';

const page = 'https://docs.example.org';
const policy = createOriginPolicy({
  origins: [page, 'http://127.0.0.1:8585'],
  hosts: ['127.0.0.1:8586', '*.s.example'],
});
const ours = { host: '127.0.0.1:8586' };

describe('an origin policy', () => {
  it('lets the listed origins read answers, without credentials', () => {
    const verdict = policy.check({ ...ours, origin: page });
    assert.equal(verdict.origin, 'allowed');
    assert.equal(verdict.headers['access-control-allow-origin'], page);
    assert.equal(verdict.headers['vary'], 'Origin');
    assert.equal(verdict.headers['access-control-expose-headers'], 'retry-after');
    assert.equal(verdict.preflight['access-control-max-age'], '600');
    assert.equal(verdict.preflight['access-control-allow-methods'], 'GET, PUT, POST, PATCH, DELETE, OPTIONS');
    const names = 'accept authorization content-type x-xsrftoken last-event-id cache-control idempotency-key';
    assert.deepEqual(verdict.preflight['access-control-allow-headers']?.split(', '), names.split(' '));
    assert.ok(
      ![...Object.keys(verdict.headers), ...Object.keys(verdict.preflight)].some((name) => /credentials/.test(name)),
    );
  });

  it(`refuses ${HOSTILE_ORIGINS.length} origins that resemble one`, () => {
    assert.ok(HOSTILE_ORIGINS.length >= 60);
    for (const origin of HOSTILE_ORIGINS) {
      const verdict = policy.check({ ...ours, origin });
      assert.deepEqual([origin, verdict.origin, verdict.headers], [origin, 'refused', { vary: 'Origin' }]);
    }
  });

  it('says when there is none', () => {
    assert.equal(policy.check({ ...ours, origin: undefined }).origin, 'missing');
  });

  it('lets every origin in where the owner says so, by a star and not by an echo', () => {
    const open = createOriginPolicy({ origins: ['*'], hosts: [] });
    for (const origin of [page, 'null', 'https://evil.example'])
      assert.equal(open.check({ host: 'x', origin }).headers['access-control-allow-origin'], '*');
  });

  it('knows its hosts exactly, ports included', () => {
    for (const host of ['127.0.0.1:8586', 'a.s.example', 'A.S.Example', 'abc-1.s.example'])
      assert.ok(policy.check({ host, origin: undefined }).hostAllowed, host);
    const foreign = [
      undefined,
      '',
      '127.0.0.1',
      '127.0.0.1:8587',
      '127.0.0.1:85860',
      'x127.0.0.1:8586',
      '127.1:8586',
      'localhost:8586',
      '127.0.0.1:8586.evil.example',
      'evil.example',
      's.example',
      '.s.example',
      'a.b.s.example',
      'a.s.example:80',
      'a_s.example',
      '*.s.example',
      'evil.example@127.0.0.1:8586',
      '127.0.0.1:8586,evil.example',
      '[::1]:8586',
      '0x7f000001:8586',
      '2130706433:8586',
    ];
    for (const host of foreign)
      assert.equal(policy.check({ host, origin: undefined }).hostAllowed, false, String(host));
  });

  it('takes no origin that a browser would write otherwise, and says how one is written', () => {
    for (const origin of [
      'https://docs.example.org/',
      'docs.example.org',
      'https://DOCS.example.org',
      'https://docs.example.org:443',
      'null',
      '',
      'file://',
    ])
      assert.throws(
        () => createOriginPolicy({ origins: [origin], hosts: [] }),
        /is not an origin; write scheme, host and port/,
        origin,
      );
  });
});
