import { createPart, type CreateView } from '../output-view.ts';
import type { OmittedOutput } from '../output.ts';

/** Says what is not shown any more. */
export const createOmittedView: CreateView<OmittedOutput> = (output) => {
  const element = createPart('p', 'live-output live-note', 'output note');
  const update = ({ outputs, lines }: OmittedOutput): void => {
    const what = outputs === 1 ? '1 earlier output' : `${outputs.toLocaleString('en')} earlier outputs`;
    const withLines = lines > 0 ? ` with ${lines.toLocaleString('en')} lines` : '';
    element.textContent = `${what}${withLines} ${outputs === 1 ? 'is' : 'are'} left out, to keep the page quick.`;
  };
  update(output);
  return { element, update, dispose: () => {} };
};
