import { BINDERHUB } from '../../sdk/contract/index.ts';
import { html } from './html.ts';
import { pageFrame } from './page-frame.ts';

export interface LaunchPage {
  /** As `formatRepoSpec` writes it. */
  readonly spec: string;
  readonly title: string;
  readonly ref: string;
  /** Where the launch lands below its session. */
  readonly landing: string;
  /** What follows `<session>.` in a session's own host; without it the shared address is used. */
  readonly sessionHostSuffix: string | undefined;
}

const STEPS: readonly (readonly [string, string])[] = [
  ['waiting', 'Look up'],
  ['fetching', 'Fetch'],
  ['building', 'Build'],
  ['launching', 'Start'],
  ['ready', 'Open'],
];

/** The page behind a launch link: progress, log, cancel and retry, then the session on an origin of its own. */
export const launchPage = (page: LaunchPage): string =>
  pageFrame({
    title: page.title,
    script: 'launch.js',
    body: html`
      <div
        id="launch"
        data-build="${BINDERHUB.build(page.spec)}"
        data-landing="${page.landing}"
        data-host-suffix="${page.sessionHostSuffix ?? ''}"
      >
        <h1 class="repo">${page.title}</h1>
        <p class="ref">at <code>${page.ref}</code></p>
        <ol class="steps" id="steps">
          ${STEPS.map(([phase, name]) => html`<li data-phase="${phase}"><span>${name}</span></li>`)}
        </ol>
        <p class="status"><span id="status" role="status">Connecting to the hub…</span> <span id="elapsed"></span></p>
        <div class="notice failed" id="failure" role="alert" hidden></div>
        <p class="actions">
          <button type="button" id="cancel">Cancel</button>
          <button type="button" id="retry" hidden>Try again</button>
          <a class="button" id="open" href="/" hidden>Open</a>
        </p>
        <details class="log" id="log-details" open>
          <summary>Log</summary>
          <div id="log" role="log" aria-live="off" tabindex="0" aria-label="Log of the launch"></div>
        </details>
        <noscript><p class="notice">This page follows the launch with JavaScript, which is off.</p></noscript>
      </div>
    `,
  });
