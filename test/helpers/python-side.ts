import { access } from 'node:fs/promises';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..', '..');

/** The Python side that `npm start` and `npm test` make: an interpreter with Jupyter, and uv. */
export const pythonSide = async (): Promise<{ python: string; uv: string }> => {
  const bin = join(root, '.liveleaf', 'python', 'bin');
  await access(join(bin, 'uv')).catch(() => {
    throw new Error('The Python side is missing; run `npm test` or `npm start` once, which make it.');
  });
  return { python: join(bin, 'python'), uv: join(bin, 'uv') };
};
