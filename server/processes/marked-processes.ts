import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);

export interface MarkedProcess {
  readonly pid: number;
  /** The variable's value. */
  readonly mark: string;
}

/**
 * Processes of this user that were started with an environment variable whose value begins with `prefix`. What a program inherits it
 * can drop, so this finds what was forgotten, not what hides.
 */
export const markedProcesses = async (variable: string, prefix: string): Promise<readonly MarkedProcess[]> => {
  const start = `${variable}=${prefix}`;
  const found: MarkedProcess[] = [];
  if (process.platform !== 'linux') {
    const { stdout } = await run('ps', ['axeww', '-o', 'pid=,command='], { maxBuffer: 64 * 2 ** 20 });
    for (const line of stdout.split('\n')) {
      const word = line.split(' ').find((part) => part.startsWith(start));
      if (word !== undefined) found.push({ pid: Number.parseInt(line, 10), mark: word.slice(variable.length + 1) });
    }
    return found;
  }
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const environment = await readFile(`/proc/${name}/environ`, 'utf8').catch(() => '');
    const entry = environment.split('\0').find((part) => part.startsWith(start));
    if (entry !== undefined) found.push({ pid: Number(name), mark: entry.slice(variable.length + 1) });
  }
  return found;
};
