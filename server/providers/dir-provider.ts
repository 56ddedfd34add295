import { realpath } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { pathToFileURL } from 'node:url';
import { DEFAULT_REF } from '../../sdk/contract/index.ts';
import type { KeptContentStore } from '../content/content-store.ts';
import { HubError } from '../errors.ts';
import type { RepoProvider } from './repo-provider.ts';

export interface DirProviderParts {
  /** Folders that the owner named, by the name that a spec uses: `{ docs: '/home/me/docs' }`. */
  readonly dirs: Readonly<Record<string, string>>;
  readonly content: Pick<KeptContentStore, 'snapshot' | 'hasSnapshot'>;
}

const DIGEST = /^[0-9a-f]{64}$/;

/** Folders of the hub's own machine, below roots that its owner named: an author's working copy, no push needed. */
export const createDirProvider = ({ dirs, content }: DirProviderParts): RepoProvider => {
  const findFolder = async (repo: string): Promise<string> => {
    const slash = repo.indexOf('/');
    const [name, path] = [repo.slice(0, slash), repo.slice(slash + 1)];
    const root = Object.hasOwn(dirs, name) ? dirs[name] : undefined;
    if (root === undefined) {
      const known = Object.keys(dirs);
      const hint = known.length === 0 ? 'it names none' : `it knows ${known.join(', ')}`;
      throw new HubError('repo_not_found', `This hub has no folder named ${JSON.stringify(name)} under dirs; ${hint}.`);
    }
    const shown = JSON.stringify(path.slice(0, 200));
    const realRoot = await realpath(root).catch(() => undefined);
    if (realRoot === undefined)
      throw new HubError('repo_not_found', `The folder that the hub's configuration names ${name} does not exist.`);
    const folder = await realpath(join(realRoot, path)).catch(() => undefined);
    if (folder === undefined) throw new HubError('repo_not_found', `${name} has no folder ${shown}; check its path.`);
    if (folder !== realRoot && !folder.startsWith(realRoot.endsWith(sep) ? realRoot : `${realRoot}${sep}`))
      throw new HubError('bad_spec', `${shown} leads out of ${name} through a link; name a folder inside it.`);
    return folder;
  };

  return {
    id: 'dir',
    display: {
      id: 'dir',
      displayName: 'Folder',
      spec: { validateRegex: '[^/]+/[^/]+/.+' },
      repo: { label: 'Folder of this machine', placeholder: 'root/path', urlEncode: true },
      ref: { enabled: false, default: DEFAULT_REF },
    },
    resolve: async (spec, signal) => {
      if (spec.ref !== DEFAULT_REF && !DIGEST.test(spec.ref))
        throw new HubError(
          'ref_not_found',
          `A folder has no branch or tag ${JSON.stringify(spec.ref)}; use ${DEFAULT_REF}, or the 64 hex digits of a digest.`,
        );
      const folder = await findFolder(spec.repo);
      const isKept = spec.ref !== DEFAULT_REF && (await content.hasSnapshot(folder, spec.ref));
      const digest = isKept ? spec.ref : await content.snapshot(folder, signal);
      if (spec.ref !== DEFAULT_REF && digest !== spec.ref)
        throw new HubError(
          'ref_not_found',
          `The folder has changed since ${spec.ref.slice(0, 12)}…, which is kept no longer; use ${DEFAULT_REF} for what it holds now.`,
        );
      const url = pathToFileURL(folder).href;
      return { spec, resolvedRef: digest, source: { kind: 'dir', folder, digest }, repoUrl: url, refUrl: url };
    },
  };
};
