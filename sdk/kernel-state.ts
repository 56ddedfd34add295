import type { KernelConnection, KernelStatus } from './kernel.ts';
import type { World } from './world.ts';

type StatusListener = Parameters<KernelConnection['onStatus']>[0];

/** What the kernel itself last said. */
type Reported = 'starting' | 'idle' | 'busy';

/** Makes one status of what the socket, the kernel and a restart say, and tells of its changes. */
export class KernelState {
  readonly #world: World;
  readonly #listeners = new Set<StatusListener>();
  #isConnected = false;
  #wasConnected = false;
  #isRestarting = false;
  #reported: Reported | undefined;
  #closedAs: KernelStatus | undefined;
  #cause: Error | undefined;
  #told: KernelStatus = 'connecting';

  constructor(world: World) {
    this.#world = world;
  }

  get isConnected(): boolean {
    return this.#isConnected;
  }

  /** Why the connection is closed for good; undefined while it is not. */
  get cause(): Error | undefined {
    return this.#cause;
  }

  get status(): KernelStatus {
    if (this.#closedAs) return this.#closedAs;
    if (this.#isRestarting) return 'restarting';
    if (!this.#isConnected) return this.#wasConnected ? 'disconnected' : 'connecting';
    return this.#reported ?? 'starting';
  }

  setConnected(isConnected: boolean): void {
    this.#isConnected = isConnected;
    this.#wasConnected ||= isConnected;
    this.#tell();
  }

  setReported(reported: unknown): void {
    if (reported !== 'starting' && reported !== 'idle' && reported !== 'busy') return;
    this.#reported = reported;
    this.#tell();
  }

  /** `cause` tells listeners why, where nobody asked for the restart. */
  setRestarting(cause?: Error): void {
    this.#isRestarting = true;
    this.#reported = undefined;
    this.#tell(cause);
  }

  /** The kernel answered, after a restart or for the first time. */
  setAnswered(): void {
    this.#isRestarting = false;
    if (this.#reported === undefined || this.#reported === 'starting') this.#reported = 'idle';
    this.#tell();
  }

  close(status: 'dead' | 'disconnected', cause: Error): void {
    if (this.#cause) return;
    this.#closedAs = status;
    this.#cause = cause;
    this.#tell(cause);
    this.#listeners.clear();
  }

  onStatus(listener: StatusListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Waits for a status; rejects with the cause when closed, with `late` after the deadline, or when aborted. */
  until(isReached: (status: KernelStatus) => boolean, deadlineMs: number, late: Error, signal?: AbortSignal) {
    return new Promise<void>((resolve, reject) => {
      const check = () => {
        if (this.#cause) end(() => reject(this.#cause));
        else if (isReached(this.status)) end(resolve);
      };
      const end = (settle: () => void) => {
        this.#world.clearTimeout(timer);
        signal?.removeEventListener('abort', onAbort);
        stop();
        settle();
      };
      const onAbort = () => end(() => reject(signal?.reason));
      const timer = this.#world.setTimeout(() => end(() => reject(late)), deadlineMs);
      const stop = this.onStatus(check);
      signal?.addEventListener('abort', onAbort);
      if (signal?.aborted) onAbort();
      else check();
    });
  }

  #tell(cause?: Error): void {
    const { status } = this;
    if (status === this.#told) return;
    this.#told = status;
    for (const listener of this.#listeners) listener(status, cause);
  }
}
