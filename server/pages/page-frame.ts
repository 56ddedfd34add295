import { html, type Html } from './html.ts';

export interface PageFrame {
  readonly title: string;
  readonly body: Html;
  /** A script of the assets folder, with what it needs as data attributes. */
  readonly script?: string;
}

/** The frame that all of the hub's own pages share. No inline script, no inline style, nothing of third parties. */
export const pageFrame = ({ title, body, script }: PageFrame): string =>
  html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>${title}</title>
        <meta property="og:title" content="${title}" />
        <link rel="icon" href="/assets/leaf.svg" type="image/svg+xml" />
        <link rel="stylesheet" href="/assets/hub.css" />
        ${script === undefined ? '' : html`<script type="module" src="/assets/${script}"></script>`}
      </head>
      <body>
        <a class="skip" href="#main">Skip to content</a>
        <header class="bar">
          <a class="brand" href="/"><img src="/assets/leaf.svg" alt="" width="28" height="28" />Liveleaf</a>
          <nav aria-label="Hub"><a href="/about">About</a></nav>
        </header>
        <main id="main">${body}</main>
      </body>
    </html>`.text;
