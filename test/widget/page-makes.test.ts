import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import type { Page } from 'playwright-core';

import { startBuiltPage } from '../helpers/built-page.ts';
import { TAG, BODY, html, run, launched, start, type Steered } from '../helpers/steered-page.ts';

declare const fake: Steered;

describe('a page of any make with the built script tag', () => {
  let site: Awaited<ReturnType<typeof startBuiltPage>>;
  before(async () => {
    site = await startBuiltPage();
  });
  afterEach(() => site.closePages());
  after(() => site.close());

  it('follows the page’s own colours, and the theme that its tag names', async () => {
    const dark = '<style>html.dark{background:#111;color:#eee}</style>';
    const scheme = (page: Page) => run(page).evaluate((button) => getComputedStyle(button).colorScheme);
    const { page } = await site.open({ html: html(BODY, TAG + dark) });
    assert.equal(await scheme(page), 'light');
    await page.evaluate(() => document.documentElement.classList.add('dark'));
    await page.waitForFunction(
      () =>
        document
          .querySelector('.highlight')!
          .shadowRoot!.querySelector('live-cell')!
          .shadowRoot!.querySelector<HTMLElement>('.row')!.style.colorScheme === 'dark',
    );
    await start(page);
    assert.equal(
      await page.getByRole('button', { name: /^Stop code/ }).evaluate((button) => getComputedStyle(button).colorScheme),
      'dark',
    );
    const forced = await site.open({ html: html(BODY, TAG.replace('data-hub', 'data-theme="dark" data-hub')) });
    assert.equal(await scheme(forced.page), 'dark');
    const system = await site.open(
      { html: html(BODY, `<meta name="color-scheme" content="light dark">${TAG}`) },
      { colorScheme: 'dark' },
    );
    assert.equal(await scheme(system.page), 'dark');
  });

  it('takes the attributes of a live-cell around a pre, and hides nothing that stands before one', async () => {
    const body = `<h1>Own</h1><p>Before.</p><live-cell init><pre>first()</pre></live-cell>
      <live-cell readonly language="r"><pre>second()</pre></live-cell>`;
    const { page } = await site.open({ html: html(body) });
    await run(page, 1).click();
    await launched(page);
    await page.evaluate(() => fake.launches[0]!.ready());
    await page.waitForFunction(() => fake.kernels[0]?.runs.length === 1);
    assert.equal(await page.evaluate(() => fake.kernels[0]!.runs[0]!.code), 'first()');
    await page.evaluate(() => fake.kernels[0]!.runs[0]!.done());
    await page.waitForFunction(() => fake.kernels[0]!.runs.length === 2);
    await page.evaluate(() => fake.kernels[0]!.runs[1]!.done());
    const code = page.getByRole('textbox', { name: 'Code of code 2, Own' });
    await code.waitFor();
    assert.equal(await code.getAttribute('readonly'), '');
    const first = page.getByRole('textbox', { name: 'Code of code 1, Own' });
    assert.equal(await first.getAttribute('readonly'), null);
    assert.ok(await page.getByText('Before.').isVisible());
  });

  it('works deferred, as a module, from the middle of the page, late, and twice', async () => {
    const tags = [
      TAG.replace('src', 'defer src'),
      TAG.replace('src', 'async src'),
      TAG.replace('liveleaf.js', 'liveleaf.mjs').replace('src', 'type="module" src'),
      TAG + TAG,
    ];
    for (const tag of tags) {
      const { page, problems } = await site.open({ html: html(BODY, tag) });
      await run(page).waitFor();
      assert.equal(await page.getByRole('button', { name: /^Run code/ }).count(), 2, tag);
      await start(page);
      assert.deepEqual(problems, [], tag);
    }
    const { page } = await site.open({ html: html(BODY, '') });
    await page.waitForLoadState('load');
    await page.evaluate(() => {
      const script = document.createElement('script');
      script.src = '/w/liveleaf.js';
      script.dataset['hub'] = 'https://hub.example';
      script.dataset['repo'] = 'gh/a/b';
      document.body.append(script);
    });
    await start(page);
    assert.equal(await page.evaluate(() => (fake.launches[0] as unknown as { spec: string }).spec), 'gh/a/b/HEAD');
  });

  it('puts a sibling beside a bare block, never before hydration, and takes it away with its block', async () => {
    const bare = '<div id="root"><p>x</p><pre data-executable>a = 1</pre></div><pre data-executable>b = 2</pre>';
    const { page } = await site.open({ html: html(bare) });
    assert.equal(await page.locator('#root live-cell').count(), 0);
    assert.equal(await page.locator('pre + live-cell').count(), 1);
    await page.evaluate(() => {
      const pre = document.querySelector('#root pre')!;
      Object.assign(pre, { __reactFiber$abc: {} });
      pre.before(document.createElement('hr'));
    });
    await page.locator('#root pre + live-cell').waitFor({ state: 'attached' });
    await start(page);
    await page.evaluate(() => fake.kernels[0]!.runs[0]!.done());
    await page.getByRole('textbox', { name: 'Code of code 1' }).waitFor();
    assert.equal(
      await page
        .getByText('a = 1')
        .first()
        .evaluate((pre) => pre.getAttributeNames().join()),
      'data-executable',
    );
    await page.evaluate(() => document.querySelector('#root pre')!.remove());
    await page.waitForFunction(() => document.querySelectorAll('live-cell').length === 1);
  });

  it('finds blocks that come later, and gives a replaced one its cell', async () => {
    const { page } = await site.open({ html: html(BODY) });
    await page.evaluate(() => {
      const later = document.createElement('div');
      const pre = document.createElement('pre');
      pre.dataset['executable'] = '';
      pre.textContent = 'later()';
      later.append(pre);
      document.querySelector('main')!.append(later);
    });
    await page.getByRole('button', { name: 'Run code 3, Plotting' }).waitFor();
    await page.evaluate(() => {
      const pre = document.querySelector('pre')!;
      const next = pre.cloneNode() as Element;
      next.textContent = 'replaced()';
      pre.replaceWith(next);
    });
    await page.waitForTimeout(100);
    await start(page);
    assert.equal(await page.evaluate(() => fake.kernels[0]!.runs[0]!.code), 'replaced()');
    assert.equal(await page.getByRole('button', { name: /^(Run|Stop) code/ }).count(), 3);
  });

  it('runs hidden set-up first, and shows it only when it fails', async () => {
    const setup = '<div class="highlight"><pre data-executable data-init data-hidden>import x</pre></div>';
    const { page } = await site.open({ html: html(setup + BODY) });
    assert.equal(await page.getByText('import x').isVisible(), false);
    await run(page).click();
    await launched(page);
    await page.evaluate(() => fake.launches[0]!.ready());
    await page.waitForFunction(() => fake.kernels[0]?.runs.length === 1);
    assert.equal(await page.evaluate(() => fake.kernels[0]!.runs[0]!.code), 'import x');
    await page.evaluate(() => fake.kernels[0]!.runs[0]!.raise('ModuleNotFoundError', 'no x'));
    await page.getByText('no x').first().waitFor();
    assert.equal(await page.getByText('import x').isVisible(), false);
  });

  it('takes elements of the author’s own: a page, a cell, a launch and a status', async () => {
    const body = `<live-page hub="https://other.example" repo="gh/c/d" ref="v2"></live-page>
      <live-launch></live-launch><live-cell><pre>own()</pre></live-cell><live-status></live-status>`;
    const { page, problems } = await site.open({ html: html(body, '<script src="/w/liveleaf.js"></script>') });
    await page.getByRole('button', { name: 'Run all' }).click();
    await launched(page);
    const launch = await page.evaluate(() => fake.launches[0] as unknown as { spec: string; options: { hub: string } });
    assert.equal(launch.spec, 'gh/c/d/v2');
    assert.equal(launch.options.hub, 'https://other.example');
    await page.evaluate(() => fake.launches[0]!.ready());
    await page.waitForFunction(() => fake.kernels[0]?.runs[0]?.code === 'own()');
    await page.getByRole('button', { name: 'Restart and run all' }).waitFor();
    assert.deepEqual(problems, []);
  });

  it('serves a Thebe page: its placeholders, its synthetic click, its start with the page', async () => {
    const config = (more: string) =>
      `<script type="text/x-thebe-config">{ ${more} binderOptions: { repo: 'a/b', binderUrl: 'https://hub.example' } }</script>`;
    const body = '<div class="thebe-activate"></div><div class="thebe-status"></div>' + BODY;
    const script = '<script src="/w/liveleaf.js"></script>';
    const { page } = await site.open({ html: html(body, config('') + script) });
    await page.locator('.thebe-status-field').waitFor();
    await page.locator('button.thebe-activate-button').click();
    await launched(page);
    await page.locator('.thebe-status-launching').waitFor();
    await page.evaluate(() => fake.launches[0]!.ready());
    await page.locator('.thebe-status-ready').waitFor();

    const synthetic = await site.open({ html: html(body, config('') + script) });
    await synthetic.page.waitForFunction(() => customElements.get('live-cell'));
    await run(synthetic.page).evaluate((button: HTMLElement) => button.click());
    await launched(synthetic.page);

    const alone = await site.open({ html: html(body, config('bootstrap: true,') + script) });
    await launched(alone.page);
    const asked = await site.open({ html: html(body, config('bootstrap: true, requestKernel: false,') + script) });
    await asked.page.waitForFunction(() => customElements.get('live-cell'));
    await asked.page.waitForTimeout(200);
    assert.equal(await asked.page.evaluate(() => fake.launches.length), 0);
  });
});
