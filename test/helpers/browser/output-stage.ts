import type { MimeBundle, OutputMessage } from '../../../sdk/kernel.ts';
import { createOutputModel, type OutputModel } from '../../../widget/outputs/output-model.ts';
import { renderOutputs } from '../../../widget/outputs/render-output.ts';

/** A PNG of 2 × 1 pixels. */
export const PIXEL =
  'iVBORw0KGgoAAAANSUhEUgAAAAIAAAABCAYAAAD0In+KAAAAEUlEQVR4nGP8z8Dwn4GBgQEABgwBAYmyxYkAAAAASUVORK5CYII=';
export const GIF = 'R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7';
export const SVG =
  '<svg xmlns="http://www.w3.org/2000/svg" width="20" height="10"><rect width="20" height="10"/></svg>';

export const frame = (): Promise<void> => new Promise((resolve) => requestAnimationFrame(() => resolve()));
export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits until `probe` gives something. */
export const eventually = async <Value>(
  probe: () => Value | null | undefined | false | Promise<Value | null | undefined | false>,
): Promise<Value> => {
  for (let tries = 0; tries < 400; tries++) {
    const value = await probe();
    if (value) return value;
    await pause(10);
  }
  throw new Error(`Waited in vain for ${probe.toString()}`);
};

export const display = (data: MimeBundle, metadata: MimeBundle = {}, displayId?: string): OutputMessage => ({
  type: 'display',
  data,
  metadata,
  ...(displayId === undefined ? {} : { displayId }),
});

/** The outputs of one model, shown in a shadow root on the page. */
export interface OutputStage {
  readonly host: HTMLElement;
  readonly root: ShadowRoot;
  readonly model: OutputModel;
  /** Applies the messages and waits until they are drawn. */
  apply(...messages: OutputMessage[]): Promise<void>;
  /** The first element of a selector; an error when there is none. */
  find<Found extends Element = HTMLElement>(selector: string): Found;
  /** Text as a reader sees it. */
  shown(selector: string): string;
  /** The shadow root of the first HTML output, when it is there. */
  html(): Promise<ShadowRoot>;
  /** Ends the drawing. */
  dispose(): void;
  /** Ends it and leaves the page. */
  leave(): void;
}

export const createStage = (): OutputStage => {
  const host = document.createElement('div');
  const root = host.attachShadow({ mode: 'open' });
  const model = createOutputModel();
  document.body.append(host);
  const dispose = renderOutputs(model, root);
  const find = <Found extends Element = HTMLElement>(selector: string): Found => {
    const found = root.querySelector<Found>(selector);
    if (!found) throw new Error(`There is no ${selector} in ${root.innerHTML}`);
    return found;
  };
  return {
    host,
    root,
    model,
    apply: async (...messages) => {
      for (const message of messages) model.apply(message);
      await frame();
      await frame();
    },
    find,
    shown: (selector) => find(selector).innerText.trimEnd(),
    html: () => eventually(() => root.querySelector('.live-html > div')?.shadowRoot),
    dispose,
    leave: () => {
      dispose();
      host.remove();
    },
  };
};
