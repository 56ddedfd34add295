import type { CellState } from './run-queue.ts';

/** `0.3 s`, `12 s`, `3 min 5 s`. */
export const inWords = (ms: number): string => {
  const seconds = ms / 1000;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`;
};

/** What a cell's mark says; empty for one that has not run. `now` is on the clock of `startedAt`. */
export const markOf = (state: CellState, now: number): string => {
  switch (state.kind) {
    case 'idle':
      return '';
    case 'queued':
      return 'Queued';
    case 'running': {
      const elapsed = now - state.startedAt;
      return elapsed < 1000 ? 'Running' : `Running, ${inWords(elapsed)}`;
    }
    case 'done':
      return inWords(state.durationMs);
    case 'failed':
      return `Failed after ${inWords(state.durationMs)}`;
    case 'stopped':
      return 'Stopped';
  }
};
