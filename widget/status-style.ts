import { css } from './css.ts';

/** How a launch is shown. */
export const statusStyle = css`
  :host {
    display: block;
    font: 14px/1.5 var(--_font);
    color: var(--_text);
  }
  .panel {
    padding: 10px 12px;
    background: var(--_surface);
    border: 1px solid var(--_border);
    border-radius: 8px;
    text-align: start;
  }
  .failed {
    border-inline-start: 3px solid var(--_error);
  }
  .head {
    display: flex;
    flex-wrap: wrap;
    gap: 4px 8px;
    align-items: center;
  }
  .words {
    flex: 1 1 12em;
    min-width: 0;
    overflow-wrap: anywhere;
  }
  .quiet {
    color: var(--_quiet);
    font-variant-numeric: tabular-nums;
  }
  .steps {
    display: flex;
    gap: 4px;
    margin: 9px 0 0;
    padding: 0;
    list-style: none;
  }
  .steps li {
    flex: 1;
    height: 3px;
    overflow: hidden;
    background: var(--_border);
    border-radius: 2px;
    color: transparent;
    font-size: 0;
  }
  .steps .past {
    background: var(--_accent);
  }
  .steps .now {
    background: linear-gradient(90deg, var(--_accent) 50%, var(--_border) 50%) 100% / 200%;
    animation: flow 1.6s linear infinite;
  }
  .failed .steps .now {
    background: var(--_error);
    animation: none;
  }
  .log {
    max-height: 16lh;
    margin: 10px 0 0;
    padding: 8px 10px;
    overflow: auto;
    font: 12px/1.5 var(--_mono);
    white-space: pre-wrap;
    overflow-wrap: anywhere;
    background: light-dark(#fff, #1a1e24);
    border: 1px solid var(--_border);
    border-radius: 6px;
  }
  .log:focus-visible {
    outline: 2px solid var(--_accent);
  }
  code {
    font: 12px/1.5 var(--_mono);
  }
  @keyframes flow {
    from {
      background-position: 100% 0;
    }
    to {
      background-position: -100% 0;
    }
  }
  @media (prefers-reduced-motion: reduce) {
    .steps .now {
      animation: none;
    }
  }
`;

/** Buttons with words. */
export const buttonStyle = css`
  .plain {
    padding: 3px 8px;
    color: var(--_text);
    background: none;
    border: 1px solid var(--_border);
    border-radius: 6px;
    cursor: pointer;
  }
  .plain:hover {
    border-color: currentColor;
  }
  .plain:focus-visible,
  summary:focus-visible {
    outline: 2px solid var(--_accent);
    outline-offset: 2px;
  }
  .plain:disabled {
    opacity: 0.5;
    cursor: default;
  }
`;
