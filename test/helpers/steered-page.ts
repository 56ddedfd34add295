import type { Page } from 'playwright-core';

/** What `test/helpers/browser/steered-sdk-parts.ts` puts on the page. */
export interface Steered {
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

export const TAG = '<script src="/w/liveleaf.js" data-hub="https://hub.example" data-repo="gh/a/b"></script>';
export const STYLE =
  '<style>pre{margin:1em 0;padding:12px;border:1px solid #ccc;overflow:auto}.highlight{position:relative}.highlight button{position:absolute;right:0;top:0}</style>';
export const BODY = `<main><h1>Chapter</h1><p>Text.</p>
<div class="highlight"><pre data-executable=""><span class="k">print</span>(1)</pre></div>
<h2>Plotting<a class="headerlink" href="#p">¶</a></h2>
<div class="highlight"><button>Copy</button><pre data-executable="">plot()</pre></div>
<div data-output=""><pre>stored</pre></div>
<p id="after">After.</p></main>`;
export const html = (body: string, head = TAG + STYLE) =>
  `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>t</title>${head}</head><body>${body}</body></html>`;

export const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src https://hub.example; img-src 'self' data: blob:; " +
  "require-trusted-types-for 'script'; trusted-types lit-html dompurify liveleaf";

export const run = (page: Page, index = 0) => page.getByRole('button', { name: /^Run code/ }).nth(index);
export const launched = (page: Page) =>
  page.waitForFunction(() => typeof fake !== 'undefined' && fake.launches.length > 0);
export const mainOf = (page: Page) => page.evaluate(() => document.querySelector('main')!.outerHTML);

/** Presses the first Run and lets the launch come through. */
export const start = async (page: Page): Promise<void> => {
  await run(page).click();
  await launched(page);
  await page.evaluate(() => fake.launches[0]!.ready());
  await page.waitForFunction(() => fake.kernels[0]?.runs.length === 1);
};
