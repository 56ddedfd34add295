import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import type { Page } from 'playwright-core';
import { startBuiltPage } from '../helpers/built-page.ts';

/** What `test/helpers/browser/steered-sdk-parts.ts` puts on the page. */
interface Steered {
  launches: { emit(event: unknown): void; ready(): void; fail(error: unknown): void }[];
  kernels: {
    calls: string[];
    runs: {
      code: string;
      print(text: string): void;
      send(message: unknown): void;
      done(): void;
      raise(name: string, value: string): void;
    }[];
  }[];
}
declare const fake: Steered;

const TAG = '<script src="/w/liveleaf.js" data-hub="https://hub.example" data-repo="gh/a/b"></script>';
const STYLE =
  '<style>pre{margin:1em 0;padding:12px;border:1px solid #ccc;overflow:auto}.highlight{position:relative}.highlight button{position:absolute;right:0;top:0}</style>';
const BODY = `<main><h1>Chapter</h1><p>Text.</p>
<div class="highlight"><pre data-executable=""><span class="k">print</span>(1)</pre></div>
<h2>Plotting<a class="headerlink" href="#p">¶</a></h2>
<div class="highlight"><button>Copy</button><pre data-executable="">plot()</pre></div>
<div data-output=""><pre>stored</pre></div>
<p id="after">After.</p></main>`;
const html = (body: string, head = TAG + STYLE) =>
  `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>t</title>${head}</head><body>${body}</body></html>`;

const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src https://hub.example; img-src 'self' data: blob:; " +
  "require-trusted-types-for 'script'; trusted-types lit-html dompurify liveleaf";

const run = (page: Page, index = 0) => page.getByRole('button', { name: /^Run code/ }).nth(index);
const launched = (page: Page) => page.waitForFunction(() => typeof fake !== 'undefined' && fake.launches.length > 0);
const mainOf = (page: Page) => page.evaluate(() => document.querySelector('main')!.outerHTML);

/** Presses the first Run and lets the launch come through. */
const start = async (page: Page): Promise<void> => {
  await run(page).click();
  await launched(page);
  await page.evaluate(() => fake.launches[0]!.ready());
  await page.waitForFunction(() => fake.kernels[0]?.runs.length === 1);
};

describe('a page with the built script tag', () => {
  let site: Awaited<ReturnType<typeof startBuiltPage>>;
  before(async () => {
    site = await startBuiltPage();
  });
  afterEach(() => site.closePages());
  after(() => site.close());

  it('makes one request before any click, fetches the first chunk on hover and runs nothing of it', async () => {
    const { page } = await site.open({ html: html(BODY) });
    const before = site.requested().filter((path) => path.startsWith('/w/'));
    assert.deepEqual(before, ['/w/liveleaf.js']);
    await run(page).hover();
    await page.waitForTimeout(300);
    assert.match(site.requested().join(), /^\/w\/chunks\/page-[\w-]+\.js$/);
    assert.equal(await page.evaluate(() => customElements.get('live-cell')), undefined);
    await start(page);
  });

  it('leaves the author’s markup byte for byte as it was, before and after a run', async () => {
    const { page } = await site.open({ html: html(BODY) });
    const drawn = await mainOf(page);
    assert.equal(await page.getByRole('button', { name: /^Run code/ }).count(), 2);
    assert.ok(html(BODY).includes(drawn), drawn);
    await start(page);
    await page.evaluate(() => {
      fake.kernels[0]!.runs[0]!.print('one\n');
      fake.kernels[0]!.runs[0]!.done();
    });
    await page.getByRole('textbox', { name: 'Code of code 1, Chapter' }).waitFor();
    await run(page, 1).click();
    await page.waitForFunction(() => fake.kernels[0]!.runs.length === 2);
    await page.evaluate(() => {
      fake.kernels[0]!.runs[1]!.print('two\n');
      fake.kernels[0]!.runs[1]!.done();
    });
    await page.getByText('two').waitFor();
    assert.equal(await page.getByText('stored').isVisible(), false);
    assert.equal(await mainOf(page), drawn);
  });

  it('shows a stored output until the first run begins', async () => {
    const { page } = await site.open({ html: html(BODY) });
    await run(page, 1).click();
    await launched(page);
    assert.equal(await page.getByText('stored').isVisible(), true);
    await page.evaluate(() => fake.launches[0]!.ready());
    await page.waitForFunction(() => fake.kernels[0]?.runs.length === 1);
    await page.evaluate(() => fake.kernels[0]!.runs[0]!.print('new'));
    await page.getByText('new').waitFor();
    assert.equal(await page.getByText('stored').isVisible(), false);
  });

  it('keeps a strict policy with Trusted Types through a whole run', async () => {
    const { page, problems } = await site.open({
      html: html(BODY, TAG),
      headers: { 'content-security-policy': POLICY },
    });
    await run(page).click();
    await launched(page);
    await page.evaluate(() =>
      fake.launches[0]!.emit({ phase: 'building', message: '\u001b[32mgreen\u001b[0m', line: 1 }),
    );
    await page.getByRole('button', { name: 'Log' }).click();
    await page.getByText('green').waitFor();
    await page.evaluate(() => fake.launches[0]!.ready());
    await page.waitForFunction(() => fake.kernels[0]?.runs.length === 1);
    await page.evaluate(() => {
      const [first] = fake.kernels[0]!.runs;
      first!.print('\u001b[31mred\u001b[0m\n');
      first!.send({
        type: 'result',
        data: { 'text/html': '<table><tr><td>cell</td></tr></table>' },
        metadata: {},
        executionCount: 1,
      });
      first!.raise('ValueError', 'bad');
    });
    await page.getByRole('cell', { name: 'cell' }).waitFor();
    await page.getByRole('textbox', { name: 'Code of code 1, Chapter' }).waitFor();
    await page.getByRole('button', { name: 'More for code 1, Chapter' }).click();
    await page.getByRole('button', { name: 'Restart and run all' }).waitFor();
    assert.deepEqual(problems, []);
  });

  it('refuses a first chunk that was altered, says so, and works once it is whole again', async () => {
    const name = [...site.files.keys()].find((file) => file.startsWith('chunks/page-'))!;
    const whole = site.files.get(name)!;
    site.files.set(name, `globalThis.altered = true;${whole}`);
    try {
      const { page } = await site.open({ html: html(BODY) });
      await run(page).click();
      await page.getByText('Not loaded. Try again').waitFor();
      assert.equal(await page.evaluate(() => 'altered' in globalThis), false);
    } finally {
      site.files.set(name, whole);
    }
  });

  it('refuses a later chunk that was altered', async () => {
    const name = [...site.files.keys()].find((file) => file.startsWith('chunks/light-editor-'))!;
    const whole = site.files.get(name)!;
    site.files.set(name, `globalThis.altered = true;${whole}`);
    try {
      const { page } = await site.open({ html: html(BODY) });
      await start(page);
      await page.evaluate(() => fake.kernels[0]!.runs[0]!.done());
      await page.waitForTimeout(500);
      assert.equal(await page.evaluate(() => 'altered' in globalThis), false);
      assert.equal(await page.getByRole('textbox').count(), 0);
      assert.equal(await page.getByText('print(1)').isVisible(), true);
    } finally {
      site.files.set(name, whole);
    }
  });

  it('launches nothing for a synthetic click, and runs one in a kernel that exists', async () => {
    const { page } = await site.open({ html: html(BODY) });
    const click = (index: number) =>
      page.evaluate(
        (at) =>
          document
            .querySelectorAll('.highlight')
            [at]!.shadowRoot!.querySelector('live-cell')!
            .shadowRoot!.querySelector('button')!
            .click(),
        index,
      );
    site.requested();
    await click(0);
    await page.waitForTimeout(200);
    assert.deepEqual(site.requested(), []);
    await run(page).focus();
    await page.keyboard.press('Enter');
    await launched(page);
    await page.evaluate(() => fake.launches[0]!.ready());
    await page.waitForFunction(() => fake.kernels[0]?.runs.length === 1);
    await page.evaluate(() => fake.kernels[0]!.runs[0]!.done());
    await click(1);
    await page.waitForFunction(() => fake.kernels[0]!.runs.length === 2);
  });

  it('moves nothing when it draws, launches and prints', async () => {
    const { page } = await site.open({ html: html(BODY) });
    await page.evaluate(() => {
      const shifts: string[] = [];
      Object.assign(globalThis, { shifts });
      new PerformanceObserver((list) => {
        for (const entry of list.getEntries() as (PerformanceEntry & {
          value: number;
          hadRecentInput: boolean;
          sources: { node: Node | null; previousRect: DOMRect; currentRect: DOMRect }[];
        })[])
          if (!entry.hadRecentInput)
            shifts.push(
              `${entry.value} ${entry.sources.map(({ node, previousRect, currentRect }) => `${(node as Element | null)?.nodeName}.${(node as Element | null)?.className} ${previousRect.y}+${previousRect.height} to ${currentRect.y}+${currentRect.height}`).join('; ')}`,
            );
      }).observe({ type: 'layout-shift', buffered: true });
    });
    await run(page).click();
    await launched(page);
    await page.waitForTimeout(2_600);
    await page.getByRole('button', { name: 'Cancel' }).waitFor();
    await page.evaluate(() => fake.launches[0]!.ready());
    await page.waitForFunction(() => fake.kernels[0]?.runs.length === 1);
    await page.evaluate(() => {
      fake.kernels[0]!.runs[0]!.print('one\ntwo\n');
      fake.kernels[0]!.runs[0]!.done();
    });
    await page.getByRole('textbox', { name: 'Code of code 1, Chapter' }).waitFor();
    await page.waitForTimeout(300);
    assert.deepEqual(await page.evaluate(() => (globalThis as unknown as { shifts: string[] }).shifts), []);
  });

  it('names its buttons by number and heading, keeps the focus when it takes over, and has one live region', async () => {
    const { page } = await site.open({ html: html(BODY) });
    assert.equal(await page.getByRole('button', { name: 'Run code 1, Chapter', exact: true }).count(), 1);
    assert.equal(await page.getByRole('button', { name: 'Run code 2, Plotting', exact: true }).count(), 1);
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await launched(page);
    const stop = page.getByRole('button', { name: 'Stop code 1, Chapter' });
    await stop.waitFor();
    assert.equal(await stop.evaluate((button) => (button.getRootNode() as ShadowRoot).activeElement === button), true);
    assert.equal(await page.locator('[aria-live=polite]').count(), 1);
    await page.evaluate(() => fake.launches[0]!.ready());
    await page.waitForFunction(() => fake.kernels[0]?.runs.length === 1);
    await page.evaluate(() => fake.kernels[0]!.runs[0]!.raise('KeyError', 'x'));
    await page.locator('[aria-live=polite]', { hasText: 'code 1, Chapter: Failed' }).waitFor({ state: 'attached' });
  });

  it('shows a slow launch with its steps and log, its failure in plain words, and tries again', async () => {
    const { page } = await site.open({ html: html(BODY) });
    await run(page).click();
    await launched(page);
    await page.evaluate(() => fake.launches[0]!.emit({ phase: 'building', message: 'Resolved 3 packages', line: 1 }));
    await page.getByText('Preparing the environment').first().waitFor();
    await page.evaluate(() => {
      const error = Object.assign(new Error('There is no package nunpy.'), {
        [Symbol.for('liveleaf.error')]: true,
        code: 'build_failed',
        retryable: false,
        detail: { file: 'requirements.txt', line: 3, package: 'nunpy' },
      });
      fake.launches[0]!.fail(error);
    });
    await page.getByText('requirements.txt, line 3, nunpy').waitFor();
    await page.getByText('build_failed').waitFor();
    assert.ok((await page.getByText('There is no package nunpy.').count()) >= 1);
    await page.getByRole('button', { name: 'Try again' }).click();
    await page.waitForFunction(() => fake.launches.length === 2);
    await page.evaluate(() => fake.launches[1]!.ready());
    await page.waitForFunction(() => fake.kernels[0]?.runs[0]?.code === 'print(1)');
  });

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
