import type { CellEditor } from '../cell-editor.ts';
import { pageOf } from '../context.ts';
import type { RunnableCell } from '../controller.ts';
import { LiveCellStateEvent } from '../events.ts';
import { createOutputModel } from '../outputs/output-model.ts';
import type { CellElement } from '../page/attach.ts';
import { flagOf, sourceOf, storedOutputOf } from '../page/extract.ts';
import { IDLE, type CellState } from '../run-queue.ts';
import { showIn } from '../stored-output.ts';
import { cellSheet } from '../styles.ts';
import { markOf } from '../words.ts';
import { BaseElement, make } from './base-element.ts';
import type { CellMenu } from './cell-menu.ts';
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
export class LiveCell extends BaseElement implements RunnableCell, CellElement {
  declare block?: Element;
  declare host?: Element;
  declare name?: string;
  declare scheme?: string;
  readonly outputs = createOutputModel();
  #page: LivePage | undefined;
  #leave: (() => void)[] = [];
  #editor: CellEditor | undefined;
  #opening = false;
  #state: CellState = IDLE;
  #used = false;
  #stored: Element | undefined;
  #tick: ReturnType<typeof setInterval> | undefined;
  #status: LiveStatus | undefined;
  #menu: CellMenu | undefined;
  readonly #run = make('button', { part: 'run', onclick: (event) => this.#press(event) });
  readonly #mark = make('span', { part: 'mark' });
  readonly #row = make('div', { className: 'row' }, this.#run);
  readonly #code = make('div', { className: 'code', part: 'editor' });
  readonly #output = make('live-output', { part: 'output', model: this.outputs });
  readonly #input = make('div');
  readonly #below = make('div', { part: 'below' }, this.#mark, this.#output, this.#input);
  readonly #cell = make('div', { className: 'cell', part: 'cell' }, this.#row, this.#below);

  get source(): string {
    return this.#editor?.value ?? (this.#source ? sourceOf(this.#source) : '');
  }

  get setup(): boolean {
    const block = this.#source;
    return !!block && (flagOf(block, 'init') || flagOf(block, 'hidden'));
  }

  /** How the last run went, or the one under way. */
  get state(): CellState {
    return this.#state;
  }

  get #source(): Element | undefined {
    return this.block === this
      ? (this.querySelector('pre') ?? this)
      : (this.block ?? this.querySelector('pre') ?? undefined);
  }

  readonly onInput = async (request: { readonly prompt: string; readonly password: boolean }): Promise<string> => {
    const { answerInput } = await import('../cell-editor.ts');
    return answerInput(this, this.#stored?.shadowRoot?.querySelector('div') ?? this.#input, request);
  };

  #draw(): void {
    const { activeElement } = this.shadowRoot ?? {};
    // The loader may have drawn the button already.
    const drawn = this.shadowRoot?.querySelector<HTMLElement>('.row');
    const root = this.shadowRoot ?? this.attachShadow({ mode: 'open' });
    this.#row.style.top = drawn?.style.top ?? '';
    this.#row.className = drawn?.className ?? 'row';
    root.adoptedStyleSheets = [cellSheet()];
    this.refresh();
    root.replaceChildren(make('slot'), this.#code, this.#cell);
    if (activeElement) this.#run.focus();
  }

  connectedCallback(): void {
    this.#page = pageOf(this);
    if (!this.#row.isConnected) this.#draw();
    const controller = this.#page?.controller;
    if (!controller) return;
    this.#leave = [controller.add(this), controller.subscribe(() => this.#follow())];
    this.#follow();
  }

  disconnectedCallback(): void {
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
    else this.#run.focus();
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
    if (state.kind === 'running') this.#tick ??= setInterval(() => this.#wait(), 500);
    else {
      clearInterval(this.#tick);
      this.#tick = undefined;
    }
    if (controller.session.kind === 'live' && !controller.busy) this.#edit();
    this.refresh();
  }

  /** A run that takes its time: its clock goes on, and the menu that can restart the kernel comes. */
  #wait(): void {
    this.refresh();
    this.#edit();
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
    const block = this.#source;
    if (this.#opening || !block || flagOf(block, 'hidden')) return;
    this.#opening = true;
    const watch = new IntersectionObserver(async (entries) => {
      if (!entries.some(({ isIntersecting }) => isIntersecting)) return;
      watch.disconnect();
      const into = this.#code;
      const extras = await import('../cell-editor.ts').catch(() => undefined);
      if (!extras) return void (this.#opening = false);
      this.#menu ??= extras.createCellMenu();
      this.refresh();
      this.#editor = extras.openEditor({
        block,
        root: this.shadowRoot!,
        into,
        label: `Code of ${this.name ?? 'the cell'}`,
        onRun: () => this.run(true),
        onRunAndAdvance: () => {
          this.run(true);
          this.#page?.cellAfter(this)?.focusCode();
        },
        onAnnounce: (text) => this.#page?.say(text),
        onChange: () => undefined,
      });
      if (!this.#editor) return void (this.#opening = false);
      extras.hideSlotted(this, this.host, true);
      this.#row.style.top = `-${getComputedStyle(into).marginBottom}`;
    });
    // The element itself has no box.
    watch.observe(this.#row);
    this.#leave.push(() => watch.disconnect());
  }

  /** Draws what has changed; called by the loader too, when it names cells anew. */
  refresh(): void {
    const controller = this.#page?.controller;
    const session = controller?.session ?? { kind: 'none' };
    const block = this.#source;
    const { kind } = this.#state;
    const active = kind === 'queued' || kind === 'running';
    const status = this.#page?.statusCell === this && session.kind !== 'none';
    const hidden = !!block && flagOf(block, 'hidden');
    const name = this.name ?? 'code';
    this.#row.hidden = hidden;
    this.#run.className = active ? 'run stop' : 'run';
    this.#run.ariaLabel = `${active ? 'Stop' : 'Run'} ${name}`;
    this.#run.textContent = active ? 'Stop' : 'Run';
    if (controller) this.#menu?.show(this.#row, name, controller);
    this.#below.className = this.#stored ? 'below elsewhere' : 'below';
    this.#below.hidden = hidden ? kind !== 'failed' : !this.#used && !status;
    this.#mark.className = `mark ${kind}`;
    this.#mark.textContent = markOf(this.#state, controller?.now() ?? 0);
    if (status && !this.#status) {
      this.#status = make('live-status', { part: 'status' });
      this.#status.retry = () => void this.run(true);
      this.#mark.after(this.#status);
    }
    if (this.#status) {
      this.#status.hidden = !status;
      this.#status.className = session.kind === 'launching' ? 'over' : '';
    }
    if (this.#stored) this.#output.remove();
    for (const part of [this.#code, this.#cell]) part.style.colorScheme = this.scheme ?? '';
    // A set-up cell stays out of sight as long as it works.
    const root = this.host?.shadowRoot;
    if (root?.adoptedStyleSheets.length && kind === 'failed') {
      root.adoptedStyleSheets = [];
      root.querySelector('slot')!.style.display = 'none';
    }
  }

  #press(event: Event): void {
    const { kind } = this.#state;
    if (kind === 'queued' || kind === 'running') this.#page?.controller.stopCell(this);
    else this.run(event.isTrusted || this.#page?.controller.config.thebe !== undefined);
  }
}
