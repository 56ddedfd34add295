import { css } from './css.ts';
import { lazyStyleSheet } from './outputs/style-sheet.ts';

/** The sheet of a cell's menu. */
export const menuSheet = lazyStyleSheet(css`
  .more {
    position: absolute;
    right: 92px;
    translate: 0 -50%;
    box-sizing: border-box;
    width: 28px;
    height: 28px;
    padding: 0;
    color: var(--live-text, CanvasText);
    background: var(--live-background, Canvas);
    border: 1px solid var(--live-border, #8888);
    border-radius: 14px;
    cursor: pointer;
    letter-spacing: 1px;
  }
  .in .more {
    translate: 0 calc(-100% - 8px);
  }
  .more:hover {
    border-color: currentColor;
  }
  .menu {
    position: absolute;
    right: 12px;
    top: 20px;
    z-index: 2;
    display: grid;
    padding: 4px;
    background: var(--live-background, Canvas);
    border: 1px solid var(--_border);
    border-radius: 8px;
    box-shadow: 0 6px 20px rgb(0 0 0 / 15%);
  }
  .menu button {
    padding: 8px 12px;
    text-align: start;
    color: inherit;
    background: none;
    border: 0;
    border-radius: 5px;
    cursor: pointer;
  }
  .menu button:hover,
  .menu button:focus-visible {
    outline: none;
    background: color-mix(in srgb, currentColor 10%, transparent);
  }
  .more:focus-visible {
    outline: 2px solid var(--_accent);
    outline-offset: 2px;
  }
`);
