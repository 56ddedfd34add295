import { html, LitElement, nothing, unsafeCSS, type PropertyValues } from 'lit';
import { BASE_STYLE } from '../base-style.ts';
import type { CellEditor } from '../cell-editor.ts';
import { pageOf } from '../context.ts';
import type { RunnableCell } from '../controller.ts';
import { LiveCellStateEvent } from '../events.ts';
import { createOutputModel } from '../outputs/output-model.ts';
import type { CellElement } from '../page/attach.ts';
import { flagOf, sourceOf, storedOutputOf } from '../page/extract.ts';
import { IDLE, type CellState } from '../run-queue.ts';
import { hideSlotted, showIn } from '../stored-output.ts';
import { cellStyle, themeStyle } from '../styles.ts';
import { markOf } from '../words.ts';
import type { LiveOutput } from './live-output.ts';
import type { LivePage } from './live-page.ts';
import type { LiveStatus } from './live-status.ts';

/**
 * One runnable block of code: a Run button on its lower edge, its mark, and what it puts out. Around a `pre`, or made by
 * the script tag for the blocks of a page.
 *
 * @slot - the author's code
 * @attr language - default as the markup says, else `python`
 * @attr readonly - the reader cannot change the code
 * @attr init - runs first, once per kernel
 * @csspart run - the button that runs and stops
 * @csspart mark - how the last run went
 * @csspart editor - the code, once it can be changed
 * @csspart output - what the code put out
 * @fires live-cell-state
 */
export class LiveCell extends LitElement implements RunnableCell, CellElement {
  static override properties = {
    block: { attribute: false },
    name: { attribute: false },
    scheme: { attribute: false },
    menu: { state: true },
  };
  static override styles = [themeStyle, unsafeCSS(BASE_STYLE), cellStyle];

  declare block: Element | undefined;
  declare name: string | undefined;
  declare scheme: string | undefined;
  declare menu: boolean;
  host: Element | undefined;
  readonly outputs = createOutputModel();
  #page: LivePage | undefined;
  #leave: (() => void)[] = [];
  #editor: CellEditor | undefined;
  #opening = false;
  #state: CellState = IDLE;
  #used = false;
  #stored: Element | undefined;
  #tick: ReturnType<typeof setInterval> | undefined;

  constructor() {
    super();
    this.menu = false;
  }

  get source(): string {
    return this.#editor?.value ?? (this.#code ? sourceOf(this.#code) : '');
  }

  get setup(): boolean {
    return !!this.#code && (flagOf(this.#code, 'init') || flagOf(this.#code, 'hidden'));
  }

  /** How the last run went, or the one under way. */
  get state(): CellState {
    return this.#state;
  }

  get #code(): Element | undefined {
    return this.block === this
      ? (this.querySelector('pre') ?? this)
      : (this.block ?? this.querySelector('pre') ?? undefined);
  }

  readonly onInput = async (request: { readonly prompt: string; readonly password: boolean }): Promise<string> => {
    const { askInput } = await import('../outputs/input-prompt.ts');
    await this.updateComplete;
    return askInput(this.#stored?.shadowRoot?.querySelector<HTMLElement>('.input') ?? this.#part('input'), request);
  };

  #part(name: string): HTMLElement {
    return this.renderRoot.querySelector<HTMLElement>(`.${name}`)!;
  }

  protected override createRenderRoot(): HTMLElement | DocumentFragment {
    // The loader may have drawn the button already.
    const drawn = this.shadowRoot;
    const focused = drawn?.activeElement;
    const top = drawn?.querySelector<HTMLElement>('.row')?.style.top;
    drawn?.replaceChildren();
    const root = super.createRenderRoot();
    void this.updateComplete.then(() => {
      if (top) this.#part('row').style.top = top;
      if (focused) this.#part('run').focus();
    });
    return root;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.#page = pageOf(this);
    const controller = this.#page?.controller;
    if (!controller) return;
    this.#leave = [controller.add(this), controller.subscribe(() => this.#follow())];
    this.#follow();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    for (const leave of this.#leave) leave();
    clearInterval(this.#tick);
    this.#tick = undefined;
  }

  /** Runs the cell; launches first where `mayLaunch` says that a reader asked. False where neither could be done. */
  run(mayLaunch = false): boolean {
    const page = this.#page;
    if (!page) return false;
    const { kind } = page.controller.session;
    if (kind !== 'live' && kind !== 'launching') page.statusCell = this;
    return page.controller.run([this], mayLaunch);
  }

  /** Puts the focus where the code can be changed, or else on Run. */
  focusCode(): void {
    if (this.#editor) this.#editor.focus();
    else this.#part('run').focus();
  }

  #follow(): void {
    const controller = this.#page?.controller;
    if (!controller) return;
    const state = controller.stateOf(this);
    if (state !== this.#state) {
      this.#state = state;
      this.#used ||= state.kind !== 'idle';
      if (this.#used) this.#findStored();
      if (state.kind === 'running' && this.#stored) showIn(this.#stored, this.outputs, this.scheme);
      this.#announce(state);
      this.dispatchEvent(new LiveCellStateEvent(state));
    }
    if (state.kind === 'running') this.#tick ??= setInterval(() => this.requestUpdate(), 500);
    else {
      clearInterval(this.#tick);
      this.#tick = undefined;
    }
    if (controller.session.kind === 'live' && !controller.busy) this.#edit();
    this.requestUpdate();
  }

  #announce(state: CellState): void {
    if (state.kind === 'done' || state.kind === 'failed' || state.kind === 'stopped')
      this.#page?.say(`${this.name ?? 'Code'}: ${state.kind === 'done' ? 'done' : markOf(state, 0)}.`);
  }

  /** What the author stored stays until the first run begins; from the click on it is known to be there. */
  #findStored(): void {
    const selector = this.#page?.controller.config.thebe?.outputSelector ?? '[data-output]';
    this.#stored ??= storedOutputOf(this, this.host, selector);
  }

  #edit(): void {
    const block = this.#code;
    if (this.#opening || !block || flagOf(block, 'hidden')) return;
    this.#opening = true;
    const watch = new IntersectionObserver(async (entries) => {
      if (!entries.some(({ isIntersecting }) => isIntersecting)) return;
      watch.disconnect();
      const into = this.#part('code');
      const { openEditor } = await import('../cell-editor.ts');
      this.#editor = await openEditor({
        block,
        root: this.renderRoot as ShadowRoot,
        into,
        label: `Code of ${this.name ?? 'the cell'}`,
        onRun: () => this.run(true),
        onRunAndAdvance: () => {
          this.run(true);
          this.#page?.cellAfter(this)?.focusCode();
        },
        onAnnounce: (text) => this.#page?.say(text),
        onChange: () => undefined,
      }).catch(() => undefined);
      if (!this.#editor) return void (this.#opening = false);
      hideSlotted(this, this.host, true);
      this.#part('row').style.top = `-${getComputedStyle(into).marginBottom}`;
    });
    // The element itself has no box.
    watch.observe(this.#part('row'));
    this.#leave.push(() => watch.disconnect());
  }

  protected override render(): unknown {
    const page = this.#page;
    const hidden = !!this.#code && flagOf(this.#code, 'hidden');
    const state = this.#state;
    const { session, now } = { session: page?.controller.session, now: page?.controller.now() ?? 0 };
    const active = state.kind === 'queued' || state.kind === 'running';
    const status = page?.statusCell === this && session?.kind !== 'none';
    const shown = hidden ? state.kind === 'failed' : this.#used || status;
    return html`<slot></slot>
      <div class="code" part="editor"></div>
      <div class="cell" part="cell">
        <div class="row" ?hidden=${hidden}>
          <button
            class="run ${active ? 'stop' : ''}"
            part="run"
            aria-label="${active ? 'Stop' : 'Run'} ${this.name ?? 'code'}"
            @click=${(event: Event) => this.#press(event)}
            .textContent=${active ? 'Stop' : 'Run'}
          ></button>
          ${session && session.kind !== 'none' ? this.#more() : nothing}
        </div>
        <div class="below ${this.#stored ? 'elsewhere' : ''}" part="below" ?hidden=${!shown}>
          <span class="mark ${state.kind}" part="mark" ?hidden=${state.kind === 'idle'}>${markOf(state, now)}</span>
          ${status ? html`<live-status part="status" class=${session?.kind === 'launching' ? 'over' : ''}></live-status>` : nothing}
          ${this.#stored ? nothing : html`<live-output part="output"></live-output>`}
          <div class="input"></div>
        </div>
      </div>`;
  }

  #more(): unknown {
    const controller = this.#page!.controller;
    const choose = (action: () => unknown) => (): void => {
      this.menu = false;
      this.#part('more').focus();
      action();
    };
    const close = (event: FocusEvent): void => {
      if (!(event.currentTarget as Element).contains(event.relatedTarget as Node | null)) this.menu = false;
    };
    const key = (event: KeyboardEvent): void => {
      if (event.key !== 'Escape' || !this.menu) return;
      this.menu = false;
      this.#part('more').focus();
    };
    return html`<div @focusout=${close} @keydown=${key}>
      <button
        class="more"
        aria-label="More for ${this.name ?? 'code'}"
        aria-expanded=${this.menu}
        @click=${() => (this.menu = !this.menu)}
      >
        ⋯
      </button>
      ${
        this.menu
          ? html`<div class="menu">
              <button @click=${choose(() => controller.runAll(true))}>Run all</button>
              <button @click=${choose(() => controller.restart())}>Restart the kernel</button>
              <button @click=${choose(() => controller.restart(true))}>Restart and run all</button>
            </div>`
          : nothing
      }
    </div>`;
  }

  #press(event: Event): void {
    const { kind } = this.#state;
    if (kind === 'queued' || kind === 'running') this.#page?.controller.stopCell(this);
    else this.run(event.isTrusted || this.#page?.controller.config.thebe !== undefined);
  }

  protected override updated(_changed: PropertyValues): void {
    for (const part of ['code', 'cell']) this.#part(part).style.colorScheme = this.scheme ?? '';
    // A set-up cell stays out of sight as long as it works.
    const root = this.host?.shadowRoot;
    if (root?.adoptedStyleSheets.length && this.#state.kind === 'failed') {
      root.adoptedStyleSheets = [];
      hideSlotted(this, this.host, true);
    }
    const output = this.renderRoot.querySelector('live-output') as LiveOutput | null;
    if (output) output.model = this.outputs;
    const status = this.renderRoot.querySelector('live-status') as LiveStatus | null;
    if (status) status.retry = () => void this.run(true);
  }
}
