import type { Output } from './output.ts';

/** One output on the page. */
export interface OutputView<Kind extends Output = Output> {
  readonly element: HTMLElement;
  /** Shows a later state of the output, or another output of the same family in its place. */
  update(output: Kind): void;
  /** Lets go of everything: addresses of blobs, observers, listeners. The element is removed by the caller. */
  dispose(): void;
}

export type CreateView<Kind extends Output = Output> = (output: Kind) => OutputView<Kind>;

/** An element with its class and its `part` names. */
export const createPart = <Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  className: string,
  part = '',
): HTMLElementTagNameMap[Name] => {
  const element = document.createElement(name);
  element.className = className;
  if (part) element.setAttribute('part', part);
  return element;
};
