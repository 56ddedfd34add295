import type { Timer, World } from './world.ts';

const FIRST_MS = 30_000;
const LAST_MS = 300_000;

/** Calls `onSilence` when nothing was heard for 30 s while something is awaited; then after twice as long, up to 5 min. */
export class SilenceWatch {
  readonly #world: World;
  readonly #onSilence: () => void;
  #timer: Timer | undefined;
  #heardAt = 0;
  #allowedMs = FIRST_MS;
  #isWanted: () => boolean = () => false;

  constructor(world: World, onSilence: () => void) {
    this.#world = world;
    this.#onSilence = onSilence;
  }

  /** Watches for as long as `isWanted` says so. */
  begin(isWanted: () => boolean): void {
    this.#isWanted = isWanted;
    if (this.#timer !== undefined) return;
    this.heard();
    this.#wait();
  }

  heard(): void {
    this.#heardAt = this.#world.now();
    this.#allowedMs = FIRST_MS;
  }

  stop(): void {
    this.#world.clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #wait(): void {
    const leftMs = this.#heardAt + this.#allowedMs - this.#world.now();
    this.#timer = this.#world.setTimeout(() => this.#look(), Math.max(leftMs, 1));
  }

  #look(): void {
    this.#timer = undefined;
    if (!this.#isWanted()) return;
    if (this.#world.now() - this.#heardAt >= this.#allowedMs) {
      this.#allowedMs = Math.min(this.#allowedMs * 2, LAST_MS);
      this.#onSilence();
    }
    this.#wait();
  }
}
