import type { LiveCellStateEvent } from './events.ts';
import { askInput, inputEcho, type InputRequest } from './outputs/input-prompt.ts';
import type { OutputModel } from './outputs/output-model.ts';

/** Asks the reader what the kernel asks, for as long as the cell runs, and leaves question and answer in its output. */
export const answerInput = async (
  cell: HTMLElement & { readonly outputs: OutputModel },
  host: HTMLElement | ShadowRoot,
  request: InputRequest,
): Promise<string> => {
  const ended = new AbortController();
  const follow = ({ state }: LiveCellStateEvent): void => {
    if (state.kind !== 'running') ended.abort(new Error('The run ended before it was answered.'));
  };
  cell.addEventListener('live-cell-state', follow);
  try {
    const answer = await askInput(host, request, ended.signal);
    cell.outputs.apply(inputEcho(request, answer));
    return answer;
  } finally {
    cell.removeEventListener('live-cell-state', follow);
  }
};
