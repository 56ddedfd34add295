import type { OutputMessage } from '../../sdk/kernel.ts';
import type { Output } from './output.ts';
import { emptyOutputs, reduceOutputs, type OutputLimits } from './reduce-outputs.ts';

/** The outputs of one cell over time. */
export interface OutputModel {
  /**
   * Takes one message. An `update` may belong to a display that another execution made, so a page gives it to the models
   * of all cells; a model without that display ignores it.
   */
  apply(message: OutputMessage): void;
  /** Forgets everything, as before a run. */
  clear(): void;
  readonly outputs: readonly Output[];
  /** Calls back after each change; returns how to stop. */
  subscribe(listener: () => void): () => void;
}

/** An empty model; `limits` defaults to 5,000 lines, 2 million characters of text, 64 million of data, 1,000 outputs. */
export const createOutputModel = (limits: Partial<OutputLimits> = {}): OutputModel => {
  let state = emptyOutputs(limits);
  const listeners = new Set<() => void>();
  const change = (next: typeof state): void => {
    const changed = next.outputs !== state.outputs;
    state = next;
    if (changed) for (const listener of listeners) listener();
  };
  return {
    apply: (message) => change(reduceOutputs(state, message)),
    clear: () => change({ ...emptyOutputs(limits), nextId: state.nextId }),
    get outputs() {
      return state.outputs;
    },
    subscribe: (listener) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
};
