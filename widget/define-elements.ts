import { define } from './define-tag.ts';
import { LiveCell } from './elements/live-cell.ts';
import type { LiveLaunch } from './elements/live-launch.ts';
import { LiveOutput } from './elements/live-output.ts';
import { LivePage } from './elements/live-page.ts';
import type { LiveStatus } from './elements/live-status.ts';

/** Registers what every page with cells needs; `ready` runs when pages are elements and the others not yet. */
export const defineElements = (ready: () => void = () => undefined): void => {
  // The others look for their page when they begin.
  define('live-page', LivePage);
  ready();
  define('live-output', LiveOutput);
  define('live-cell', LiveCell);
};

declare global {
  interface HTMLElementTagNameMap {
    'live-page': LivePage;
    'live-output': LiveOutput;
    'live-status': LiveStatus;
    'live-launch': LiveLaunch;
    'live-cell': LiveCell;
  }
}
