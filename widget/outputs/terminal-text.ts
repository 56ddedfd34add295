import { emptyTerminal, terminalPlainText, writeTerminal } from './terminal-state.ts';
import { createTerminalView, type TerminalView } from './terminal-view.ts';

export { terminalStyles } from './terminal-styles.ts';

/** Text as a terminal shows it: colours, carriage returns, backspaces; for logs that grow. */
export interface TerminalText {
  /** Adds text, which may end anywhere, also within an escape sequence. */
  write(text: string): void;
  /** Adds text and a line break. */
  writeLine(text: string): void;
  /** Draws into `into`, only what changed since the last time; call it at most once a frame. */
  render(into: HTMLElement): void;
  /** What is kept, without escape sequences. */
  readonly text: string;
  clear(): void;
}

/** An empty one; `maxLines` (default 5,000) is how many of the newest lines it keeps; it says how many went. */
export const terminalText = (options: { readonly maxLines?: number } = {}): TerminalText => {
  const empty = emptyTerminal(options);
  const views = new WeakMap<HTMLElement, TerminalView>();
  let state = empty;
  return {
    write: (text) => void (state = writeTerminal(state, text)),
    writeLine: (text) => void (state = writeTerminal(state, `${text}\n`)),
    render: (into) => {
      const view = views.get(into) ?? createTerminalView(into);
      views.set(into, view);
      view.draw(state);
    },
    get text() {
      return terminalPlainText(state);
    },
    clear: () => void (state = empty),
  };
};
