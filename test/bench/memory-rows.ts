import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { startHubProcess } from '../helpers/hub-process.ts';
import { median, showSpread, type Row } from './table.ts';

const SETTLE_MS = 5_000;

/** Resident memory of the hub's own process when nobody uses it, its pool filled. */
export const memoryRows = async (rounds: number): Promise<Row[]> => {
  const megabytes: number[] = [];
  for (let round = 0; round < Math.min(rounds, 3); round++) {
    const hub = await startHubProcess({ demo: true });
    try {
      await delay(SETTLE_MS);
      const status = await readFile(`/proc/${hub.pid}/status`, 'utf8');
      megabytes.push((Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]) * 1_024) / 1_000_000);
    } finally {
      await hub.stop();
    }
  }
  return [
    {
      name: 'hub, idle, RSS',
      value: median(megabytes),
      unit: 'MB',
      target: { atMost: 120 },
      behind: showSpread(megabytes, 'MB'),
    },
  ];
};
