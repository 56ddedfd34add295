import { useNonce } from './chunks.ts';
import { coordinateBy } from './context.ts';
import { defineElements } from './define-elements.ts';
import type { LiveCell } from './elements/live-cell.ts';
import type { LiveLaunch } from './elements/live-launch.ts';
import type { LivePage } from './elements/live-page.ts';
import { defineExtras } from './lazy-elements.ts';
import type { Loaded } from './loader.ts';
import type { CellElement } from './page/attach.ts';
import { configFromAttributes, hubOfScript, mergeConfig, type PageConfig } from './page/config.ts';
import { THEBE_BLOCKS } from './page/thebe-blocks.ts';

let active: Promise<boolean> | undefined;

const takeOver = async ({ script, url, scan }: Loaded): Promise<boolean> => {
  useNonce(script?.nonce);
  const blocks = [...document.querySelectorAll(THEBE_BLOCKS)];
  const thebe = blocks.length > 0 ? await import('./page/thebe-page.ts') : undefined;
  const read: PageConfig = thebe?.readBlocks(blocks) ?? {};
  const hub = hubOfScript(url) ?? (thebe ? 'https://mybinder.org' : undefined);
  const attributes = configFromAttributes((name) => script?.getAttribute(name), 'data-');
  const config = mergeConfig(hub === undefined ? {} : { hub }, read, attributes);
  let pages: LivePage[] = [];
  defineElements(() => {
    pages = [...document.querySelectorAll('live-page')];
    if (!pages[0]) pages = [coordinateBy(Object.assign(document.createElement('live-page'), { stays: true }))];
    for (const page of pages) page.config = mergeConfig(config, page.config);
  });
  scan(config.cells);
  matchMedia('(prefers-color-scheme:dark)').onchange = () => scan();
  if (document.querySelector('live-status,live-launch')) await defineExtras();
  if (thebe && pages[0]) thebe.mountThebe(pages[0]);
  return thebe !== undefined;
};

/** Takes over what the loader has drawn, once; with a cell, its Run button was pressed before. */
export const activate = async (loaded: Loaded, cell?: CellElement, trusted = false): Promise<void> => {
  active ??= takeOver(loaded);
  const thebe = await active;
  if (cell) (cell as unknown as LiveCell | LiveLaunch).run(trusted || thebe);
};
