type Slot<S, A> = (sender: S, args: A) => void;

/** Signals by their sender, so that a sender's can be cleared at once. */
const signals = new WeakMap<object, Set<{ clear(): void }>>();

/** Stands in for @lumino/signaling: what a kernel connection uses of it. */
export class Signal<S extends object, A> {
  static clearData(sender: object): void {
    for (const signal of signals.get(sender) ?? []) signal.clear();
  }

  readonly #sender: S;
  #slots: { readonly slot: Slot<S, A>; readonly thisArg: unknown }[] = [];

  constructor(sender: S) {
    this.#sender = sender;
    const known = signals.get(sender) ?? new Set();
    known.add(this);
    signals.set(sender, known);
  }

  connect(slot: Slot<S, A>, thisArg?: unknown): boolean {
    if (this.#has(slot, thisArg)) return false;
    this.#slots = [...this.#slots, { slot, thisArg }];
    return true;
  }

  disconnect(slot: Slot<S, A>, thisArg?: unknown): boolean {
    const had = this.#has(slot, thisArg);
    this.#slots = this.#slots.filter((entry) => entry.slot !== slot || entry.thisArg !== thisArg);
    return had;
  }

  emit(args: A): void {
    for (const { slot, thisArg } of this.#slots) {
      try {
        slot.call(thisArg, this.#sender, args);
      } catch (error) {
        // One listener's failure is not the next one's.
        console.error(error);
      }
    }
  }

  clear(): void {
    this.#slots = [];
  }

  #has(slot: Slot<S, A>, thisArg: unknown): boolean {
    return this.#slots.some((entry) => entry.slot === slot && entry.thisArg === thisArg);
  }
}
