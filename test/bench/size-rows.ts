import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { launchChromium } from '../helpers/chromium.ts';
import { startHubProcess } from '../helpers/hub-process.ts';
import { benchPages } from './bench-pages.ts';
import { startBenchSite, type Fetched } from './bench-site.ts';
import { clickToOutput } from './click-to-output.ts';
import type { Row } from './table.ts';

const REPO = 'bench/one-cell';
const BUDGET_BEFORE = 2_000;
const BUDGET_AFTER = 35_000;

const total = (files: readonly Fetched[]): number => files.reduce((sum, { bytes }) => sum + bytes, 0);
const list = (files: readonly Fetched[]): string =>
  files.map(({ path, bytes }) => `${path.split('/').at(-1)} ${bytes}`).join(', ');

/** What a page really fetches, as brotli, before any click and from there to the first text output. */
export const sizeRows = async (): Promise<Row[]> => {
  const folder = await mkdtemp(join(tmpdir(), 'liveleaf-bench-'));
  await writeFile(join(folder, 'README.md'), 'A repository that needs nothing.\n');
  const pages: Record<string, string> = {};
  const site = await startBenchSite(pages);
  const hub = await startHubProcess({
    config: {
      origins: [site.origin],
      dirs: { bench: folder },
      providers: { checkouts: { [`gh/${REPO}`]: 'bench/.' } },
    },
  });
  const browser = await launchChromium();
  try {
    Object.assign(pages, benchPages(hub.address.replace(/\/$/, ''), REPO));
    const visit = async (name: string): Promise<{ before: Fetched[]; after: Fetched[] }> => {
      // The environment exists by the second visit, so that nothing is measured of what tells how a build is going.
      await (await clickToOutput(browser, site.origin, name)).close();
      await delay(1_000);
      site.taken();
      let before: Fetched[] = [];
      const { fetched, close } = await clickToOutput(browser, site.origin, name, {
        beforeClick: () => (before = site.taken()),
      });
      await close();
      return { before, after: site.taken().filter(({ path }) => fetched.includes(path)) };
    };
    const ours = await visit('page-liveleaf');
    const thebe = await visit('page-thebe');
    const juniper = await visit('page-juniper');
    return [
      {
        name: 'script tag, brotli, before any click',
        value: total(ours.before),
        unit: 'B',
        target: { atMost: BUDGET_BEFORE },
        behind: list(ours.before),
      },
      { name: 'requests before any click', value: ours.before.length, unit: '', target: { atMost: 1 } },
      {
        name: 'everything after Run until a text output',
        value: total(ours.after),
        unit: 'B',
        target: { atMost: BUDGET_AFTER },
        behind: list(ours.after),
      },
      { name: 'Thebe 0.9.3, before any click', value: total(thebe.before), unit: 'B', behind: list(thebe.before) },
      {
        name: 'juniper-js 0.1.0, before any click',
        value: total(juniper.before),
        unit: 'B',
        behind: list(juniper.before),
      },
    ];
  } finally {
    await browser.close();
    await Promise.all([hub.stop(), site.close()]);
    await rm(folder, { recursive: true, force: true });
  }
};
