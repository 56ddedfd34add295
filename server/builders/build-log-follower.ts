import { setMaxListeners } from 'node:events';
import { open, type FileHandle } from 'node:fs/promises';
import type { Clock } from '../clock.ts';

const CHUNK_BYTES = 256 * 1024;
const POLL_MS = 30;

export const LOG_CUT_SHORT = 'The log ends here: the build’s process is gone before it could write the rest.';

export interface FollowOptions {
  readonly file: string;
  /** Whether the build may still write. */
  readonly isRunning: () => Promise<boolean>;
  readonly clock: Clock;
  readonly onIdle: () => void;
}

type LogRecord = { readonly n: number; readonly m: string } | { readonly end: true };

/** Reads one log as it grows, once, for any number of readers. */
export class BuildLogFollower {
  #lines: string[] = [];
  #ended = false;
  #failure: unknown;
  #readers = 0;
  #producing = false;
  #waiting = new Set<() => void>();
  readonly #options: FollowOptions;

  constructor(options: FollowOptions) {
    this.#options = options;
  }

  /** The lines after the first `skip`, to the end of the log. Ends quietly when aborted. */
  async *read(skip: number, signal: AbortSignal): AsyncGenerator<{ line: number; message: string }> {
    this.#readers += 1;
    // Any number of readers may share one signal.
    setMaxListeners(0, signal);
    if (!this.#producing && !this.#ended) void this.#produce();
    try {
      for (let next = skip; !signal.aborted;) {
        const message = this.#lines[next];
        if (message !== undefined) {
          next += 1;
          yield { line: next, message };
        } else if (this.#ended) {
          if (this.#failure) throw this.#failure;
          return;
        } else await this.#change(signal);
      }
    } finally {
      this.#readers -= 1;
      if (this.#readers === 0) this.#options.onIdle();
    }
  }

  async #change(signal: AbortSignal): Promise<void> {
    await new Promise<void>((resolve) => {
      const wake = () => {
        signal.removeEventListener('abort', wake);
        this.#waiting.delete(wake);
        resolve();
      };
      signal.addEventListener('abort', wake);
      this.#waiting.add(wake);
    });
  }

  #wake(): void {
    for (const wake of this.#waiting) wake();
  }

  async #produce(): Promise<void> {
    this.#producing = true;
    let handle: FileHandle | undefined;
    try {
      const buffer = Buffer.allocUnsafe(CHUNK_BYTES);
      let rest = Buffer.alloc(0);
      let lastLook = false;
      while (this.#readers > 0 && !this.#ended) {
        handle ??= await open(this.#options.file, 'r').catch(() => undefined);
        const { bytesRead } = handle ? await handle.read(buffer, 0, CHUNK_BYTES) : { bytesRead: 0 };
        if (bytesRead > 0) {
          rest = this.#take(Buffer.concat([rest, buffer.subarray(0, bytesRead)]));
          lastLook = false;
          this.#wake();
        } else if (lastLook) {
          this.#lines.push(LOG_CUT_SHORT);
          this.#ended = true;
        } else if (await this.#options.isRunning()) await this.#options.clock.sleep(POLL_MS);
        // What was written just before the process ended is read before the log counts as cut short.
        else lastLook = true;
      }
    } catch (error) {
      this.#failure = error;
      this.#ended = true;
    } finally {
      this.#producing = false;
      await handle?.close();
      this.#wake();
    }
  }

  /** Takes whole lines and returns the rest. */
  #take(data: Buffer): Buffer<ArrayBuffer> {
    let from = 0;
    for (let end = data.indexOf(10); end >= 0 && !this.#ended; end = data.indexOf(10, from)) {
      const record = JSON.parse(data.toString('utf8', from, end)) as LogRecord;
      if ('end' in record) this.#ended = true;
      else this.#lines[record.n - 1] = record.m;
      from = end + 1;
    }
    return Buffer.from(data.subarray(from));
  }
}
