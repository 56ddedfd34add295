import type { Browser, Page } from 'playwright-core';
import { ANSWER } from './bench-pages.ts';

/** What a reader presses first on each page, and where the answer appears. */
const SELECTORS: Readonly<Record<string, string>> = {
  'page-liveleaf': 'role=button[name=/run/i] >> nth=0',
  'page-thebe': '#activate',
  'page-juniper': '.juniper-button',
};

const WATCH = `(answer) => new Promise((resolve) => {
  let clickedAt;
  addEventListener('click', (event) => { clickedAt ??= event.timeStamp; }, { capture: true });
  const OUTPUTS = '.jp-OutputArea-output, [part~="output"], live-output';
  const textOf = (root) => {
    let text = '';
    for (const element of root.querySelectorAll('*')) {
      if (element.matches(OUTPUTS)) text += ' ' + element.textContent;
      if (element.shadowRoot) text += textOf(element.shadowRoot) + (element.matches(OUTPUTS) ? ' ' + element.shadowRoot.textContent : '');
    }
    return text;
  };
  const look = () => {
    if (clickedAt !== undefined && new RegExp('(^|\\\\s)' + answer + '(\\\\s|$)').test(textOf(document))) resolve([performance.now() - clickedAt, performance.getEntriesByType('resource').map(({ name }) => new URL(name).pathname)]);
    else requestAnimationFrame(look);
  };
  look();
})`;

/** How long a reader's pointer rests on a button before it is pressed. */
const HOVER_MS = 250;

/** Opens a page as a new reader, presses its button, and returns the seconds until the answer is on the page, and the paths that were asked for by then. */
export const clickToOutput = async (
  browser: Browser,
  origin: string,
  name: string,
  around: { beforeClick?: () => void } = {},
): Promise<{ seconds: number; fetched: readonly string[]; page: Page; close(): Promise<void> }> => {
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(`${origin}/${name}`, { waitUntil: 'load' });
  const button = page.locator(SELECTORS[name]!);
  await button.waitFor();
  const answered = page.evaluate(`(${WATCH})(${JSON.stringify(ANSWER)})`) as Promise<
    [milliseconds: number, fetched: string[]]
  >;
  around.beforeClick?.();
  await button.hover();
  await page.waitForTimeout(HOVER_MS);
  await button.click();
  const [milliseconds, fetched] = await Promise.race([
    answered,
    new Promise<never>((_resolve, reject) => {
      setTimeout(() => reject(new Error(`${name} showed no answer within a minute.`)), 60_000).unref();
    }),
  ]);
  return { seconds: milliseconds / 1_000, fetched, page, close: () => context.close() };
};
