import type { Git } from './git-process.ts';

/** Contents of several objects, in the order asked, by one `git cat-file --batch`; a missing one is empty. */
export const readObjects = async (
  git: Git,
  gitDir: string,
  objects: readonly string[],
  signal?: AbortSignal,
): Promise<readonly Buffer[]> => {
  if (objects.length === 0) return [];
  const output = await git.run({
    words: ['cat-file', '--batch'],
    folder: gitDir,
    gitDir,
    input: objects.map((object) => `${object}\n`).join(''),
    ...(signal === undefined ? {} : { signal }),
  });
  const contents: Buffer[] = [];
  let at = 0;
  for (const _ of objects) {
    const end = output.indexOf(10, at);
    const size = Number(/ (\d+)$/.exec(output.toString('latin1', at, end))?.[1] ?? Number.NaN);
    if (Number.isNaN(size)) {
      contents.push(Buffer.alloc(0));
      at = end + 1;
      continue;
    }
    contents.push(output.subarray(end + 1, end + 1 + size));
    at = end + size + 2;
  }
  return contents;
};
