import { html } from './html.ts';
import { pageFrame } from './page-frame.ts';

/** What this hub is, what it runs and what keeps sessions apart. */
export const aboutPage = (about: {
  readonly version: string;
  readonly isolation: readonly string[];
  readonly allowed: readonly string[];
}): string =>
  pageFrame({
    title: 'About this hub',
    body: html`
      <h1>About this hub</h1>
      <p class="lead">Liveleaf ${about.version}.</p>
      <h2>What it runs</h2>
      <ul>
        ${about.allowed.map((pattern) => html`<li><code>${pattern}</code></li>`)}
      </ul>
      <h2>What keeps sessions apart</h2>
      <ul>
        ${about.isolation.map((sentence) => html`<li>${sentence}</li>`)}
      </ul>
      <h2>For programs</h2>
      <ul>
        <li><a href="/openapi.json">Description of the API</a></li>
        <li><a href="/versions">Versions</a></li>
        <li><a href="/health">Health</a></li>
        <li><a href="/metrics">Figures</a></li>
      </ul>
    `,
  });
