import { html } from './html.ts';
import { pageFrame } from './page-frame.ts';

export interface DemoLink {
  readonly href: string;
  readonly title: string;
}

/** What the link maker has to know of a kind of source. */
interface SourceKind {
  readonly id: string;
  readonly displayName: string;
  readonly repo: { readonly label: string; readonly placeholder: string; readonly urlEncode?: boolean };
  readonly ref: { readonly enabled: boolean; readonly default?: string };
}

export interface HomePage {
  readonly providers: readonly SourceKind[];
  readonly demos: readonly DemoLink[];
  /** Patterns of what may run. */
  readonly allowed: readonly string[];
}

const demoList = (demos: readonly DemoLink[]) =>
  demos.length === 0
    ? ''
    : html`<section aria-labelledby="demos">
        <h2 id="demos">Try it</h2>
        <p>Pages whose code runs on this machine. Open one and press Run.</p>
        <ul class="cards">
          ${demos.map(({ href, title }) => html`<li><a href="${href}">${title}</a></li>`)}
        </ul>
      </section>`;

/** The start page: the demo's pages, and a form that makes links and badges. Works without its script as far as a link can. */
export const homePage = ({ providers, demos, allowed }: HomePage): string =>
  pageFrame({
    title: 'Liveleaf',
    script: 'home.js',
    body: html`
      <h1>Code on a page, running</h1>
      <p class="lead">
        This hub builds a repository’s environment and runs its code for the pages and people that its owner allows.
      </p>
      ${demoList(demos)}
      <section aria-labelledby="maker">
        <h2 id="maker">Make a link</h2>
        <p>
          Allowed here:
          ${allowed.length === 0 ? 'nothing yet' : allowed.map((pattern, index) => [index === 0 ? '' : ', ', html`<code>${pattern}</code>`])}.
        </p>
        <form class="maker" id="link-maker">
          <label>
            Source
            <select name="provider">
              ${providers.map(
                ({ id, displayName, repo, ref }) =>
                  html`<option
                    value="${id}"
                    data-label="${repo.label}"
                    data-placeholder="${repo.placeholder}"
                    data-encode="${repo.urlEncode === true ? 'whole' : 'parts'}"
                    data-ref="${ref.enabled ? (ref.default ?? 'HEAD') : ''}"
                  >
                    ${displayName}
                  </option>`,
              )}
            </select>
          </label>
          <label class="wide">
            <span id="repo-label">${providers[0]?.repo.label ?? 'Repository'}</span>
            <input
              name="repo"
              required
              autocomplete="off"
              spellcheck="false"
              placeholder="${providers[0]?.repo.placeholder ?? ''}"
            />
          </label>
          <label>
            Branch, tag or commit
            <input name="ref" autocomplete="off" spellcheck="false" placeholder="HEAD" />
          </label>
          <label class="wide">
            File to open (optional)
            <input name="file" autocomplete="off" spellcheck="false" placeholder="notebooks/start.ipynb" />
          </label>
          <button type="submit">Launch</button>
        </form>
        <div class="results" id="results" hidden>
          <p><a id="link" href="/">Link</a></p>
          <label>Markdown badge <textarea id="markdown" rows="2" readonly></textarea></label>
          <label>reStructuredText badge <textarea id="rst" rows="3" readonly></textarea></label>
          <label>Script tag for a page <textarea id="tag" rows="2" readonly></textarea></label>
        </div>
        <noscript
          ><p>The form needs JavaScript. A link is <code>/v2/gh/owner/name/HEAD</code>.</p></noscript
        >
      </section>
    `,
  });
