import type { Line } from './terminal-line.ts';
import type { Block, TerminalState } from './terminal-state.ts';
import type { TextStyle } from './text-style.ts';

/** Draws a terminal into one element, touching only what changed since the last time. */
export interface TerminalView {
  draw(state: TerminalState): void;
}

const setColour = (span: HTMLElement, kind: 'f' | 'g', colour: string): void => {
  if (!colour.startsWith('#')) {
    span.classList.add(`live-${kind}${colour}`);
    return;
  }
  span.classList.add(`live-${kind}x`);
  span.style.setProperty(kind === 'f' ? '--live-text-colour' : '--live-text-ground', colour);
};

/** A span with classes, never a `style` attribute in markup: that is what a strict policy forbids. */
const styledSpan = (text: string, style: TextStyle): HTMLElement => {
  const span = document.createElement('span');
  span.textContent = text;
  const tokens = style.split(' ');
  const reversed = tokens.includes('r');
  const colours = new Map<'f' | 'g', string>();
  for (const token of tokens) {
    const kind = token.charAt(0);
    if (kind === 'f' || kind === 'g') colours.set(reversed ? (kind === 'f' ? 'g' : 'f') : kind, token.slice(1));
    else if (kind !== 'r') span.classList.add(`live-${kind}`);
  }
  if (reversed && !colours.has('f')) colours.set('f', 'r');
  if (reversed && !colours.has('g')) colours.set('g', 'r');
  for (const [kind, colour] of colours) setColour(span, kind, colour);
  return span;
};

/** Lines as few nodes as possible: plain text of many lines is one text node. */
const fragmentOf = (lines: readonly Line[], last: boolean): DocumentFragment => {
  const fragment = document.createDocumentFragment();
  let plain = '';
  const flush = (): void => {
    if (plain) fragment.append(plain);
    plain = '';
  };
  lines.forEach((line, index) => {
    for (const run of line.runs) {
      if (!run.style) {
        plain += run.text;
        continue;
      }
      flush();
      fragment.append(styledSpan(run.text, run.style));
    }
    if (!line.wrapped && !(last && index === lines.length - 1)) plain += '\n';
  });
  flush();
  return fragment;
};

const element = (className: string): HTMLElement => {
  const made = document.createElement('span');
  made.className = className;
  return made;
};

const count = (lines: number): string =>
  lines === 1 ? '1 earlier line is' : `${lines.toLocaleString('en')} earlier lines are`;

/** A view of `into`, which it empties. */
export const createTerminalView = (into: HTMLElement): TerminalView => {
  const note = element('live-terminal-note');
  const tail = element('live-terminal-tail');
  const drawn = new Map<Block, HTMLElement>();
  let recent: TerminalState['recent'] | undefined;
  note.hidden = true;
  into.replaceChildren(note, tail);

  const drawBlocks = (blocks: readonly Block[]): void => {
    const kept = new Set(blocks);
    for (const [block, blockElement] of drawn) {
      if (kept.has(block)) continue;
      blockElement.remove();
      drawn.delete(block);
    }
    for (const block of blocks) {
      if (drawn.has(block)) continue;
      const blockElement = element('live-terminal-block');
      blockElement.append(fragmentOf(block.lines, false));
      drawn.set(block, blockElement);
      tail.before(blockElement);
    }
  };

  return {
    draw: (state) => {
      drawBlocks(state.blocks);
      if (state.recent !== recent) tail.replaceChildren(fragmentOf(state.recent, true));
      recent = state.recent;
      note.hidden = state.omittedLines === 0;
      if (!note.hidden) note.textContent = `${count(state.omittedLines)} left out.\n`;
    },
  };
};
