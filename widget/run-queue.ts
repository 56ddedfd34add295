/** What a cell's mark shows. Times are in milliseconds; `startedAt` on the page's clock. */
export type CellState =
  | { readonly kind: 'idle' }
  | { readonly kind: 'queued' }
  | { readonly kind: 'running'; readonly startedAt: number }
  | { readonly kind: 'done'; readonly durationMs: number }
  | { readonly kind: 'failed'; readonly durationMs: number; readonly reason?: string }
  | { readonly kind: 'stopped' };

/** The runs of one page: at most one runs, the others wait in order. Pure; `Cell` is compared by identity. */
export interface RunQueue<Cell> {
  readonly states: ReadonlyMap<Cell, CellState>;
  readonly waiting: readonly Cell[];
  readonly running?: Cell;
}

export type RunAction<Cell> =
  | { readonly type: 'enqueue'; readonly cells: readonly Cell[] }
  | { readonly type: 'start'; readonly at: number }
  | { readonly type: 'finish'; readonly at: number; readonly ok: boolean; readonly reason?: string }
  | { readonly type: 'drop'; readonly cell: Cell }
  | { readonly type: 'stop' }
  | { readonly type: 'forget' };

export const IDLE: CellState = { kind: 'idle' };
const STOPPED: CellState = { kind: 'stopped' };

export const emptyQueue = <Cell>(): RunQueue<Cell> => ({ states: new Map(), waiting: [] });

export const stateOf = <Cell>(queue: RunQueue<Cell>, cell: Cell): CellState => queue.states.get(cell) ?? IDLE;

const mark = <Cell>(queue: RunQueue<Cell>, cells: readonly Cell[], state: CellState): ReadonlyMap<Cell, CellState> => {
  const states = new Map(queue.states);
  for (const cell of cells) states.set(cell, state);
  return states;
};

const elapsed = <Cell>(queue: RunQueue<Cell>, cell: Cell, at: number): number => {
  const state = stateOf(queue, cell);
  return state.kind === 'running' ? Math.max(0, at - state.startedAt) : 0;
};

/** Everything that can happen to the queue. An action that does not apply changes nothing. */
export const reduceQueue = <Cell>(queue: RunQueue<Cell>, action: RunAction<Cell>): RunQueue<Cell> => {
  const { running, waiting } = queue;
  switch (action.type) {
    case 'enqueue': {
      const fresh = [...new Set(action.cells)].filter((cell) => cell !== running && !waiting.includes(cell));
      return { ...queue, waiting: [...waiting, ...fresh], states: mark(queue, fresh, { kind: 'queued' }) };
    }
    case 'start': {
      const [next, ...rest] = waiting;
      if (running !== undefined || next === undefined) return queue;
      return { running: next, waiting: rest, states: mark(queue, [next], { kind: 'running', startedAt: action.at }) };
    }
    case 'finish': {
      if (running === undefined) return queue;
      const durationMs = elapsed(queue, running, action.at);
      if (action.ok) return { waiting, states: mark(queue, [running], { kind: 'done', durationMs }) };
      // What stands behind a failed cell was written in the belief that it worked.
      const failed: CellState = {
        kind: 'failed',
        durationMs,
        ...(action.reason === undefined ? {} : { reason: action.reason }),
      };
      return { waiting: [], states: mark({ ...queue, states: mark(queue, waiting, STOPPED) }, [running], failed) };
    }
    case 'drop': {
      if (!waiting.includes(action.cell)) return queue;
      return {
        ...queue,
        waiting: waiting.filter((cell) => cell !== action.cell),
        states: mark(queue, [action.cell], STOPPED),
      };
    }
    case 'stop':
      return { waiting: [], states: mark(queue, running === undefined ? waiting : [running, ...waiting], STOPPED) };
    case 'forget':
      return emptyQueue();
  }
};
