import { PageController, type RunnableCell } from '../controller.ts';
import { LiveSessionStateEvent } from '../events.ts';
import { describeProgress, type SessionState } from '../launch-progress.ts';
import { defineStatus } from '../lazy-elements.ts';
import { BaseElement, make } from './base-element.ts';
import type { LiveCell } from './live-cell.ts';
import { configFromAttributes, mergeConfig, type PageConfig } from '../page/config.ts';
import { lazyStyleSheet } from '../outputs/style-sheet.ts';
import type { PageParts } from '../parts.ts';
import { sdkParts } from '../sdk-parts.ts';

/** What a cell is to its page beyond a run. */
export interface PageCell extends RunnableCell, Element {}

const STYLE = lazyStyleSheet(
  ':host{display:contents}p{position:absolute;width:1px;height:1px;margin:0;overflow:hidden;clip-path:inset(50%);white-space:nowrap}',
);

const inDocumentOrder = (cells: RunnableCell[]): RunnableCell[] =>
  cells.sort((left, right) => place(left as PageCell, right as PageCell));

/** Cells stand in different shadow roots, so their outermost elements are compared. */
const place = (left: Element, right: Element): number => {
  const [a, b] = [outermost(left), outermost(right)];
  return a.compareDocumentPosition(b) & Node.DOCUMENT_POSITION_FOLLOWING ? -1 : 1;
};

const outermost = (element: Element): Element => {
  const root = element.getRootNode();
  return root instanceof ShadowRoot ? outermost(root.host) : element;
};

/**
 * The coordinator of a page, invisible: holds what the page says about its hub and repository, its one session, and
 * the page's live region. Every other element finds it around itself, or as the first one of the document.
 *
 * @attr hub - the hub's address
 * @attr repo - `gh/owner/name`, or another provider's spec
 * @attr ref - branch, tag or commit; default the default branch
 * @attr kernel - the kernel to start; default the hub's own
 * @attr path - the page's notebook within the repository; the kernel starts in its folder
 * @fires live-session-state
 */
export class LivePage extends BaseElement {
  /** What is known beside the attributes, which win; read when the first launch begins. */
  config: PageConfig = {};
  /** Makes what a page talks to; replaced by tests. */
  static parts: () => PageParts = sdkParts;
  /** The cell under which a launch shows how far it is. */
  statusCell: Element | undefined;
  #controller: PageController | undefined;
  #region: HTMLElement | undefined;
  #last: SessionState | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #statusTimer: ReturnType<typeof setTimeout> | undefined;

  get controller(): PageController {
    if (!this.#controller) {
      const attributes = configFromAttributes((name) => this.getAttribute(name));
      this.#controller = new PageController(mergeConfig(this.config, attributes), LivePage.parts());
      this.#controller.orderBy(inDocumentOrder);
      this.#controller.subscribe(() => this.#changed());
    }
    return this.#controller;
  }

  connectedCallback(): void {
    if (this.shadowRoot) return;
    const root = this.attachShadow({ mode: 'open' });
    root.adoptedStyleSheets = [STYLE()];
    this.#region = make('p', { role: 'status', ariaLive: 'polite' });
    root.append(this.#region, make('slot'));
  }

  disconnectedCallback(): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#statusTimer);
    // Moved within the document it comes back at once, and its session must survive that.
    queueMicrotask(() => {
      if (this.isConnected) return;
      this.#controller?.dispose();
      this.#controller = undefined;
    });
  }

  /** The next cell that a reader sees, in the order of the document. */
  cellAfter(cell: LiveCell): LiveCell | undefined {
    const cells = this.controller.cells as LiveCell[];
    return cells.slice(cells.indexOf(cell) + 1).find(({ setup }) => !setup);
  }

  /** Tells those who cannot see the page, when what they do leaves room for it. */
  say(text: string): void {
    if (this.#region) this.#region.textContent = text;
  }

  #changed(): void {
    const { session } = this.controller;
    if (session === this.#last) return;
    const before = this.#last;
    this.#last = session;
    this.#prepareStatus(session);
    this.dispatchEvent(new LiveSessionStateEvent(session));
    if (session.kind === 'launching') {
      const words = describeProgress(session.progress);
      if (before?.kind === 'launching' && describeProgress(before.progress) === words) return;
      clearTimeout(this.#timer);
      // Quick steps are not worth a word.
      this.#timer = setTimeout(() => this.say(`${words}.`), 1500);
      return;
    }
    clearTimeout(this.#timer);
    if (session.kind === 'failed') this.say(`The launch failed. ${session.failure.message}`);
    else if (session.kind === 'lost') this.say(session.failure.message);
    else if (session.kind === 'cancelled') this.say('The launch was cancelled.');
    else if (session.kind === 'live' && session.notice) this.say(session.notice);
  }

  /** The status is loaded when there is something to say: a failure, a loss, or a launch that takes its time. */
  #prepareStatus(session: SessionState): void {
    clearTimeout(this.#statusTimer);
    const quick = session.kind === 'launching' ? 1_200 - (this.controller.now() - session.progress.startedAt) : 0;
    if (session.kind !== 'live' || session.notice)
      this.#statusTimer = setTimeout(() => void defineStatus().catch(() => undefined), Math.max(0, quick));
  }
}
