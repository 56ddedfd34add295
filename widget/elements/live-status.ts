import { html, LitElement, nothing, unsafeCSS, type PropertyValues } from 'lit';
import { pageOf } from '../context.ts';
import type { Failure, LaunchProgress } from '../launch-progress.ts';
import { describePlace, describeProgress, stepOf, STEPS } from '../launch-words.ts';
import { terminalStyles, terminalText } from '../outputs/terminal-text.ts';
import { buttonStyle, statusStyle } from '../status-style.ts';
import { themeStyle } from '../styles.ts';
import { inWords } from '../words.ts';
import type { LivePage } from './live-page.ts';

/** A launch that is over sooner is not worth a panel. */
const QUIET_MS = 2_000;

/**
 * How the page's session stands: the steps of a launch in plain words, its log, the time so far, cancel and retry; a
 * failure with its cause; the loss of a kernel. Shows nothing while there is nothing to say.
 *
 * @csspart panel - the box
 * @csspart log - the log
 */
export class LiveStatus extends LitElement {
  static override properties = { open: { type: Boolean, reflect: true } };
  static override styles = [unsafeCSS(themeStyle), unsafeCSS(buttonStyle), unsafeCSS(statusStyle)];

  /** Whether the log is shown. */
  declare open: boolean;
  /** What a retry does; default launches without running anything. */
  declare retry?: () => void;
  #page: LivePage | undefined;
  #stop: (() => void) | undefined;
  #tick: ReturnType<typeof setInterval> | undefined;
  #frame = 0;
  #log: { source: readonly string[]; written: number; terminal: ReturnType<typeof terminalText> } | undefined;

  constructor() {
    super();
    this.open = false;
  }

  protected override createRenderRoot(): HTMLElement | DocumentFragment {
    const root = super.createRenderRoot();
    if (root instanceof ShadowRoot) root.adoptedStyleSheets.push(terminalStyles());
    return root;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.#page = pageOf(this);
    this.#stop = this.#page?.controller.subscribe(() => this.#soon());
    this.#soon();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#stop?.();
    clearInterval(this.#tick);
    this.#tick = undefined;
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
  }

  /** A log can bring thousands of lines in one frame. */
  #soon(): void {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.requestUpdate();
    });
  }

  protected override render(): unknown {
    const page = this.#page;
    const session = page?.controller.session;
    const launching = session?.kind === 'launching';
    if (launching) this.#tick ??= setInterval(() => this.#soon(), 500);
    else {
      clearInterval(this.#tick);
      this.#tick = undefined;
    }
    if (!page || !session) return nothing;
    switch (session.kind) {
      case 'launching': {
        const elapsed = page.controller.now() - session.progress.startedAt;
        return elapsed < QUIET_MS && !this.open ? nothing : this.#underWay(session.progress, elapsed);
      }
      case 'failed':
        return this.#failed('The launch failed.', session.failure, session.progress);
      case 'lost':
        return this.#failed('', session.failure);
      case 'live':
        return session.notice ? this.#note(session.notice) : nothing;
      case 'cancelled':
        return this.#note('The launch was cancelled.');
      case 'none':
        return nothing;
    }
  }

  #note(words: string): unknown {
    return html`<div class="panel" part="panel">
      <div class="head"><span class="words">${words}</span></div>
    </div>`;
  }

  #underWay(progress: LaunchProgress, elapsed: number): unknown {
    const usual = progress.usualMs ? `, usually ${inWords(progress.usualMs)}` : '';
    return html`<div class="panel" part="panel">
      <div class="head">
        <span class="words">${describeProgress(progress)}</span>
        <span class="quiet">${inWords(elapsed)}${usual}</span>
        ${this.#logButton(progress)}
        <button class="plain" @click=${() => this.#page?.controller.cancel()}>Cancel</button>
      </div>
      ${this.#steps(progress)} ${this.#logBox(progress)}
    </div>`;
  }

  #failed(title: string, failure: Failure, progress?: LaunchProgress): unknown {
    const place = describePlace(failure.detail);
    return html`<div class="panel failed" part="panel">
      <div class="head">
        <span class="words"><strong>${title}</strong> ${failure.message}</span>
        ${progress ? this.#logButton(progress) : nothing}
        <button class="plain" @click=${() => (this.retry ? this.retry() : this.#page?.controller.start())}>
          ${failure.code === 'kernel_dead' ? 'Run again' : 'Try again'}
        </button>
      </div>
      <div class="quiet">${place ? html`${place} · ` : nothing}<code>${failure.code}</code></div>
      ${progress ? this.#logBox(progress, failure.logTail) : nothing}
    </div>`;
  }

  #steps(progress: LaunchProgress): unknown {
    const now = stepOf(progress.phase);
    return html`<ol class="steps" aria-label="Steps">
      ${STEPS.map(
        ({ words }, index) =>
          html`<li
            class=${index < now ? 'past' : index === now ? 'now' : ''}
            aria-current=${index === now ? 'step' : nothing}
          >
            ${words}
          </li>`,
      )}
    </ol>`;
  }

  #logButton(progress: LaunchProgress): unknown {
    return progress.lines === 0
      ? nothing
      : html`<button class="plain" aria-expanded=${this.open} @click=${() => (this.open = !this.open)}>
          ${this.open ? 'Hide log' : 'Log'}
        </button>`;
  }

  #logBox(progress: LaunchProgress, tail?: readonly string[]): unknown {
    if (progress.lines === 0 && tail) {
      progress.log.push(...tail.map((line) => `${line}\n`));
      progress = { ...progress, lines: progress.log.length };
    }
    return this.open && progress.lines > 0
      ? html`<div class="log live-terminal" part="log" role="log" aria-live="off" aria-label="Log" tabindex="0"></div>`
      : nothing;
  }

  protected override updated(_changed: PropertyValues): void {
    const session = this.#page?.controller.session;
    const box = this.renderRoot.querySelector<HTMLElement>('.log');
    if (!box || !session || !('progress' in session)) return;
    const { log } = session.progress;
    if (this.#log?.source !== log) this.#log = { source: log, written: 0, terminal: terminalText() };
    const following = box.scrollHeight - box.scrollTop - box.clientHeight < 40;
    this.#log.terminal.write(log.slice(this.#log.written).join(''));
    this.#log.written = log.length;
    this.#log.terminal.render(box);
    if (following) box.scrollTop = box.scrollHeight;
  }
}
