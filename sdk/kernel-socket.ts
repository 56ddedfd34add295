import { createBackoff, pause } from './backoff.ts';
import type { World } from './world.ts';

/** A socket that lived shorter than this counts as a failure, so that one that opens and closes at once is paced. */
const SHORT_LIFE_MS = 1_000;
/** jupyter-server answers the upgrade only once the kernel does, which for a slow language takes long. */
const OPEN_DEADLINE_MS = 60_000;
/** A socket that is closed while it opens may never tell. */
const CLOSE_DEADLINE_MS = 1_000;

export interface KernelSocketOptions {
  readonly world: World;
  readonly WebSocket: typeof WebSocket;
  /** The name of the query's part by which the server learns how much has arrived, where it can send the rest again. */
  readonly receivedParameter: string | undefined;
  /** Offered to the server beside Jupyter's own subprotocols; how a token travels. */
  readonly extraProtocols: readonly string[];
  /** Asked after each failed try: why there is no use in another, or nothing. */
  whyGone(): Promise<Error | undefined>;
  onGone(error: Error): void;
}

/** The sockets of one kernel connection, of which one is current. */
export interface KernelSockets {
  /** Stands in for `WebSocket` in the settings of @jupyterlab/services. */
  readonly WebSocket: typeof WebSocket;
  /** How many have opened so far. */
  readonly count: number;
  /** Replaces the socket, which carries nothing any more, by a new one. */
  renew(): void;
  /** Ends a pause between tries. */
  hurry(): void;
}

/**
 * Makes sockets that look to @jupyterlab/services as if they took long to open: failed tries, pauses between them and
 * the question whether the kernel still exists happen inside, without end while it does. A close that the server meant
 * kindly (1000, 1001) is told as 1006, after which services reconnects; else it would be stranded.
 */
export const createKernelSockets = (options: KernelSocketOptions): KernelSockets => {
  const { world, receivedParameter } = options;
  const backoff = createBackoff(world);
  let isFirst = true;
  let pauseNext = false;
  let count = 0;
  let received = 0;
  const sockets = new Set<KernelSocket>();
  const sleepers = new Set<() => void>();
  const pausing: Pick<World, 'setTimeout' | 'clearTimeout' | 'onWake'> = {
    ...world,
    onWake: (listener) => {
      const wake = () => listener('online');
      const stop = world.onWake(listener);
      sleepers.add(wake);
      return () => {
        stop();
        sleepers.delete(wake);
      };
    },
  };

  class KernelSocket {
    binaryType: BinaryType = 'arraybuffer';
    protocol = '';
    readyState: number = 0;
    onopen: ((event: Event) => void) | null = null;
    onmessage: ((event: MessageEvent) => void) | null = null;
    onclose: ((event: CloseEvent) => void) | null = null;
    onerror: ((event: Event) => void) | null = null;
    readonly #address: string;
    readonly #protocols: string[];
    readonly #closed = new AbortController();
    #real: WebSocket | undefined;

    constructor(address: string | URL, protocols: string | string[] = []) {
      this.#address = String(address);
      this.#protocols = [...[protocols].flat(), ...options.extraProtocols];
      sockets.add(this);
      void this.#connect().catch(() => undefined);
    }

    send(data: string | ArrayBuffer): void {
      this.#real?.send(data);
    }

    close(): void {
      // Services gives this one up for another, as it does for a restart; that is no failure.
      if (this.readyState === 0) pauseNext = false;
      this.readyState = 3;
      this.#end();
      this.#real?.close();
    }

    renew(): void {
      this.#real?.close();
      this.#lost();
    }

    async #connect(): Promise<void> {
      const { signal } = this.#closed;
      while (!signal.aborted) {
        if (pauseNext) await pause(pausing, backoff.next(), signal);
        pauseNext = true;
        if (await this.#open()) return;
        const gone = signal.aborted ? undefined : await options.whyGone();
        if (gone && !signal.aborted) return options.onGone(gone);
      }
    }

    /** One try; resolves with whether it opened. */
    #open(): Promise<boolean> {
      return new Promise((resolve) => {
        const address = this.#address + (received && receivedParameter ? `&${receivedParameter}=${received}` : '');
        const real = new options.WebSocket(address, this.#protocols);
        this.#real = real;
        real.binaryType = 'arraybuffer';
        const timer = world.setTimeout(() => real.close(), OPEN_DEADLINE_MS);
        const deadline = world.setTimeout(() => settle(false), OPEN_DEADLINE_MS + CLOSE_DEADLINE_MS);
        const settle = (opened: boolean) => {
          world.clearTimeout(timer);
          world.clearTimeout(deadline);
          this.#closed.signal.removeEventListener('abort', onAbort);
          resolve(opened);
        };
        const onAbort = () => settle(false);
        this.#closed.signal.addEventListener('abort', onAbort);
        // Node 22 tells of a refused connection by an error alone, without a close.
        real.onerror = real.onclose = () => settle(false);
        real.onopen = (event) => {
          settle(true);
          this.#use(real, event);
        };
      });
    }

    #use(real: WebSocket, event: Event): void {
      if (this.#closed.signal.aborted) return real.close();
      const openedAt = world.now();
      count += 1;
      pauseNext = false;
      // The token's own entry is selected where no other was offered; it names no kernel protocol.
      this.protocol = options.extraProtocols.includes(real.protocol) ? '' : real.protocol;
      this.readyState = 1;
      real.onmessage = (message) => this.#deliver(message);
      real.onclose = () => {
        pauseNext = world.now() - openedAt < SHORT_LIFE_MS && !isFirst;
        if (!pauseNext) backoff.reset();
        isFirst = false;
        this.#lost();
      };
      this.onopen?.(event);
    }

    #deliver(message: MessageEvent): void {
      received += 1;
      try {
        this.onmessage?.(message);
      } catch (error) {
        // A message that is none must not end the process, nor the messages after it.
        console.warn('A message of the kernel could not be read:', error);
      }
    }

    #end(): void {
      sockets.delete(this);
      this.#closed.abort();
    }

    #lost(): void {
      if (this.readyState !== 1) return;
      this.readyState = 3;
      if (this.#real) {
        this.#real.onmessage = null;
        this.#real.onclose = null;
      }
      this.#end();
      this.onclose?.({ type: 'close', code: 1006, reason: '', wasClean: false } as CloseEvent);
    }
  }

  return {
    WebSocket: KernelSocket as unknown as typeof WebSocket,
    get count() {
      return count;
    },
    renew: () => {
      for (const socket of sockets) socket.renew();
    },
    hurry: () => {
      for (const wake of sleepers) wake();
    },
  };
};
