import { BASE_STYLE } from './base-style.ts';
import { css } from './css.ts';
import { lazyStyleSheet } from './outputs/style-sheet.ts';

/** Colours and type of everything that we draw. Each can be set by the page through its `--live-…` property. */
export const themeStyle = css`
  :host {
    --_text: var(--live-text, light-dark(#24292f, #e6e9ed));
    --_quiet: var(--live-muted, light-dark(#5c6570, #a3abb6));
    --_border: var(--live-border, light-dark(#d5d9df, #444b55));
    --_surface: var(--live-surface, light-dark(#f7f8fa, #22272e));
    --_accent: var(--live-accent, light-dark(#1a7f4b, #4cc38a));
    --_error: var(--live-error, light-dark(#b42318, #ff8a80));
    --_font: var(--live-font, system-ui, sans-serif);
    --_mono: var(--live-font-mono, ui-monospace, 'SFMono-Regular', Menlo, Consolas, monospace);
  }
  button {
    font: inherit;
  }
  [hidden] {
    display: none !important;
  }
`;

/** A cell beyond its base style: the row's other parts, and what stands below it. */
const cellStyle = css`
  .cell {
    color: var(--_text);
  }
  .row {
    z-index: 1;
  }
  .run:hover {
    border-color: currentColor;
  }
  .run:focus-visible {
    outline: 2px solid var(--_accent);
    outline-offset: 2px;
  }
  .stop::before {
    width: 8px;
    height: 8px;
    clip-path: none;
    border-radius: 1px;
    background: var(--_error);
  }
  .below {
    position: relative;
    box-sizing: border-box;
    min-height: calc(28px + 3lh);
    padding-top: 28px;
    font: 14px/1.5 var(--_font);
  }
  .below.elsewhere {
    min-height: 24px;
  }
  live-output {
    font-size: 15px;
  }
  .mark {
    position: absolute;
    top: 5px;
    inset-inline-start: 2px;
    display: flex;
    gap: 6px;
    align-items: center;
    font-size: 12px;
    line-height: 16px;
    color: var(--_quiet);
    font-variant-numeric: tabular-nums;
  }
  .mark::before {
    content: '';
    box-sizing: border-box;
    width: 9px;
    height: 9px;
    border-radius: 50%;
  }
  .queued::before {
    border: 1.5px solid var(--_quiet);
  }
  .running::before {
    background: var(--_accent);
    animation: breathe 1.4s ease-in-out infinite alternate;
  }
  .done::before {
    width: 5px;
    height: 9px;
    margin: -3px 2px 0 2px;
    border: solid var(--_accent);
    border-width: 0 1.5px 1.5px 0;
    border-radius: 0;
    rotate: 45deg;
  }
  .failed {
    color: var(--_error);
  }
  .failed::before {
    background: var(--_error);
    border-radius: 2px;
    rotate: 45deg;
    scale: 0.8;
  }
  .stopped::before {
    background: var(--_quiet);
    border-radius: 1px;
    scale: 0.8;
  }
  .elsewhere .over {
    position: absolute;
    inset: 24px 0 auto;
    z-index: 2;
  }
  @keyframes breathe {
    to {
      opacity: 0.25;
    }
  }
  @media (prefers-reduced-motion: reduce) {
    .running::before {
      animation: none;
    }
  }
  @media print {
    .row {
      display: none;
    }
  }
`;

/** The sheet of a cell, made when the first is shown. */
export const cellSheet = lazyStyleSheet(themeStyle + BASE_STYLE + cellStyle);
