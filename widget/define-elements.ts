import { LiveCell } from './elements/live-cell.ts';
import { LiveLaunch } from './elements/live-launch.ts';
import { LiveOutput } from './elements/live-output.ts';
import { LivePage } from './elements/live-page.ts';
import { LiveStatus } from './elements/live-status.ts';

/** The tags, in the order in which they must be there: the others look for their page. */
const TAGS = {
  'live-page': LivePage,
  'live-output': LiveOutput,
  'live-status': LiveStatus,
  'live-launch': LiveLaunch,
  'live-cell': LiveCell,
} as const;

/** Registers the elements that are not registered yet; `ready` runs when pages are elements and the others not yet. */
export const defineElements = (ready: () => void = () => undefined): void => {
  for (const [tag, element] of Object.entries(TAGS)) {
    if (!customElements.get(tag)) customElements.define(tag, element);
    if (element === LivePage) ready();
  }
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
