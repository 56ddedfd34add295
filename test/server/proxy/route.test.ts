import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import fc from 'fast-check';

import { isKernelSocket, MAX_TARGET_LENGTH, routeOf, takeToken } from '../../../server/proxy/route.ts';
import { FOREIGN_TARGETS, HOSTILE_SUFFIXES } from './hostile-paths.ts';

const session = 'abcdefghijklmnopqrstuvwxyz';
const base = `/user/${session}/`;

describe('a request target', () => {
  const plain: readonly string[] = [
    '',
    'api/status',
    'api/kernels/1/channels',
    'lab/',
    'files/a%20b.txt',
    'files/%C3%BC.ipynb',
    'files/100%25.txt',
    'files/...',
    'files/..a/b..',
    'files/.hidden/.x',
    'a;b=c/d',
    'files/a:b@c',
    'lab/api/settings/@jupyterlab/apputils-extension:themes',
    "files/(a)'!$&+,=~",
    'liveleafs/x',
    'files/liveleaf/x',
    'x%2e',
    'a%2eb',
  ];
  for (const suffix of plain)
    it(`goes through byte for byte: ${suffix || 'the root'}`, () => {
      const result = routeOf(base + suffix);
      assert.ok(result.ok, JSON.stringify(result));
      assert.deepEqual(result.route, { session, suffix, path: base + suffix, query: '', queryToken: undefined });
    });

  for (const suffix of HOSTILE_SUFFIXES)
    it(`is refused where it could leave its session: ${JSON.stringify(suffix)}`, () => {
      assert.equal(routeOf(base + suffix).ok, false);
    });

  for (const target of FOREIGN_TARGETS(session))
    it(`has no route where it names no session: ${JSON.stringify(target)}`, () => {
      assert.equal(routeOf(target).ok, false);
    });

  it('is refused when it is too long, and only then', () => {
    const longest = base + 'x'.repeat(MAX_TARGET_LENGTH - base.length);
    assert.ok(routeOf(longest).ok);
    assert.deepEqual(routeOf(`${longest}x`), { ok: false, refusal: 'too_long' });
  });

  it('never reads as another session or as a private path, however often it is decoded or normalised', () => {
    const piece = fc.constantFrom(
      '.',
      '..',
      '/',
      '\\',
      '%',
      '2',
      'e',
      '5',
      'c',
      'f',
      '%2e',
      '%2f',
      '%5c',
      '%25',
      '%00',
      ';',
      '?',
      'a',
      'liveleaf',
    );
    const unescapeOnce = (text: string): string =>
      text.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 14 }), (pieces) => {
        const result = routeOf(base + pieces.join(''));
        if (!result.ok) return;
        let { path } = result.route;
        assert.ok(path.startsWith(base));
        for (let round = 0; round < 4; round += 1) {
          const { pathname } = new URL(path.replace(/[?#]/g, '_'), 'http://upstream');
          assert.ok(pathname.startsWith(base), `${result.route.path} reads as ${pathname}`);
          assert.ok(!pathname.startsWith(`${base}liveleaf/`), `${result.route.path} reads as ${pathname}`);
          path = unescapeOnce(path);
        }
      }),
      { numRuns: 20_000 },
    );
  });

  it('is read or refused without throwing, whatever it is', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => void routeOf(text)));
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => void routeOf(base + text)));
  });
});

describe('a query', () => {
  const rows: readonly [string, string, string | undefined][] = [
    ['', '', undefined],
    ['a=1&b=2', 'a=1&b=2', undefined],
    ['token=x', '', 'x'],
    ['a=1&token=x&b=%20', 'a=1&b=%20', 'x'],
    ['token=x&token=y', '', 'x'],
    ['%74oken=x', '', 'x'],
    ['TOKEN=x', '', 'x'],
    ['token', '', ''],
    ['+token=x', '', 'x'],
    ['tokens=x&xtoken=y', 'tokens=x&xtoken=y', undefined],
    ['1700000000000&token=x', '1700000000000', 'x'],
    ['token=a%2Eb', '', 'a.b'],
    ['a=token=x', 'a=token=x', undefined],
  ];
  for (const [query, kept, token] of rows)
    it(`loses its token and nothing else: ${JSON.stringify(query)}`, () => {
      assert.deepEqual(takeToken(query), { query: kept, token });
    });
});

describe("a kernel's socket", () => {
  it('is told from everything else', () => {
    assert.ok(isKernelSocket('api/kernels/0c2b/channels'));
    for (const suffix of [
      'api/kernels',
      'api/kernels/x',
      'api/kernels//channels',
      'x/api/kernels/y/channels',
      'terminals/websocket/1',
    ])
      assert.equal(isKernelSocket(suffix), false, suffix);
  });
});
