import { readFile } from 'node:fs/promises';
import { freemem } from 'node:os';

/** Bytes that new processes can have without swapping. */
export const availableMemory = async (): Promise<number> => {
  const table = await readFile('/proc/meminfo', 'utf8').catch(() => '');
  const line = /^MemAvailable:\s+(\d+) kB$/m.exec(table)?.[1];
  return line === undefined ? freemem() : Number(line) * 1024;
};

/** How many processes the kernel has killed for want of memory since the machine started; undefined where it does not say. */
export const outOfMemoryKills = async (): Promise<number | undefined> => {
  const table = await readFile('/proc/vmstat', 'utf8').catch(() => '');
  const count = /^oom_kill (\d+)$/m.exec(table)?.[1];
  return count === undefined ? undefined : Number(count);
};
