import { BaseElement } from './base-element.ts';
import { createOutputModel, type OutputModel } from '../outputs/output-model.ts';
import { renderOutputs } from '../outputs/render-output.ts';

/** Shows the outputs of one model, and keeps up with it while it is in the document. */
export class LiveOutput extends BaseElement {
  #model: OutputModel = createOutputModel();
  #stop: (() => void) | undefined;

  get model(): OutputModel {
    return this.#model;
  }

  set model(model: OutputModel) {
    if (model === this.#model) return;
    this.#model = model;
    this.#draw();
  }

  connectedCallback(): void {
    this.#draw();
  }

  disconnectedCallback(): void {
    this.#stop?.();
    this.#stop = undefined;
  }

  #draw(): void {
    this.#stop?.();
    if (!this.isConnected) return;
    this.#stop = renderOutputs(this.#model, this.shadowRoot ?? this.attachShadow({ mode: 'open' }));
  }
}
