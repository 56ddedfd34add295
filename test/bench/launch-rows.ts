import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { launchChromium } from '../helpers/chromium.ts';
import { startHubProcess, type HubProcess } from '../helpers/hub-process.ts';
import { startBareJupyter } from './bare-jupyter.ts';
import { benchPages } from './bench-pages.ts';
import { startBenchSite, type BenchSite } from './bench-site.ts';
import { clickToOutput } from './click-to-output.ts';
import { median, say, showSpread, type Row } from './table.ts';

const REPO = 'bench/one-cell';

/** Until warm servers and sessions are up again and the machine is quiet. */
const REFILL_MS = 6_000;

interface Setting {
  readonly name: string;
  readonly pool: { readonly servers: number; readonly sessions: number };
  readonly atMost: number;
}

const SETTINGS: readonly Setting[] = [
  {
    name: 'click → first output, environment cached, server and kernel warm',
    pool: { servers: 2, sessions: 2 },
    atMost: 0.08,
  },
  { name: 'the same with a warm server only', pool: { servers: 2, sessions: 0 }, atMost: 0.35 },
  { name: 'the same with nothing warm', pool: { servers: 0, sessions: 0 }, atMost: 0.85 },
];

interface Bench {
  readonly setting: Setting;
  readonly hub: HubProcess;
  readonly site: BenchSite;
  readonly seconds: number[];
}

/** A hub of one setting, and a site of another origin whose pages use it. */
const startBench = async (setting: Setting, folder: string): Promise<Bench> => {
  // The site's origin must be in the hub's configuration and the hub's address in the site's pages: the site comes first.
  const pages: Record<string, string> = {};
  const site = await startBenchSite(pages);
  const hub = await startHubProcess({
    config: {
      origins: [site.origin],
      dirs: { bench: folder },
      providers: { checkouts: { [`gh/${REPO}`]: 'bench/.' } },
      pool: setting.pool,
      quota: { total: 200, perRepo: 200 },
    },
  });
  Object.assign(pages, benchPages(hub.address.replace(/\/$/, ''), REPO));
  return { setting, hub, site, seconds: [] };
};

/** From a click to the answer on the page, against a stock server with JupyterLab, a kernel and `1+1`; and the peers on the same hub. */
export const launchRows = async (rounds: number): Promise<Row[]> => {
  const folder = await mkdtemp(join(tmpdir(), 'liveleaf-bench-'));
  await writeFile(join(folder, 'README.md'), 'A repository that needs nothing.\n');
  const browser = await launchChromium();
  const benches: Bench[] = [];
  try {
    for (const setting of SETTINGS) benches.push(await startBench(setting, folder));
    const bare: number[] = [];
    const peers: Record<string, number[]> = { 'page-thebe': [], 'page-juniper': [] };
    const measure = async (bench: Bench, page: string): Promise<number> => {
      await delay(REFILL_MS);
      const { seconds, close } = await clickToOutput(browser, bench.site.origin, page);
      await close();
      return seconds;
    };
    say('Building the environment once for each hub.');
    for (const bench of benches) await measure(bench, 'page-liveleaf');
    for (let round = 0; round < rounds; round++) {
      say(`Launch round ${round + 1} of ${rounds}.`);
      await delay(REFILL_MS);
      const stock = await startBareJupyter();
      bare.push(stock.seconds);
      await stock.close();
      for (const bench of benches) bench.seconds.push(await measure(bench, 'page-liveleaf'));
      for (const [page, seconds] of Object.entries(peers)) seconds.push(await measure(benches[0]!, page));
    }
    const against = `against bare ${showSpread(bare)}`;
    const ours = benches[0]!.seconds;
    return [
      ...benches.map(({ setting, seconds }) => ({
        name: setting.name,
        value: median(seconds) / median(bare),
        unit: '× bare',
        target: { atMost: setting.atMost },
        behind: `${showSpread(seconds)} ${against}`,
      })),
      ...Object.entries(peers).map(([page, seconds]) => ({
        name: `${page === 'page-thebe' ? 'Thebe 0.9.3' : 'juniper-js 0.1.0'}, click → output on the warm hub`,
        value: median(seconds) / median(ours),
        unit: '× Liveleaf',
        behind: showSpread(seconds),
      })),
    ];
  } finally {
    await browser.close();
    for (const bench of benches) await Promise.all([bench.hub.stop(), bench.site.close()]);
    await rm(folder, { recursive: true, force: true });
  }
};
