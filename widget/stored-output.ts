import type { LiveOutput } from './elements/live-output.ts';
import type { OutputModel } from './outputs/output-model.ts';

const CAN_HOST = 'article,aside,blockquote,div,footer,header,main,nav,p,section,span';

const taken = new WeakSet<Element>();

/** Shows a model's outputs where the author keeps stored ones, which stay in the document as they are; once. */
export const showIn = (stored: Element, model: OutputModel, scheme: string | undefined): void => {
  if (taken.has(stored)) return;
  taken.add(stored);
  const output = document.createElement('live-output') as LiveOutput;
  const input = document.createElement('div');
  input.className = 'input';
  output.model = model;
  for (const part of [output, input]) part.style.cssText = `color-scheme:${scheme ?? 'normal'};font-size:15px`;
  if (stored.matches(CAN_HOST) && !stored.shadowRoot) {
    // Without a slot the author's nodes are not drawn.
    stored.attachShadow({ mode: 'open' }).append(output, input);
  } else {
    (stored as HTMLElement).hidden = true;
    stored.after(output);
  }
};
