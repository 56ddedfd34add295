import { css, html, LitElement } from 'lit';
import { PageController, type RunnableCell } from '../controller.ts';
import { LiveSessionStateEvent } from '../events.ts';
import { describeProgress, type SessionState } from '../launch-progress.ts';
import { configFromAttributes, mergeConfig, type PageConfig } from '../page/config.ts';
import type { PageParts } from '../parts.ts';
import { sdkParts } from '../sdk-parts.ts';

/** What a cell is to its page beyond a run. */
export interface PageCell extends RunnableCell, Element {}

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
export class LivePage extends LitElement {
  static override styles = css`
    :host {
      display: contents;
    }
    [role] {
      position: absolute;
      width: 1px;
      height: 1px;
      overflow: hidden;
      clip-path: inset(50%);
      white-space: nowrap;
    }
  `;

  /** What is known beside the attributes, which win; read when the first launch begins. */
  config: PageConfig = {};
  /** What the page talks to; replaced by tests. */
  parts: PageParts = sdkParts();
  /** The cell under which a launch shows how far it is. */
  statusCell: Element | undefined;
  #controller: PageController | undefined;
  #said = '';
  #last: SessionState | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  get controller(): PageController {
    if (!this.#controller) {
      const attributes = configFromAttributes((name) => this.getAttribute(name));
      this.#controller = new PageController(mergeConfig(this.config, attributes), this.parts);
      this.#controller.orderBy(inDocumentOrder);
      this.#controller.subscribe(() => this.#changed());
    }
    return this.#controller;
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    clearTimeout(this.#timer);
    // Moved within the document it comes back at once, and its session must survive that.
    queueMicrotask(() => {
      if (this.isConnected) return;
      this.#controller?.dispose();
      this.#controller = undefined;
    });
  }

  /** Tells those who cannot see the page, when what they do leaves room for it. */
  say(text: string): void {
    this.#said = text;
    this.requestUpdate();
  }

  #changed(): void {
    const { session } = this.controller;
    if (session === this.#last) return;
    const before = this.#last;
    this.#last = session;
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

  protected override render(): unknown {
    return html`<div role="status" aria-live="polite">${this.#said}</div>
      <slot></slot>`;
  }
}
