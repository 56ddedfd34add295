import { html, LitElement, unsafeCSS } from 'lit';
import { pageOf } from '../context.ts';
import { buttonStyle } from '../status-style.ts';
import { themeStyle } from '../styles.ts';
import type { LivePage } from './live-page.ts';

/**
 * Buttons for the whole page: run every cell, stop, restart the kernel, restart and run all.
 *
 * @csspart button - each of the buttons
 * @slot - the words on the button that runs all; default `Run all`
 */
export class LiveLaunch extends LitElement {
  static override styles = [
    unsafeCSS(themeStyle),
    unsafeCSS(buttonStyle),
    unsafeCSS(`
      :host {
        display: inline-flex;
        flex-wrap: wrap;
        gap: 6px;
        font: 500 13px/1.5 var(--_font);
      }
    `),
  ];
  #page: LivePage | undefined;
  #stop: (() => void) | undefined;

  override connectedCallback(): void {
    super.connectedCallback();
    this.#page = pageOf(this);
    this.#stop = this.#page?.controller.subscribe(() => this.requestUpdate());
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#stop?.();
  }

  protected override createRenderRoot(): HTMLElement | DocumentFragment {
    // The loader may have drawn the button already.
    this.shadowRoot?.replaceChildren();
    return super.createRenderRoot();
  }

  /** Runs every cell of the page; launches first where `mayLaunch` says that a reader asked. */
  run(mayLaunch = false): boolean {
    if (!this.#page) return false;
    return this.#page.controller.runAll(mayLaunch);
  }

  protected override render(): unknown {
    const page = this.#page;
    if (!page) return html`<slot></slot>`;
    const { controller } = page;
    const launching = controller.session.kind === 'launching';
    const busy = controller.busy || launching;
    return html`<button
        class="plain"
        part="button"
        ?disabled=${busy}
        @click=${(event: Event) => this.run(event.isTrusted)}
      >
        <slot>Run all</slot>
      </button>
      <button class="plain" part="button" ?hidden=${!busy} @click=${() => controller.stop()}>
        ${launching ? 'Cancel' : 'Stop'}
      </button>
      <span ?hidden=${controller.session.kind !== 'live'}>
        <button class="plain" part="button" @click=${() => controller.restart()}>Restart</button>
        <button class="plain" part="button" @click=${() => controller.restart(true)}>Restart and run all</button>
      </span>`;
  }
}
