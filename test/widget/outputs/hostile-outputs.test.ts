import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { launchChromium } from '../../helpers/chromium.ts';
import { serveScriptPage } from '../../helpers/script-page.ts';
import { HOSTILE_HTML } from './hostile-html.ts';

type Trial = { readonly calls: number; readonly forbidden: string[]; readonly reachesOut: boolean };

describe('hostile HTML outputs', () => {
  let browser: Browser;
  let server: Awaited<ReturnType<typeof serveScriptPage>>;

  before(async () => {
    [server, browser] = await Promise.all([
      serveScriptPage(join(import.meta.dirname, 'hostile-page.ts')),
      launchChromium(),
    ]);
  });
  after(async () => {
    await browser?.close();
    server?.close();
  });

  /** A page whose every request, dialogue, new window and navigation is written down. */
  const openPage = async (path: string): Promise<{ readonly page: Page; readonly events: string[] }> => {
    const context = await browser.newContext();
    const page = await context.newPage();
    const events: string[] = [];
    await page.goto(server.origin + path);
    await page.waitForFunction('globalThis.ready');
    await page.evaluate('tryHtml("<p>first</p>")');
    page.on('request', (request) => request.url().startsWith('data:') || events.push(`request ${request.url()}`));
    page.on('framenavigated', (frame) => events.push(`navigation ${frame.url()}`));
    page.on('dialog', (dialog) => {
      events.push('dialogue');
      void dialog.dismiss();
    });
    context.on('page', () => events.push('new page'));
    await context.route(/evil\.test|a\.test/, (route) => route.abort());
    return { page, events };
  };

  for (const [path, what] of [
    ['/open', 'on a page without a policy'],
    ['/strict', 'on a page with a strict policy and Trusted Types'],
  ] as const) {
    it(`does nothing ${what}`, async () => {
      assert.ok(Object.keys(HOSTILE_HTML).length >= 60);
      const { page, events } = await openPage(path);
      for (const [name, html] of Object.entries(HOSTILE_HTML)) {
        const trial = await page.evaluate<Trial, string>(
          (source) => (globalThis as unknown as { tryHtml(html: string): Promise<Trial> }).tryHtml(source),
          html,
        );
        assert.deepEqual({ name, ...trial, events }, { name, calls: 0, forbidden: [], reachesOut: false, events: [] });
      }
      const violations = await page.evaluate<string[]>('violations');
      // The browser reports what it finds while it parses, even into a document that runs nothing, as the sanitiser does.
      const byParsing =
        /^(?:style-src|script-src)(?:-attr|-elem)? |^require-trusted-types-for HTMLScriptElement text\|/;
      assert.deepEqual(
        violations.filter((violation) => !byParsing.test(violation)),
        [],
      );
      assert.equal(await page.evaluate('Object.keys(Object.prototype).length + ("polluted" in {} ? 1 : 0)'), 0);
      await page.context().close();
    });
  }

  it('would notice an attack that works', async () => {
    const { page, events } = await openPage('/open');
    const calls = await page.evaluate(async () => {
      const holder = document.createElement('div');
      document.body.append(holder);
      holder.innerHTML = '<img src="https://evil.test/x.png" onerror="hit = true">';
      await new Promise((resolve) => setTimeout(resolve, 300));
      return 'hit' in globalThis;
    });
    assert.equal(calls, true);
    assert.deepEqual(events, ['request https://evil.test/x.png']);
    await page.context().close();
  });
});
