import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';

/** What tells one process from any other that ever had or will have its pid. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Linux: field 22 of `/proc/<pid>/stat`; elsewhere what `ps -o lstart=` prints. */
  readonly startTime: string;
  /** Linux: the kernel's boot id; elsewhere empty. */
  readonly bootId: string;
}

const run = promisify(execFile);

let bootIdOnce: Promise<string> | undefined;

/** Identifies this boot of the machine. */
const bootId = (): Promise<string> =>
  (bootIdOnce ??= readFile('/proc/sys/kernel/random/boot_id', 'utf8').then(
    (text) => text.trim(),
    () => '',
  ));

/** A live process's start time, or undefined when it is gone or a zombie. */
const startTimeOf = async (pid: number): Promise<string | undefined> => {
  if (process.platform !== 'linux') {
    try {
      const { stdout } = await run('ps', ['-o', 'lstart=', '-p', String(pid)]);
      return stdout.trim() || undefined;
    } catch {
      return undefined;
    }
  }
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    // The command in parentheses may itself hold spaces and parentheses; the fields start after the last one.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
  } catch {
    return undefined;
  }
};

/** The identity of a live process. */
export const identify = async (pid: number): Promise<ProcessIdentity | undefined> => {
  const startTime = await startTimeOf(pid);
  return startTime === undefined ? undefined : { pid, startTime, bootId: await bootId() };
};

/** Whether exactly this process still runs. */
export const isAlive = async (identity: ProcessIdentity): Promise<boolean> =>
  identity.bootId === (await bootId()) && identity.startTime === (await startTimeOf(identity.pid));
