import type { KernelSockets } from './kernel-socket.ts';
import type { KernelState } from './kernel-state.ts';
import { controlQuestion, type QuietKernel } from './services-kernel.ts';
import type { World } from './world.ts';

const ANSWER_MS = 5_000;

/** Finds out whether an open socket still carries anything, and replaces it if not; hurries one that is not open. */
export class ConnectionProbe {
  readonly #world: World;
  readonly #kernel: QuietKernel;
  readonly #sockets: KernelSockets;
  readonly #state: KernelState;
  readonly #questions = new Set<string>();
  #running: Promise<void> | undefined;

  constructor(world: World, kernel: QuietKernel, sockets: KernelSockets, state: KernelState) {
    this.#world = world;
    this.#kernel = kernel;
    this.#sockets = sockets;
    this.#state = state;
  }

  /** Whether a message answers a question asked here; its busy and idle then say nothing of the kernel's work. */
  asked(messageId: string): boolean {
    return this.#questions.has(messageId);
  }

  async test(): Promise<void> {
    if (this.#state.cause) return;
    if (!this.#state.isConnected) return this.#sockets.hurry();
    this.#running ??= this.#ask().finally(() => {
      this.#running = undefined;
    });
    await this.#running;
  }

  async #ask(): Promise<void> {
    const question = controlQuestion(this.#kernel.clientId);
    const id = question.header.msg_id;
    const connection = this.#sockets.count;
    this.#questions.add(id);
    const answered = await new Promise<boolean>((resolve) => {
      const timer = this.#world.setTimeout(() => resolve(false), ANSWER_MS);
      const end = () => {
        this.#world.clearTimeout(timer);
        resolve(true);
      };
      try {
        // A question that is cancelled was so by a restart or an end, which see to the socket themselves.
        this.#kernel.sendControlMessage(question, true).done.then(end, end);
      } catch {
        end();
      }
    });
    if (!answered && this.#sockets.count === connection) this.#sockets.renew();
    // Its own busy and idle may still follow the answer.
    this.#world.setTimeout(() => this.#questions.delete(id), ANSWER_MS);
  }
}
