import type { Content } from '../content/content.ts';
import { HubError } from '../errors.ts';
import { BUILD_PACKS, type BuildPack } from './build-packs.ts';
import { parsePyproject, type Pyproject } from './pyproject.ts';

const CONFIG_FOLDERS = ['binder', '.binder'] as const;

/** `runtime.txt`, taken apart: `python-3.11` is `python` and `3.11`. */
export interface Runtime {
  readonly file: string;
  readonly name: string;
  readonly version: string;
  readonly text: string;
}

/** What a repository declares. */
export interface Detected {
  readonly pack: BuildPack;
  /** The file that decided; absent when nothing is declared, which is a bare Python environment. */
  readonly decidedBy?: string;
  /** `binder/`, `.binder/`, or empty for the root. */
  readonly folder: string;
  readonly paths: ReadonlySet<string>;
  readonly runtime?: Runtime;
  /** The root's `pyproject.toml`, or that of the configuration folder. */
  readonly pyproject?: Pyproject;
}

const readRuntime = async (content: Content, file: string): Promise<Runtime | undefined> => {
  const text = (await content.read(file))?.trim();
  if (!text) return undefined;
  const dash = text.indexOf('-');
  return dash < 0
    ? { file, name: text, version: '', text }
    : { file, name: text.slice(0, dash), version: text.slice(dash + 1), text };
};

/**
 * Finds which build pack repo2docker would take, by the same files in the same order.
 * Throws HubError `build_failed` where both configuration folders are there or a pyproject.toml cannot be read.
 */
export const detectEnvironment = async (content: Content): Promise<Detected> => {
  const entries = await content.list();
  // A link or a submodule of that name is no file that is read.
  const paths = new Set(entries.filter(({ mode }) => mode === '100644' || mode === '100755').map(({ path }) => path));
  const folders = CONFIG_FOLDERS.filter((name) => entries.some(({ path }) => path.startsWith(`${name}/`)));
  if (folders.length > 1)
    throw new HubError(
      'build_failed',
      'The repository has both binder/ and .binder/, so it is not clear which one counts. Remove one of them.',
      { detail: { file: '.binder' } },
    );
  const folder = folders[0] === undefined ? '' : `${folders[0]}/`;
  const runtime = paths.has(`${folder}runtime.txt`) ? await readRuntime(content, `${folder}runtime.txt`) : undefined;
  const pyprojectText = paths.has(`${folder}pyproject.toml`)
    ? await content.read(`${folder}pyproject.toml`)
    : undefined;
  const pyproject = pyprojectText === undefined ? undefined : parsePyproject(pyprojectText, `${folder}pyproject.toml`);

  const chosenBy = async (pack: BuildPack): Promise<string | undefined> => {
    for (const name of pack.files) {
      const path = folder + name;
      if (paths.has(path) && (pack.holds === undefined || pack.holds.test((await content.read(path)) ?? '')))
        return path;
    }
    // R wants a date: `r-2023-01-01`, `r-4.3-2023-01-01`.
    if (runtime && runtime.name === pack.runtime && (pack.name !== 'r' || /\d{4}-\d\d-\d\d$/.test(runtime.version)))
      return runtime.file;
    return folder === ''
      ? pack.rootFiles?.find((name) => paths.has(name) && (name !== 'pyproject.toml' || pyproject?.isPackage))
      : undefined;
  };

  for (const pack of BUILD_PACKS) {
    const decidedBy = await chosenBy(pack);
    if (decidedBy !== undefined)
      return { pack, decidedBy, folder, paths, ...(runtime ? { runtime } : {}), ...(pyproject ? { pyproject } : {}) };
  }
  const python = BUILD_PACKS.find(({ name }) => name === 'python') as BuildPack;
  return { pack: python, folder, paths, ...(runtime ? { runtime } : {}), ...(pyproject ? { pyproject } : {}) };
};
