import type { OutputModel } from './output-model.ts';
import { outputStyles } from './output-styles.ts';
import { createPart, type OutputView } from './output-view.ts';
import type { Output } from './output.ts';
import { createDataView } from './renderers/data-view.ts';
import { createErrorView } from './renderers/error-view.ts';
import { createOmittedView } from './renderers/omitted-view.ts';
import { createStreamView } from './renderers/stream-view.ts';
import { adoptStyles } from './style-sheet.ts';
import { terminalStyles } from './terminal-styles.ts';

interface Shown {
  output: Output;
  readonly family: string;
  readonly view: OutputView;
}

/** Outputs of one family may take each other's place. */
const familyOf = (output: Output): string => {
  if (output.type === 'stream') return output.name;
  return output.type === 'result' ? 'display' : output.type;
};

const createView = (output: Output): OutputView => {
  if (output.type === 'stream') return createStreamView(output) as OutputView;
  if (output.type === 'error') return createErrorView(output) as OutputView;
  if (output.type === 'omitted') return createOmittedView(output) as OutputView;
  return createDataView(output) as OutputView;
};

/** Which shown output becomes which: the same id, else one that is gone, stood at the same place and was of the family. */
const match = (outputs: readonly Output[], shown: readonly Shown[]): (Shown | undefined)[] => {
  const byId = new Map(shown.map((entry) => [entry.output.id, entry]));
  const ids = new Set(outputs.map((output) => output.id));
  return outputs.map((output, index) => {
    const same = byId.get(output.id);
    if (same) return same;
    const there = shown[index];
    return there && !ids.has(there.output.id) && there.family === familyOf(output) ? there : undefined;
  });
};

/**
 * Draws the outputs of a model into `host` and keeps them up to date, at most once a frame and only what changed. The
 * style sheets go to the shadow root (or document) that `host` stands in. Returns how to end it, which also takes the
 * outputs away. Colours follow `color-scheme` and the `--live-*` properties.
 */
export const renderOutputs = (model: OutputModel, host: HTMLElement | ShadowRoot): (() => void) => {
  const container = createPart('div', 'live-outputs', 'outputs');
  let shown: Shown[] = [];
  let frame = 0;

  const draw = (): void => {
    frame = 0;
    adoptStyles(container, terminalStyles(), outputStyles());
    const matched = match(model.outputs, shown);
    const kept = new Set(matched);
    for (const entry of shown) {
      if (kept.has(entry)) continue;
      entry.view.dispose();
      entry.view.element.remove();
    }
    shown = model.outputs.map((output, index) => {
      const entry = matched[index] ?? { output, family: familyOf(output), view: createView(output) };
      if (entry.output !== output) entry.view.update(output);
      entry.output = output;
      if (container.children[index] !== entry.view.element) {
        container.insertBefore(entry.view.element, container.children[index] ?? null);
      }
      return entry;
    });
  };
  const schedule = (): void => {
    frame ||= requestAnimationFrame(draw);
  };

  host.append(container);
  draw();
  const unsubscribe = model.subscribe(schedule);
  return () => {
    unsubscribe();
    cancelAnimationFrame(frame);
    for (const { view } of shown) view.dispose();
    shown = [];
    container.remove();
  };
};
