import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';

import { chromium, type Browser } from 'playwright-core';

import { browserPath, BROWSER_ARGUMENTS } from '../../../scripts/browser.mjs';
import { newSessionName } from '../../../server/sessions/session-name.ts';
import { upstreamToken } from '../../../server/sessions/session-tokens.ts';
import { ring, startProxy, until, type Proxy } from './harness.ts';
import { startJupyter, type Jupyter } from './jupyter.ts';

const notebook = {
  cells: [{ id: 'a', cell_type: 'code', source: '6*7', metadata: {}, outputs: [], execution_count: null }],
  metadata: { kernelspec: { name: 'python3', display_name: 'Python 3', language: 'python' } },
  nbformat: 4,
  nbformat_minor: 5,
};

describe('JupyterLab on the own host of a session', { timeout: 120_000 }, () => {
  let proxy: Proxy;
  let jupyter: Jupyter;
  let browser: Browser;
  /** Serves a page of somebody else's. */
  const foreign = createServer((_, response) => void response.setHeader('content-type', 'text/html').end('<p>foreign'));
  let foreignPort = 0;
  const session = newSessionName();
  const base = `/user/${session}/`;

  before(async () => {
    jupyter = await startJupyter({ baseUrl: base, token: upstreamToken(ring, session), lab: true });
    await writeFile(join(jupyter.root, 'x.ipynb'), JSON.stringify(notebook));
    await writeFile(join(jupyter.root, 'page.html'), '<script>document.title = "ran"</script>');
    proxy = await startProxy();
    proxy.spawner.add({ socketPath: jupyter.socketPath }, { name: session });
    foreign.listen(0, '127.0.0.1');
    await once(foreign, 'listening');
    foreignPort = (foreign.address() as AddressInfo).port;
    browser = await chromium.launch({ executablePath: browserPath(), args: BROWSER_ARGUMENTS });
  });
  after(async () => {
    await browser?.close();
    foreign.close();
    await proxy?.close();
    await jupyter?.stop();
  });

  it('opens from a link with a token, runs a cell and saves, with the token nowhere to be seen', async () => {
    const token = proxy.token(session);
    const context = await browser.newContext();
    const page = await context.newPage();
    const asked: { url: string; status: number }[] = [];
    const referers = new Set<string>();
    page.on('response', (response) => {
      asked.push({ url: response.url(), status: response.status() });
      referers.add(response.request().headers()['referer'] ?? '');
    });
    await page.goto(`${proxy.origin}${base}lab/tree/x.ipynb?reset&token=${token}`);
    assert.equal(new URL(page.url()).host, proxy.ownHost(session));
    assert.ok(!page.url().includes('token'));
    const cell = page.locator('.jp-Notebook .jp-CodeCell').first();
    await cell.locator('.cm-content').click({ timeout: 60_000 });
    await page.locator('.jp-Notebook-ExecutionIndicator[data-status="idle"]').first().waitFor({ timeout: 30_000 });
    await page.keyboard.press('Shift+Enter');
    const output = cell.locator('.jp-OutputArea-output');
    await output.waitFor({ timeout: 30_000 });
    assert.equal((await output.innerText()).trim(), '42');
    await page.keyboard.press('Control+s');
    await until(() => asked.some(({ url }) => url.includes('/api/contents/x.ipynb')), 'the notebook is saved');

    const cookies = await context.cookies();
    assert.deepEqual(
      cookies.map(({ name, domain, path, httpOnly, sameSite }) => ({ name, domain, path, httpOnly, sameSite })),
      [{ name: 'liveleaf-session', domain: `${session}.localhost`, path: base, httpOnly: true, sameSite: 'Lax' }],
    );
    assert.equal(await page.evaluate(() => document.cookie), '');
    const leaks = asked.slice(2).filter(({ url }) => url.includes(token));
    assert.deepEqual(leaks, []);
    assert.ok(![...referers].some((referer) => referer.includes('token')));
    const refused = asked.filter(({ status }) => status === 401 || status === 403);
    assert.deepEqual(refused, []);
    assert.ok(proxy.activity.lastFrameAt(session) !== undefined);
    await context.close();
  });

  it('does not let a page of another origin use its cookie, nor a page on the shared host run', async () => {
    const token = proxy.token(session);
    const context = await browser.newContext();
    const page = await context.newPage();
    await page.goto(`${proxy.origin}${base}files/page.html?token=${token}`);
    assert.equal(await page.title(), 'ran', 'on its own host a page of the session runs');
    const own = `http://${proxy.ownHost(session)}${base}api/status`;
    await page.goto(`http://127.0.0.1:${foreignPort}/`);
    const statuses: number[] = [];
    proxy.server.on('request', (_, response) => response.once('finish', () => statuses.push(response.statusCode)));
    const results = await page.evaluate(async (url) => {
      const results: string[] = [];
      for (const mode of ['cors', 'no-cors'] as const)
        results.push(
          await fetch(url, { mode, credentials: 'include' }).then(
            (answer) => answer.type,
            () => 'failed',
          ),
        );
      results.push(
        await new Promise<string>((resolve) => {
          const socket = new WebSocket(url.replace('http', 'ws'));
          socket.onopen = () => resolve('open');
          socket.onerror = () => resolve('failed');
        }),
      );
      return results;
    }, own);
    assert.ok(
      results.every((result) => result === 'failed' || result === 'opaque'),
      String(results),
    );
    assert.deepEqual(statuses, [403, 401], 'with its origin, and without one where the browser sends none');
    await context.setExtraHTTPHeaders({ authorization: `token ${token}` });
    await page.goto(`${proxy.origin}${base}files/page.html`);
    assert.notEqual(await page.title(), 'ran', 'on the shared host it is sandboxed');
    await context.close();
  });
});
