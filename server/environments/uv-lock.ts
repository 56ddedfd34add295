import { HubError } from '../errors.ts';
import { parseToml, type Pyproject } from './pyproject.ts';
import { addressMistake } from './requirement-address.ts';
import { requirementName } from './requirement-syntax.ts';

/** What a `uv.lock` says, checked against the pyproject.toml beside it. */
export interface UvLock {
  readonly requiresPython?: string;
  readonly packages: readonly string[];
  /** Some package is a folder of the repository. */
  readonly hasOwnCode: boolean;
}

type Table = Readonly<Record<string, unknown>>;

const DEFAULT_INDEXES = ['https://pypi.org/simple'];

export const canonicalName = (name: string): string => name.toLowerCase().replace(/[-_.]+/g, '-');

const text = (value: unknown): string => (typeof value === 'string' ? value : '');

/** A dependency as `name` and sorted version clauses, without extras and markers. */
const shape = (requirement: string): string => {
  const name = requirementName(requirement) ?? '';
  const clauses =
    requirement
      .slice(name.length)
      .replace(/^\s*\[[^\]]*\]/, '')
      .split(';')[0]
      ?.replace(/[()\s]/g, '') ?? '';
  return `${canonicalName(name)} ${clauses.startsWith('@') ? '' : clauses.split(',').sort().join(',')}`;
};

/**
 * Reads a lock file. Throws HubError `build_failed` where it cannot be read or does not fit its pyproject.toml,
 * and `policy` where it takes packages from a place that the owner did not allow.
 */
export const readUvLock = (
  lock: string,
  file: string,
  pyproject: Pyproject,
  allowedIndexes: readonly string[],
): UvLock => {
  const root = parseToml(lock, file);
  const fail = (code: 'build_failed' | 'policy' | 'unsupported_environment', what: string, name?: string): never => {
    throw new HubError(code, `${file}: ${what}.`, { detail: { file, ...(name ? { package: name } : {}) } });
  };
  if (root['version'] !== 1) fail('build_failed', 'its version is not 1, which is the one that is understood here');
  const packages = (Array.isArray(root['package']) ? root['package'] : []) as Table[];
  const sourceOf = (item: Table) => (item['source'] ?? {}) as Table;
  const local = (item: Table) => {
    const { virtual, editable, directory, path } = sourceOf(item);
    return virtual ?? editable ?? directory ?? path;
  };

  let hasOwnCode = pyproject.isPackage || pyproject.isWorkspace;
  for (const item of packages) {
    const name = text(item['name']);
    const { registry, git, url, virtual } = sourceOf(item);
    if (typeof registry === 'string' && ![...DEFAULT_INDEXES, ...allowedIndexes].includes(registry))
      fail(
        'policy',
        `${name} comes from the index ${registry.slice(0, 100)}, which this hub does not let repositories name; its owner can allow it with environments.allowedIndexes`,
        name,
      );
    const address = git ?? url;
    const wrong = typeof address === 'string' ? addressMistake(address) : undefined;
    if (wrong) fail(wrong.code, `${name} comes from ${text(address).slice(0, 100)}: ${wrong.what}`, name);
    const place = local(item);
    if (typeof place === 'string') {
      if (place.startsWith('/') || place.split('/').includes('..'))
        fail('policy', `${name} comes from ${place.slice(0, 100)}, outside the folder of the lock file`, name);
      if (place !== '.' || virtual === undefined) hasOwnCode = true;
    }
  }

  const own = packages.find((item) => local(item) === '.');
  if (own === undefined && !pyproject.isWorkspace)
    fail('build_failed', `it does not hold the project of ${pyproject.file}; make it anew with \`uv lock\``);
  if (own && !pyproject.hasDynamicDependencies) {
    const listed = ((own['metadata'] as Table | undefined)?.['requires-dist'] ?? []) as Table[];
    const fixed = listed.filter((item) => !/\bextra\s*==/.test(text(item['marker'])));
    const inLock = fixed.map((item) => shape(`${text(item['name'])}${text(item['specifier'])}`));
    const inProject = pyproject.dependencies.map((line) => shape(line.text));
    const fromElsewhere = new Set(pyproject.sources.map(canonicalName));
    const differs = (have: string[]) => (entry: string) =>
      !fromElsewhere.has(entry.split(' ')[0] ?? '') && !have.includes(entry);
    const different = inProject.find(differs(inLock)) ?? inLock.find(differs(inProject));
    if (different !== undefined) {
      const name = different.split(' ')[0] ?? '';
      fail(
        'build_failed',
        `it does not fit ${pyproject.file}, where ${name} is asked for otherwise; make it anew with \`uv lock\``,
        name,
      );
    }
  }
  const requiresPython = root['requires-python'];
  return {
    ...(typeof requiresPython === 'string' ? { requiresPython } : {}),
    packages: packages.map((item) => text(item['name'])),
    hasOwnCode,
  };
};
