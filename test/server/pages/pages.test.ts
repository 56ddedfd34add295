import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { html } from '../../../server/pages/html.ts';
import { landingPathOf } from '../../../server/pages/landing-path.ts';
import { startTestHub, type TestHub } from '../../helpers/test-hub.ts';

describe('the hub’s pages', () => {
  let hub: TestHub;
  let demo: string;
  before(async () => {
    demo = await mkdtemp(join(tmpdir(), 'liveleaf-demo-'));
    await writeFile(
      join(demo, 'chapter.html'),
      '<!doctype html><title>A chapter</title><p data-hub="http://127.0.0.1:8585">',
    );
    await writeFile(join(demo, 'page.txt'), 'x');
    hub = await startTestHub({
      parts: {
        folders: { dist: demo, assets: join(import.meta.dirname, '..', '..', '..', 'server', 'pages', 'assets'), demo },
      },
    });
  });
  after(async () => {
    await hub.close();
    await rm(demo, { recursive: true });
  });
  const get = async (path: string) => {
    const response = await fetch(hub.address + path);
    return { status: response.status, headers: response.headers, text: await response.text() };
  };

  it('hold no inline script or style, and ask nobody else for anything', async () => {
    for (const path of ['/', '/about', '/v2/gh/owner/name/HEAD', '/v2/gh/owner']) {
      const { headers, text } = await get(path);
      const policy = headers.get('content-security-policy')!;
      assert.match(policy, /default-src 'none'; script-src 'self'; style-src 'self'/);
      assert.match(policy, /require-trusted-types-for 'script'/);
      assert.doesNotMatch(policy, /unsafe|\*/);
      assert.doesNotMatch(text, /<script(?![^>]*\bsrc=)|<style|\son[a-z]+=|style="/i);
      for (const [, address] of text.matchAll(/(?:src|href)="([^"]*)"/g))
        assert.ok(address!.startsWith('/') || address!.startsWith('#'), address);
      for (const [, asset] of text.matchAll(/"(\/assets\/[^"]*)"/g))
        assert.equal((await get(asset!)).status, 200, asset);
    }
  });

  it('list the demo above the link maker', async () => {
    const { text } = await get('/');
    assert.ok(text.indexOf('href="/demo/chapter.html">A chapter<') > 0);
    assert.ok(text.indexOf('A chapter') < text.indexOf('id="link-maker"'));
    const page = await get('/demo/chapter.html');
    assert.equal(page.status, 200);
    const places = page.headers
      .get('content-security-policy')!
      .match(/connect-src ([^;]*)/)![1]!
      .split(' ');
    for (const host of ['127.0.0.1', 'localhost'])
      for (const place of [
        `http://${host}:${hub.port}`,
        `http://${host}:${hub.port + 1}`,
        `ws://${host}:${hub.port + 1}`,
      ])
        assert.ok(places.includes(place), place);
    assert.equal(places.length, 7);
    assert.match(page.text, new RegExp(`data-hub="${hub.address}"`), 'pages name this hub, whatever its port');
    assert.equal((await get('/demo/absent.html')).status, 404);
    assert.equal((await get('/favicon.ico')).status, 200);
    assert.equal((await get('/demo/..%2fpackage.json')).status, 404);
  });

  it('escape what an address brings', async () => {
    const { status, text } = await get(`/v2/gh/owner/name/${encodeURIComponent('"><script>alert(1)</script>')}`);
    assert.doesNotMatch(text, /<script>alert/);
    assert.ok(status === 200 || status === 400);
    const other = await get('/v2/gh/owner/name/HEAD?urlpath=%22%3E%3Cimg%20src%3Dx%3E');
    assert.doesNotMatch(other.text, /<img src=x/);
    assert.equal(
      String(html`<p title="${'"&<>\''}">${['<', html`<b>ok</b>`]}</p>`),
      '<p title="&quot;&amp;&lt;&gt;&#39;">&lt;<b>ok</b></p>',
    );
  });

  it('say in words what is wrong with a link', async () => {
    const { status, text } = await get('/v2/xx/owner/name/HEAD');
    assert.equal(status, 400);
    assert.match(text, /No provider found for prefix &quot;xx&quot;/);
  });

  it('lead where links to BinderHub lead', () => {
    for (const [query, path] of [
      ['', 'lab'],
      ['urlpath=lab/tree/a.ipynb', 'lab/tree/a.ipynb'],
      ['urlpath=%2F%2Fevil.org', 'evil.org'],
      ['labpath=a b/c.ipynb', 'doc/tree/a%20b/c.ipynb'],
      ['filepath=/x.ipynb', 'tree/x.ipynb'],
      ['labpath=l&filepath=f&urlpath=u', 'doc/tree/l'],
      ['filepath=f&urlpath=u', 'tree/f'],
    ] as const)
      assert.equal(landingPathOf(new URLSearchParams(query)), path);
  });

  it('serve the widget’s files to everybody, chunks for ever', async () => {
    await writeFile(join(demo, 'liveleaf.js'), '1');
    for (const path of ['/liveleaf/latest/liveleaf.js', '/liveleaf/0.1.0/liveleaf.js']) {
      const response = await fetch(hub.address + path, { headers: { origin: 'https://anyone.example.org' } });
      assert.equal(response.status, 200);
      assert.equal(response.headers.get('access-control-allow-origin'), '*');
      assert.equal(response.headers.get('cross-origin-resource-policy'), 'cross-origin');
      assert.equal(response.headers.get('cache-control'), 'public, no-cache');
      await response.text();
    }
    assert.equal((await get('/liveleaf/latest/page.txt')).status, 404);
  });
});
