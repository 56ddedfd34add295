import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Browser, Locator, Page } from 'playwright-core';
import { launchChromium } from '../helpers/chromium.ts';
import { startHubProcess, type HubProcess } from '../helpers/hub-process.ts';

/** A cold environment with numpy, pandas and matplotlib is downloaded and built first. */
const LAUNCH_MS = 120_000;

describe('the demo pages, in a real browser against the real hub', { timeout: 900_000 }, () => {
  let hub: HubProcess;
  let browser: Browser;

  before(async () => {
    [hub, browser] = await Promise.all([startHubProcess({ demo: true }), launchChromium()]);
  });
  after(async () => {
    await browser?.close();
    await hub?.stop();
  });

  /** Opens a page as a new reader; `errors` gathers what the page's own scripts got wrong. */
  const open = async (name: string): Promise<{ page: Page; errors: string[]; close(): Promise<void> }> => {
    const context = await browser.newContext();
    const page = await context.newPage();
    const errors: string[] = [];
    page.on('pageerror', (error) => errors.push(error.message));
    page.on('requestfailed', (request) => {
      // A stream is let go of by the reader once it has its answer.
      if (!request.url().endsWith('/events')) errors.push(`${request.url()} ${request.failure()?.errorText}`);
    });
    await page.goto(`${hub.address}demo/${name}.html`, { waitUntil: 'load' });
    await runs(page).first().waitFor();
    return { page, errors, close: () => context.close() };
  };
  const runs = (page: Page): Locator => page.getByRole('button', { name: /^(run|stop) code/i });
  const lightDom = (page: Page): Promise<string> =>
    page.evaluate('document.documentElement.outerHTML') as Promise<string>;
  const settled = (page: Page): Promise<void> =>
    page
      .getByRole('button', { name: /^stop code/i })
      .first()
      .waitFor({ state: 'detached', timeout: LAUNCH_MS });
  const runAll = async (page: Page): Promise<void> => {
    const count = await runs(page).count();
    for (let index = 0; index < count; index++) await runs(page).nth(index).click();
  };
  const shows = (page: Page, text: string | RegExp): Promise<void> =>
    page.getByText(text).first().waitFor({ state: 'visible', timeout: LAUNCH_MS });

  it('fetch one script before a click', async () => {
    const context = await browser.newContext();
    const page = await context.newPage();
    const scripts: string[] = [];
    page.on('request', (request) => {
      if (
        !['document', 'stylesheet', 'image'].includes(request.resourceType()) &&
        !request.url().endsWith('favicon.ico')
      )
        scripts.push(request.url());
    });
    await page.goto(`${hub.address}demo/textbook.html`, { waitUntil: 'networkidle' });
    assert.deepEqual(scripts, [`${hub.address}liveleaf/latest/liveleaf.js`]);
    await context.close();
  });

  it('run the blog post, whose environment is built before the reader’s eyes', async () => {
    const { page, errors, close } = await open('blog');
    const before = await lightDom(page);
    await runs(page).first().click();
    await shows(page, /Preparing the environment|Starting/i);
    await shows(page, /With 23 guests, \d+% of the parties had a shared birthday\./);
    await settled(page);
    // A bare pre gets its cell as a sibling; everything that the author wrote stands as it was.
    const author = await page.evaluate(`(() => { const copy = document.documentElement.cloneNode(true);
      copy.querySelectorAll('live-cell, [data-liveleaf]').forEach((element) => element.remove()); return copy.querySelector('main').textContent; })()`);
    assert.ok(before.includes('Twenty-three people'));
    assert.match(String(author), /hits = sum\(shared\(GUESTS\)/);
    assert.deepEqual(errors, []);
    await close();
  });

  it('run the documentation, with the stored output kept until the first run and an error in plain words', async () => {
    const { page, errors, close } = await open('documentation');
    const before = await lightDom(page);
    await page.getByText('1 day, 1 hour and 30 minutes').waitFor({ state: 'visible' });
    await runAll(page);
    await shows(page, /'three fortnights' is no duration/);
    await settled(page);
    // An error stops what was queued behind it; the reader goes on.
    await runs(page).last().click();
    await shows(page, '4.1 kB');
    await settled(page);
    assert.equal(await lightDom(page), before, 'the author’s markup stays byte for byte');
    assert.deepEqual(errors, []);
    await close();
  });

  it('run the textbook chapter: hidden set-up, a table, a question, two plots', async () => {
    const { page, errors, close } = await open('textbook');
    const before = await lightDom(page);
    await runAll(page);
    await page.getByRole('cell', { name: '9.5' }).waitFor({ timeout: LAUNCH_MS });
    const question = page.getByRole('textbox', { name: /how many throws/i });
    await question.waitFor({ timeout: LAUNCH_MS });
    await question.fill('5000');
    await question.press('Enter');
    await shows(page, /5,000 throws, [67]\.\d+ on average/);
    await settled(page);
    await page.locator('img[src^="blob:"]').nth(1).waitFor();
    const widths = await page
      .locator('img[src^="blob:"]')
      .evaluateAll((images) => images.map((image) => (image as HTMLImageElement).naturalWidth));
    assert.equal(widths.length, 2);
    assert.ok(
      widths.every((width) => width > 300),
      `the plots have a size: ${widths.join(', ')}`,
    );
    assert.equal(await lightDom(page), before, 'the author’s markup stays byte for byte');
    assert.deepEqual(errors, []);
    await close();
  });

  it('run the page written for Thebe', async () => {
    const context = await browser.newContext();
    const page = await context.newPage();
    const errors: string[] = [];
    page.on('pageerror', (error) => errors.push(error.message));
    await page.goto(`${hub.address}demo/thebe.html`, { waitUntil: 'load' });
    await page.getByText('1267650600228229401496703205376').waitFor({ state: 'visible' });
    await page.getByRole('button', { name: /activate/i }).click();
    await runs(page).first().waitFor();
    await runAll(page);
    await shows(page, /\(x - 1\)\*\(x \+ 1\)\*\(x\*\*2 \+ 1\)/);
    await shows(page, 'pi/2');
    await settled(page);
    assert.deepEqual(errors, []);
    await context.close();
  });

  it('use the running session after a reload', async () => {
    const { page, close } = await open('blog');
    const launches: string[] = [];
    page.on('request', (request) => {
      if (request.method() === 'POST' && request.url().endsWith('/api/launches')) launches.push(request.url());
    });
    await runs(page).first().click();
    await shows(page, /With 23 guests/);
    await settled(page);
    // What a page needs for the next one is written down once the reader has the first output.
    await page.waitForFunction(() => Object.keys(sessionStorage).some((key) => key.startsWith('liveleaf:server:')));
    await page.reload({ waitUntil: 'load' });
    await runs(page).first().click();
    await shows(page, /With 23 guests/);
    assert.equal(launches.length, 1);
    await close();
  });

  it('work in two tabs at once, the second a duplicate of the first, on one session', async () => {
    const { page, errors, close } = await open('blog');
    const opened: string[] = [];
    const watch = (each: Page) => {
      each.on('websocket', (socket) => opened.push(socket.url()));
      each.on('pageerror', (error) => errors.push(error.message));
    };
    watch(page);
    await runs(page).first().click();
    await shows(page, /With 23 guests/);
    await page.waitForFunction(() => Object.keys(sessionStorage).some((key) => key.startsWith('liveleaf:server:')));
    const [tab] = await Promise.all([page.waitForEvent('popup'), page.evaluate('void open(location.href)')]);
    watch(tab);
    await runs(tab).first().click();
    await shows(tab, /With 23 guests/);
    await settled(tab);
    for (const each of [page, tab, page]) {
      await runs(each).first().click();
      await settled(each);
    }
    assert.equal(new Set(opened.map((url) => new URL(url).pathname)).size, 1, 'one kernel');
    assert.equal(opened.length, 2, 'neither takes the other’s connection');
    assert.deepEqual(errors, []);
    await close();
  });
});
