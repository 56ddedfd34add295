import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { launchChromium } from '../../helpers/chromium.ts';
import { serveScriptPage } from '../../helpers/script-page.ts';

describe('the light editor', () => {
  let browser: Browser;
  let server: Awaited<ReturnType<typeof serveScriptPage>>;
  let page: Page;

  before(async () => {
    [server, browser] = await Promise.all([
      serveScriptPage(join(import.meta.dirname, 'editor-page.ts')),
      launchChromium(),
    ]);
    page = await browser.newPage({ viewport: { width: 800, height: 600 } });
    await page.goto(`${server.origin}/strict`);
    await page.waitForFunction('globalThis.ready');
  });
  after(async () => {
    await browser?.close();
    server?.close();
  });

  const run = <Value>(script: string): Promise<Value> => page.evaluate<Value>(script);
  const open = (source?: string, kind = ''): Promise<{ before: number; after: number }> =>
    run(`open(${JSON.stringify(kind)}, ${JSON.stringify(source)})`);
  const press = async (...keys: string[]): Promise<void> => {
    for (const key of keys) await page.keyboard.press(key);
  };
  /** Opens `source` with the selection that its bars mark, presses the keys, and gives the text marked in the same way. */
  const edit = async (marked: string, ...keys: string[]): Promise<string> => {
    const places = [marked.indexOf('|'), marked.lastIndexOf('|') - 1].map((place) => Math.max(0, place));
    const [start = 0, end = 0] = marked.indexOf('|') === marked.lastIndexOf('|') ? [places[0], places[0]] : places;
    await open(marked.replaceAll('|', ''));
    await run(`select(${start}, ${end})`);
    await press(...keys);
    const [value, [from = 0, to = 0]] = await Promise.all([run<string>('value()'), run<number[]>('selection()')]);
    const after = `${value.slice(0, to)}|${value.slice(to)}`;
    return from === to ? after : `${after.slice(0, from)}|${after.slice(from)}`;
  };

  beforeEach(() => open());

  it('takes the place of the block to the pixel, whatever the page sets', async () => {
    for (const kind of ['', 'loose', 'padded', 'wrapped']) {
      const heights = await open(undefined, kind);
      // A line's height as a number and as its pixels may differ by a 64th.
      assert.ok(Math.abs(heights.after - heights.before) < 0.2, `${kind}: ${heights.before} and ${heights.after}`);
      assert.deepEqual(await run('overlaid()'), [true, true, true], kind);
    }
  });

  it('keeps text and field together while lines come and go', async () => {
    await open('x = 1');
    await run('select(5)');
    for (const keys of [['Enter'], ['Enter', 'Enter', 'a'], ['Backspace', 'Backspace']]) {
      await press(...keys);
      assert.deepEqual(await run('overlaid()'), [true, true, true]);
    }
    await page.keyboard.type('a very long line '.repeat(20));
    assert.deepEqual(await run('overlaid()'), [true, true, true]);
    assert.equal(await run('caretIsInView()'), true);
    await press('Home');
    assert.equal(await run('caretIsInView()'), true);
  });

  it('is a text box with a name and a description to a screen reader, and nothing else is there', async () => {
    const cell = page.getByRole('textbox', { name: 'Code of cell 1', exact: true });
    assert.equal(await cell.count(), 1);
    assert.match(
      await page.locator('body').ariaSnapshot(),
      /^- button "before"\n- textbox "Code of cell 1": [^-]*- button "after"$/,
    );
    const client = await page.context().newCDPSession(page);
    const { nodes } = await client.send('Accessibility.getFullAXTree');
    const node = nodes.find(({ role }) => role?.value === 'textbox');
    assert.equal(node?.description?.value, 'Tab indents. To leave the editor, press Escape and then Tab.');
  });

  it('colours tokens as the page does, and a kind that the page leaves plain stays plain', async () => {
    assert.deepEqual(await run('highlights()'), {
      'live-comment': ['# The mean'],
      'live-keyword': ['def', 'return'],
      'live-function': ['mean'],
      'live-builtin': ['sum'],
      'live-number': ['2'],
    });
    assert.deepEqual(
      await Promise.all([run('colour("keyword")'), run('colour("comment")'), run('colour("function")')]),
      ['rgb(0, 100, 1)', 'rgb(90, 91, 92)', 'rgb(0, 0, 0)'],
    );
    await run('select(0)');
    await page.keyboard.type('if 1: pass\n');
    assert.deepEqual((await run<Record<string, string[]>>('highlights()'))['live-keyword'], [
      'if',
      'pass',
      'def',
      'return',
    ]);
  });

  it('indents a new line as its language asks', async () => {
    assert.equal(await edit('def f():|', 'Enter'), 'def f():\n    |');
    assert.equal(await edit('    x = [|', 'Enter'), '    x = [\n        |');
    assert.equal(await edit('    x = 1|', 'Enter'), '    x = 1\n    |');
    assert.equal(await edit('a|b|c', 'Enter'), 'a\n|c');
  });

  it('indents and outdents with Tab, and takes an indentation back as one', async () => {
    assert.equal(await edit('ab|', 'Tab'), 'ab  |');
    assert.equal(await edit('|x', 'Tab'), '    |x');
    assert.equal(await edit('a|a\n\nbb\ncc| d', 'Tab'), '    a|a\n\n    bb\n    cc| d');
    assert.equal(await edit('    a|a\n  b|b\ncc', 'Shift+Tab'), 'a|a\nb|b\ncc');
    assert.equal(await edit('      x|', 'Shift+Tab'), '  x|');
    assert.equal(await edit('a\n        |x', 'Backspace'), 'a\n    |x');
    assert.equal(await edit('ab  |x', 'Backspace'), 'ab |x');
  });

  it("keeps the browser's own undo and redo over everything that it types", async () => {
    await open('def f():');
    await run('select(8)');
    await press('Enter');
    await page.keyboard.type('pass');
    await press('Tab', 'Shift+Tab');
    const before = await run<string>('value()');
    for (let step = 0; step < 12; step++) await press('Control+z');
    assert.equal(await run('value()'), 'def f():');
    for (let step = 0; step < 12; step++) await press('Control+y');
    assert.equal(await run('value()'), before);
    assert.deepEqual(((await run<Record<string, string[]>>('highlights()'))['live-keyword'] ?? []).slice(0, 2), [
      'def',
      'pass',
    ]);
  });

  it('runs with Ctrl or Cmd + Enter, runs and goes on with Shift + Enter, and writes nothing then', async () => {
    await run('select(0)');
    await press('Control+Enter', 'Meta+Enter', 'Shift+Enter');
    assert.deepEqual(await run('events'), ['run', 'run', 'run and advance']);
  });

  it('tells of each change once, and of none that is set', async () => {
    await open('ab');
    await run('select(2)');
    await page.keyboard.type('c');
    await run('setValue("xyz")');
    assert.deepEqual(await run('events'), ['change 3']);
    assert.equal(await run('value()'), 'xyz');
  });

  it('lets the keyboard out with Escape and Tab, in both directions, and says so', async () => {
    const focused = (): Promise<string> => run('document.activeElement.textContent');
    for (const [keys, name] of [
      [['Tab'], 'after'],
      [['Shift+Tab'], 'before'],
    ] as const) {
      const before = await run<string>('value()');
      await run('select(0)');
      await press('Escape', ...keys);
      assert.equal(await focused(), name);
      assert.equal(await run('value()'), before);
      assert.deepEqual(await run('events.splice(0)'), ['Tab now leaves the editor.']);
    }
    await run('select(0)');
    await press('Escape', 'ArrowRight', 'Tab');
    assert.notEqual(await focused(), 'after');
  });

  it('can be read and run, but not be changed, when it is read-only', async () => {
    await run('open("", "x = 1", true)');
    await run('select(5)');
    await press('Enter', 'a', 'Backspace', 'Control+Enter');
    assert.equal(await run('value()'), 'x = 1');
    assert.deepEqual(await run('events'), ['run']);
    await press('Tab');
    assert.equal(await run('document.activeElement.textContent'), 'after');
  });

  it('shows the text of the field itself where colours are forced', async () => {
    await page.emulateMedia({ forcedColors: 'active' });
    const styles = await run<string[]>(`(() => {
      const field = document.querySelector('div').shadowRoot.querySelector('textarea');
      return [getComputedStyle(field.previousElementSibling).visibility, getComputedStyle(field).webkitTextFillColor, getComputedStyle(field).color];
    })()`);
    await page.emulateMedia({ forcedColors: 'none' });
    assert.equal(styles[0], 'hidden');
    assert.equal(styles[1], styles[2]);
  });

  it('stays quick in a long cell', async () => {
    await open('def f(x):  # a comment\n    return "text" + str(1.5)\n'.repeat(500));
    await run('select(0)');
    const ms = await run<number>(`(() => {
      const start = performance.now();
      for (let index = 0; index < 10; index++) document.execCommand('insertText', false, 'x');
      return (performance.now() - start) / 10;
    })()`);
    assert.ok(ms < 500, `${ms} ms a key`);
  });

  it('leaves nothing behind, and never went against the strict policy', async () => {
    assert.deepEqual(await run('close()'), [0, null]);
    assert.deepEqual(await run('violations'), []);
  });
});
