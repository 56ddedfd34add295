import { PageController, type RunnableCell } from '../controller.ts';
import { LiveSessionStateEvent } from '../events.ts';
import type { SessionState } from '../launch-progress.ts';
import { defineExtras } from '../lazy-elements.ts';
import { BaseElement, make } from './base-element.ts';
import type { LiveCell } from './live-cell.ts';
import { configFromAttributes, mergeConfig, type PageConfig } from '../page/config.ts';
import { lazyStyleSheet } from '../outputs/style-sheet.ts';
import type { PageParts } from '../parts.ts';
import { sdkParts } from '../sdk-parts.ts';

/** What a cell is to its page beyond a run. */
export interface PageCell extends RunnableCell, Element {}

/** A launch that is over sooner needs no status. */
const QUIET_MS = 1_200;

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
  /** Keeps its session when it is taken out of the document: its place was a cell that a framework has drawn anew. */
  stays = false;
  #controller: PageController | undefined;
  #region: HTMLElement | undefined;
  #last: SessionState | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #tells = false;
  #words = '';

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
    // Moved within the document it comes back at once, and its session must survive that.
    queueMicrotask(() => {
      if (this.isConnected || this.stays) return;
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
    this.#last = session;
    this.dispatchEvent(new LiveSessionStateEvent(session));
    const { kind } = session;
    if (kind === 'failed') this.say(`The launch failed. ${session.failure.message}`);
    else if (kind === 'lost') this.say(session.failure.message);
    else if (kind === 'cancelled') this.say('The launch was cancelled.');
    else if (kind === 'live' && session.notice) this.say(session.notice);
    // A quick launch is not worth a word: what shows and says more is loaded when it takes its time, or fails.
    if (kind === 'launching' && !this.#tells) this.#timer ??= setTimeout(() => void this.#tell(), QUIET_MS);
    else if (kind === 'live' ? session.notice : kind !== 'none') void this.#tell();
    if (kind === 'live') {
      clearTimeout(this.#timer);
      this.#timer = undefined;
      this.#tells = false;
    }
  }

  async #tell(): Promise<void> {
    this.#tells = true;
    const extras = await defineExtras().catch(() => undefined);
    const { session } = this.controller;
    if (!extras || session.kind !== 'launching') return;
    const words = `${extras.describeProgress(session.progress)}.`;
    if (words !== this.#words) this.say((this.#words = words));
  }
}
