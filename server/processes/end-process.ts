import type { Clock } from '../clock.ts';
import { isAlive, type ProcessIdentity } from './process-identity.ts';

export interface EndProcessOptions {
  readonly clock: Clock;
  /** How long it may take to end by itself after SIGTERM, in milliseconds; 0 kills it at once. */
  readonly graceMs: number;
  /** How long a killed process may take to be gone; default 5,000 ms. */
  readonly killedMs?: number;
}

const send = (pid: number, signal: NodeJS.Signals): void => {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
};

/** Waits until a process is gone; false when it still runs after `durationMs`. */
export const waitForEnd = async (identity: ProcessIdentity, durationMs: number, clock: Clock): Promise<boolean> => {
  const deadline = clock.monotonic() + durationMs;
  for (let pauseMs = 2; await isAlive(identity); pauseMs = Math.min(50, pauseMs * 2)) {
    if (clock.monotonic() >= deadline) return false;
    await clock.sleep(pauseMs);
  }
  return true;
};

/** Ends exactly this process and waits until it is gone; one that only shares its pid is left alone. */
export const endProcess = async (identity: ProcessIdentity, options: EndProcessOptions): Promise<void> => {
  if (!(await isAlive(identity))) return;
  if (options.graceMs > 0) {
    send(identity.pid, 'SIGTERM');
    if (await waitForEnd(identity, options.graceMs, options.clock)) return;
  }
  send(identity.pid, 'SIGKILL');
  if (!(await waitForEnd(identity, options.killedMs ?? 5_000, options.clock)))
    throw new Error(`Process ${identity.pid} did not end after SIGKILL.`);
};
