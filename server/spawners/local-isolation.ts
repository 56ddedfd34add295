import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { SessionLimits } from './local-session-settings.ts';

const run = promisify(execFile);
const PROBE_TIMEOUT_MS = 10_000;

/** Whether sessions can run in user, pid and mount namespaces here; found by doing it once. */
export const probeIsolation = async (python: string, scripts: string, folder: string): Promise<string | undefined> => {
  if (process.platform !== 'linux') return 'only Linux has them';
  const place = await mkdtemp(join(folder, 'probe-'));
  try {
    await run(python, ['-I', '-S', join(scripts, 'monitor.py'), '--probe', place], {
      timeout: PROBE_TIMEOUT_MS,
      env: {},
    });
    return undefined;
  } catch (error) {
    const said = error instanceof Error && 'stderr' in error ? String(error.stderr).trim() : '';
    return said.split('\n').at(-1) || 'the trial failed';
  } finally {
    await rm(place, { recursive: true, force: true });
  }
};

const size = (bytes: number): string =>
  bytes >= 2 ** 30 ? `${bytes / 2 ** 30} GiB` : `${Math.round(bytes / 2 ** 20)} MiB`;

/** What holds on this machine, in sentences for its owner. `refused` says why namespaces cannot be had. */
export const describeIsolation = (refused: string | undefined, limits: SessionLimits): readonly string[] => [
  ...(refused === undefined
    ? [
        'Each session runs in its own user, pid and mount namespaces: it sees no other session, not the hub’s keys, and ends as a whole; environments cannot be written.',
        'A session can still use the network, and read what you can read outside the hub’s state folder.',
      ]
    : [
        `Sessions are not isolated from each other or from your files: namespaces cannot be had here (${refused}).`,
        'A stopped session’s processes are found through their parents and their environment; one that hides both would stay.',
      ]),
  `Each process of a session may use ${size(limits.dataBytes)} of memory, ${limits.openFiles} open files, files of ${size(limits.fileBytes)} and ${limits.threads} threads for numerics; the sum over a session’s processes, and its disk space, have no limit.`,
];
