import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { HubError } from '../../../server/errors.ts';
import { launchChromium } from '../../helpers/chromium.ts';
import { createFakeBuilder, type FakeBuild } from '../../helpers/fake-builder.ts';
import { startTestHub, type TestHub } from '../../helpers/test-hub.ts';

describe('the launch page in Chromium', () => {
  let browser: Browser;
  let hub: TestHub;
  let page: Page;
  const builds: FakeBuild[] = [];
  const complaints: string[] = [];

  before(async () => {
    hub = await startTestHub({ builder: createFakeBuilder({ script: (build) => void builds.push(build) }) });
    browser = await launchChromium();
    page = await browser.newPage({ viewport: { width: 320, height: 700 } });
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('console', (message) => {
      if (/Content Security Policy|Trusted/.test(message.text())) complaints.push(message.text());
    });
  });
  after(async () => {
    await browser.close();
    await hub.close();
  });

  const newBuild = async (count: number): Promise<FakeBuild> => {
    while (builds.length < count) await new Promise((resolve) => setTimeout(resolve, 10));
    return builds.at(-1)!;
  };

  it('shows the log with its colours as text, and says why a launch failed', async () => {
    await page.goto(`${hub.address}/v2/gh/owner/name/HEAD`);
    const build = await newBuild(1);
    build.say('\u001b[31mred\u001b[0m <img src=x onerror="window.hit=1"> 10%\r\u001b[1mdone\u001b[0m');
    await page.waitForSelector('#log span.bold');
    assert.equal(await page.textContent('#log div:last-child'), 'done');
    build.say('\u001b[32m<b>green</b>\u001b[39m plain \u202Ereversed');
    await page.waitForSelector('#log span.c2');
    assert.equal(await page.textContent('#log div:last-child'), '<b>green</b> plain reversed');
    assert.equal(await page.textContent('[aria-current=step]'), 'Build');
    assert.match((await page.textContent('#status'))!, /Building/);
    build.fail(new HubError('build_failed', 'requirements.txt, line 2: there is no package nmpy.'));
    await page.waitForSelector('#failure:not([hidden])');
    assert.equal(await page.textContent('#failure'), 'requirements.txt, line 2: there is no package nmpy.');
    assert.ok(await page.isVisible('#retry'));
    assert.ok(await page.isHidden('#cancel'));
    assert.equal(await page.evaluate('document.documentElement.scrollWidth'), 320);
    assert.equal(await page.evaluate('window.hit'), undefined);
  });

  it('goes on after the hub was started again, and opens the session on a host of its own', async () => {
    await page.click('#retry');
    const build = await newBuild(2);
    build.say('one');
    await page.waitForSelector('#log :text-is("one")');
    await hub.restart();
    build.say('two');
    build.finish();
    let opened = '';
    await page.route(/\/user\//, (route) => {
      opened = route.request().url();
      return route.fulfill({ contentType: 'text/html', body: '<title>The session</title>' });
    });
    const deadline = Date.now() + 15_000;
    while ((await page.title()) !== 'The session' && Date.now() < deadline) await page.waitForTimeout(50);
    const session = [...hub.spawner.records.values()].find(({ state }) => state === 'ready')!.name;
    const url = new URL(opened);
    assert.equal(url.host, `${session}.localhost:${hub.port + 1}`);
    assert.equal(url.pathname, `/user/${session}/lab`);
    assert.match(url.searchParams.get('token')!, /^ll_/);
  });

  it('stops the launch when asked to', async () => {
    await page.goto(`${hub.address}/v2/gh/owner/other/HEAD?labpath=a.ipynb`);
    await newBuild(3);
    await page.waitForSelector('[aria-current=step]:has-text("Fetch"), [aria-current=step]:has-text("Build")');
    const before = hub.spawner.records.size;
    await page.click('#cancel');
    await page.waitForSelector('#retry:not([hidden])');
    const deadline = Date.now() + 5_000;
    while (hub.spawner.records.size === before && Date.now() < deadline)
      await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(hub.spawner.records.size, before - 1);
  });

  it('makes links, badges and script tags on the start page', async () => {
    await page.goto(hub.address);
    await page.fill('input[name=repo]', 'https://github.com/owner/name/tree/main');
    await page.fill('input[name=ref]', 'feature/x');
    await page.fill('input[name=file]', 'a b.ipynb');
    assert.equal(await page.textContent('#link'), `${hub.address}/v2/gh/owner/name/feature/x?labpath=a+b.ipynb`);
    await page.selectOption('select[name=provider]', 'git');
    await page.fill('input[name=repo]', 'https://example.org/a.git');
    assert.match((await page.textContent('#link'))!, /\/v2\/git\/https%3A%2F%2Fexample\.org%2Fa\.git\/feature\/x/);
    assert.match(await page.inputValue('#markdown'), /^\[!\[Launch\]\(/);
  });

  it('met no complaint of its own policy', () => assert.deepEqual(complaints, []));
});
