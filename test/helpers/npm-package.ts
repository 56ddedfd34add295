import { execFile } from 'node:child_process';
import { access, mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const cache = join(import.meta.dirname, '..', '..', '.liveleaf', 'npm-packages');

/**
 * The folder of a package as its authors published it, without its dependencies: for peers that a page loads as one file,
 * and that cannot all be installed beside our own dependencies. Fetched once.
 */
export const npmPackage = async (name: string, version: string): Promise<string> => {
  const folder = join(cache, `${name.replaceAll(/[@/]/g, '_')}-${version}`);
  if (
    await access(folder).then(
      () => true,
      () => false,
    )
  )
    return folder;
  await mkdir(cache, { recursive: true, mode: 0o700 });
  const scratch = await mkdtemp(join(cache, 'fetching-'));
  try {
    const { stdout } = await run('npm', ['pack', `${name}@${version}`, '--silent', '--pack-destination', scratch]);
    await run('tar', ['-xzf', join(scratch, stdout.trim()), '-C', scratch]);
    // Two test files may fetch it at once; the second one finds the first one's.
    await rename(join(scratch, 'package'), folder).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
    });
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
  return folder;
};
