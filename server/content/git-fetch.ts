import { link, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { curlResolve, type AddressPolicy, type CheckedTarget } from '../network/address-policy.ts';
import { HubError } from '../errors.ts';
import type { ContentLimits } from './content-limits.ts';
import { CONTENT_REF } from './git-content.ts';
import { isRedirect, isUnadvertised } from './git-fetch-errors.ts';
import type { Git } from './git-process.ts';

/** Where a host really keeps a repository that it redirects; `GitRefClient.list` gives it. */
export type Locate = (url: string, signal: AbortSignal) => Promise<string>;

export interface GitFetchParts {
  readonly git: Git;
  readonly network: AddressPolicy;
  readonly locate: Locate;
  readonly limits: ContentLimits;
}

export interface FetchRequest {
  readonly url: string;
  readonly commit: string;
  /** The bare repository to make; its folder does not exist yet. */
  readonly into: string;
  /** A bare repository of ours with an earlier commit of the same repository, so that only what changed travels. */
  readonly base?: string;
  readonly signal: AbortSignal;
}

// Last in precedence is what the tree itself says, so these lines win: every tracked byte is archived as committed.
const ATTRIBUTES = '* -export-ignore -export-subst -text -ident -filter -working-tree-encoding\n';
const MAX_BASE_PACKS = 16;

const packsOf = async (gitDir: string): Promise<readonly string[]> =>
  (await readdir(join(gitDir, 'objects', 'pack'))).filter((name) => /^pack-[0-9a-f]+\.(?:pack|idx|rev)$/.test(name));

/** How much the packs of a bare repository take, in bytes. */
const packBytes = async (gitDir: string): Promise<number> => {
  let bytes = 0;
  for (const name of await packsOf(gitDir)) bytes += (await stat(join(gitDir, 'objects', 'pack', name))).size;
  return bytes;
};

/** Whether a pack stopped at the limit on file size: index-pack is killed there, and says nothing. */
const isCutOff = async (gitDir: string, maxBytes: number): Promise<boolean> => {
  const folder = join(gitDir, 'objects', 'pack');
  for (const name of await readdir(folder).catch(() => [])) {
    if ((await stat(join(folder, name))).size >= maxBytes) return true;
  }
  return false;
};

/** Gives a new repository all that an earlier one holds, by hard links: packs never change. */
const inherit = async (from: string, into: string, maxBytes: number): Promise<boolean> => {
  const packs = await packsOf(from);
  const count = packs.filter((name) => name.endsWith('.pack')).length;
  if (count === 0 || count > MAX_BASE_PACKS || (await packBytes(from)) > maxBytes / 2) return false;
  // The index last: git believes in a pack by its index.
  for (const name of packs.toSorted((a, b) => Number(a.endsWith('.idx')) - Number(b.endsWith('.idx'))))
    await link(join(from, 'objects', 'pack', name), join(into, 'objects', 'pack', name));
  const shallow = await readFile(join(from, 'shallow')).catch(() => undefined);
  if (shallow !== undefined) await writeFile(join(into, 'shallow'), shallow);
  await mkdir(join(into, 'refs', 'liveleaf'), { recursive: true });
  await writeFile(join(into, 'refs', 'liveleaf', 'base'), await readFile(join(from, CONTENT_REF)));
  return true;
};

/**
 * Fetches one commit into a new bare repository, bounded in protocol, address, time and size.
 * Throws GitError, or HubError `clone_limit`, `host_down` or `policy`.
 */
export const fetchCommit = async (parts: GitFetchParts, request: FetchRequest): Promise<void> => {
  const { git, network, locate, limits } = parts;
  const { commit, into, signal } = request;
  const deadline = AbortSignal.timeout(limits.timeoutMs);
  const bounded = AbortSignal.any([signal, deadline]);

  const fetch = async (
    target: CheckedTarget,
    options: readonly string[],
    refspecs: readonly string[],
  ): Promise<void> => {
    const resolved = curlResolve(target);
    await git.run({
      words: ['fetch', '--progress', '--no-tags', '--no-write-fetch-head', '--no-recurse-submodules', ...options],
      operands: [target.url.href, ...refspecs],
      folder: into,
      gitDir: into,
      protocols: target.url.protocol.slice(0, -1),
      ...(resolved === undefined ? {} : { settings: { 'http.curloptResolve': resolved } }),
      signal: bounded,
      maxFileBytes: limits.maxBytes,
      onOutput: () => {},
    });
  };

  const has = async (): Promise<boolean> =>
    git.run({ words: ['cat-file', '-e'], operands: [commit], folder: into, gitDir: into, signal: bounded }).then(
      () => true,
      () => false,
    );

  const tooLarge = (): HubError =>
    new HubError('clone_limit', `${request.url} takes more than ${limits.maxBytes} bytes. Use a smaller repository.`);

  /** For hosts that hand out only what a ref points to: first the tips, then all history. */
  const fetchByRefs = async (target: CheckedTarget): Promise<void> => {
    const all = ['+refs/heads/*:refs/tips/heads/*', '+refs/tags/*:refs/tips/tags/*'];
    await fetch(target, ['--depth=1'], all);
    if (!(await has())) await fetch(target, ['--unshallow'], all);
    if (!(await has())) throw new HubError('ref_not_found', `${request.url} has no commit ${commit}; check the id.`);
    await mkdir(join(into, 'refs', 'liveleaf'), { recursive: true });
    await writeFile(join(into, CONTENT_REF), `${commit}\n`);
  };

  const fetchFrom = (target: CheckedTarget): Promise<void> =>
    fetch(target, ['--depth=1'], [`${commit}:${CONTENT_REF}`]).catch((error: unknown) => {
      if (!isUnadvertised(error)) throw error;
      return fetchByRefs(target);
    });

  try {
    const target = await network.check(request.url, bounded);
    await mkdir(into, { recursive: true, mode: 0o700 });
    const format = commit.length === 64 ? 'sha256' : 'sha1';
    await git.run({
      words: ['init', '--quiet', '--bare', '--template=', `--object-format=${format}`, '.'],
      folder: into,
    });
    await mkdir(join(into, 'info'), { recursive: true });
    await writeFile(join(into, 'info', 'attributes'), ATTRIBUTES);
    if (request.base !== undefined) await inherit(request.base, into, limits.maxBytes);
    await fetchFrom(target).catch(async (error: unknown) => {
      if (!isRedirect(error)) throw error;
      await fetchFrom(await network.check(await locate(request.url, bounded), bounded));
    });
    const kind = await git.run({ words: ['cat-file', '-t', CONTENT_REF], folder: into, gitDir: into, signal: bounded });
    if (kind.toString().trim() !== 'commit')
      throw new HubError('ref_not_found', `${commit} of ${request.url} is no commit; give a commit's id.`);
    if ((await packBytes(into)) > limits.maxBytes) throw tooLarge();
  } catch (error) {
    if (signal.aborted || error instanceof HubError) throw error;
    if (deadline.aborted)
      throw new HubError(
        'clone_limit',
        `Fetching ${request.url} took longer than ${limits.timeoutMs / 1_000} s. Use a smaller repository, or try again later.`,
      );
    throw (await isCutOff(into, limits.maxBytes)) ? tooLarge() : error;
  }
};
