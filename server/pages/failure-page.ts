import { html } from './html.ts';
import { pageFrame } from './page-frame.ts';

/** Shown where an address names nothing that can be launched. */
export const failurePage = (message: string): string =>
  pageFrame({
    title: 'This link cannot be launched',
    body: html`
      <h1>This link cannot be launched</h1>
      <p class="notice failed" role="alert">${message}</p>
      <p><a class="button" href="/">Make a link</a></p>
    `,
  });
