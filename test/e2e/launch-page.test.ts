import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { BINDERHUB, sessionPath } from '../../sdk/contract/index.ts';
import { launchChromium } from '../helpers/chromium.ts';
import { startHubProcess, type HubProcess } from '../helpers/hub-process.ts';

/** A cold environment is downloaded and built first. */
const LAUNCH_MS = 120_000;
const SPEC = 'dir/demo/blog/HEAD';
const NARROW = { width: 320, height: 640 };

describe('the launch page and the start page of the real hub', { timeout: 300_000 }, () => {
  let hub: HubProcess;
  let browser: Browser;

  before(async () => {
    [hub, browser] = await Promise.all([startHubProcess({ demo: true }), launchChromium()]);
  });
  after(async () => {
    await browser?.close();
    await hub?.stop();
  });

  /** A new reader's page; `complaints` gathers what the hub's own pages get wrong. */
  const newPage = async (): Promise<{ page: Page; complaints: string[] }> => {
    const context = await browser.newContext({ viewport: NARROW });
    const page = await context.newPage();
    const complaints: string[] = [];
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('console', (message) => {
      const isOurs = message.location().url.startsWith(hub.address);
      if (isOurs && (message.type() === 'error' || /Content Security Policy|Trusted/.test(message.text())))
        complaints.push(message.text());
    });
    return { page, complaints };
  };
  const launchPage = (query = ''): string => hub.address.replace(/\/$/, '') + BINDERHUB.launchPage(SPEC) + query;
  const assertNoSidewaysScroll = async (page: Page): Promise<void> =>
    assert.equal(await page.evaluate('document.documentElement.scrollWidth'), NARROW.width);
  /** Waits for JupyterLab's own title, on the session's own host. */
  const assertSession = async (page: Page, landing: string): Promise<void> => {
    const port = new URL(hub.sessionAddress).port;
    await page.waitForURL(
      ({ hostname, port: at, search }) => hostname.endsWith('.localhost') && at === port && !search.includes('token='),
      { timeout: LAUNCH_MS, waitUntil: 'commit' },
    );
    const { hostname, pathname } = new URL(page.url());
    const session = hostname.replace(/\.localhost$/, '');
    assert.equal(pathname, sessionPath(session) + landing);
    await page.waitForFunction(`/Jupyter/.test(document.title)`, undefined, { timeout: LAUNCH_MS });
  };

  /** Presses Tab until the element of an id has the focus; everything on the way must show that it has. */
  const tabTo = async (page: Page, id: string): Promise<void> => {
    const reached: string[] = [];
    while (reached.length < 12) {
      await page.keyboard.press('Tab');
      const at = (await page.evaluate(`(() => {
        const { activeElement } = document;
        const { outlineStyle, boxShadow } = getComputedStyle(activeElement);
        return activeElement.id + (outlineStyle === 'none' && boxShadow === 'none' ? ' without a ring' : '');
      })()`)) as string;
      reached.push(at);
      if (at === id) break;
    }
    assert.equal(reached.at(-1), id, reached.join(', '));
    assert.ok(!reached.some((at) => at.includes('without')), reached.join(', '));
  };

  it('shows phases and log at 320 px and ends in JupyterLab on a host of the session’s own', async () => {
    const { page, complaints } = await newPage();
    // What the page showed, kept past the navigation that ends it.
    const shown: string[] = [];
    await page.exposeFunction('keep', (text: string) => shown.push(text));
    await page.addInitScript(`addEventListener('DOMContentLoaded', () => {
      const status = document.getElementById('status');
      if (!status) return;
      new MutationObserver(() => keep(status.textContent + ' | ' +
        document.querySelector('[aria-current=step]')?.textContent.trim() + ' | ' + document.documentElement.scrollWidth))
        .observe(document.getElementById('launch'), { subtree: true, childList: true });
      new MutationObserver((changes) => changes.forEach(({ addedNodes }) => addedNodes.forEach((node) => keep('log ' + node.textContent))))
        .observe(document.getElementById('log'), { childList: true });
    });`);
    const response = await page.goto(launchPage());
    assert.equal(response?.status(), 200);
    await assertNoSidewaysScroll(page);
    await assertSession(page, 'lab');
    const text = shown.join('\n');
    for (const expected of [
      /^Fetching the repository \| Fetch \| 320$/m,
      /^Building the environment \| Build \| 320$/m,
      /^Starting the session \| Start \| 320$/m,
      /^Ready; opening\. \| Open \| 320$/m,
      /^log .*Installing packages/m,
      /^log .*Starting the kernel/m,
    ])
      assert.match(text, expected);
    assert.deepEqual(
      shown.filter((line) => !line.startsWith('log ') && !line.endsWith('| 320')),
      [],
    );
    await page.locator('#jp-main-dock-panel').waitFor({ timeout: LAUNCH_MS });
    assert.deepEqual(complaints, []);
    await page.context().close();
  });

  it('opens a file that the link names', async () => {
    const { page, complaints } = await newPage();
    await page.goto(launchPage('?labpath=README.md'));
    await assertSession(page, 'doc/tree/README.md');
    await page.getByText('standard library only').first().waitFor({ timeout: LAUNCH_MS });
    assert.deepEqual(complaints, []);
    await page.context().close();
  });

  it('can be used by keyboard alone, and stops when asked to', async () => {
    const { page, complaints } = await newPage();
    await page.route(
      /\/build\//,
      (route) => new Promise((resolve) => setTimeout(() => resolve(route.continue()), 500)),
    );
    await page.goto(launchPage());
    await tabTo(page, 'cancel');
    await page.keyboard.press('Enter');
    await page.getByText('Cancelled.').waitFor();
    await tabTo(page, 'retry');
    await page.keyboard.press('Enter');
    await assertSession(page, 'lab');
    assert.deepEqual(complaints, []);
    await page.context().close();
  });

  it('the start page lists the demo pages', async () => {
    const { page, complaints } = await newPage();
    await page.goto(hub.address, { waitUntil: 'networkidle' });
    await assertNoSidewaysScroll(page);
    const links = await page
      .locator('.cards a')
      .evaluateAll((all) => all.map((link) => (link as HTMLAnchorElement).pathname));
    assert.deepEqual(
      links.sort(),
      ['blog', 'documentation', 'textbook', 'thebe'].map((name) => `/demo/${name}.html`),
    );
    for (const link of links) {
      const response = await page.goto(new URL(link, hub.address).href);
      assert.equal(response?.status(), 200, link);
    }
    assert.deepEqual(complaints, []);
    await page.context().close();
  });
});
