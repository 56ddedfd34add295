/** Stands in for @lumino/disposable: what a kernel connection uses of it. */
export class DisposableDelegate {
  #dispose: (() => void) | undefined;

  constructor(dispose: () => void) {
    this.#dispose = dispose;
  }

  get isDisposed(): boolean {
    return this.#dispose === undefined;
  }

  dispose(): void {
    const dispose = this.#dispose;
    this.#dispose = undefined;
    dispose?.();
  }
}
