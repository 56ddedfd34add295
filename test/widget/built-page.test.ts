import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { startBuiltPage } from '../helpers/built-page.ts';
import { TAG, BODY, html, POLICY, run, launched, mainOf, start, type Steered } from '../helpers/steered-page.ts';

declare const fake: Steered;

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
      await page.getByText('Try again').waitFor();
      assert.equal(await page.evaluate(() => 'altered' in globalThis), false);
    } finally {
      site.files.set(name, whole);
    }
  });

  it('refuses a later chunk that was altered', async () => {
    const name = [...site.files.keys()].find((file) => file.startsWith('chunks/cell-editor-'))!;
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
});
