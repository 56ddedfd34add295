import { parse, TomlError } from 'smol-toml';
import { HubError } from '../errors.ts';
import type { RequirementLine } from './plan.ts';

/** What a `pyproject.toml` says about an environment. */
export interface Pyproject {
  readonly file: string;
  readonly text: string;
  readonly name?: string;
  readonly requiresPython?: string;
  readonly dependencies: readonly RequirementLine[];
  /** It has both `[project]` and `[build-system]`: the repository's own code is installed. */
  readonly isPackage: boolean;
  /** Its dependencies are computed by its build system. */
  readonly hasDynamicDependencies: boolean;
  readonly isWorkspace: boolean;
  /** Packages that `[tool.uv.sources]` takes from elsewhere than the index. */
  readonly sources: readonly string[];
}

type Table = Readonly<Record<string, unknown>>;

const table = (value: unknown): Table | undefined =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Table) : undefined;

/** Parses TOML; a mistake in it is the author's, named with its line. */
export const parseToml = (text: string, file: string): Table => {
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const reason = error.message.split('\n')[0]?.replace(/^Invalid TOML document: /, '') ?? '';
    throw new HubError('build_failed', `${file}, line ${error.line}, is not valid TOML: ${reason}.`, {
      detail: { file, line: error.line },
    });
  }
};

/** The line of a string in a TOML file: a string's own line is not kept by a parser, so its text is looked for after its table. */
const lineOf = (text: string, value: string): number => {
  const lines = text.split('\n');
  const from = Math.max(
    0,
    lines.findIndex((line) => /^\s*\[project\]/.test(line)),
  );
  const quoted = [`"${value}"`, `'${value}'`];
  const found = lines.findIndex(
    (line, index) => index >= from && quoted.some((form) => line.replaceAll('\\"', '"').includes(form)),
  );
  return (found < 0 ? from : found) + 1;
};

const malformed = (file: string, what: string): HubError =>
  new HubError('build_failed', `${file}: ${what}.`, { detail: { file } });

/** Reads a `pyproject.toml`. Throws HubError `build_failed` naming file and, where it is known, line. */
export const parsePyproject = (text: string, file: string): Pyproject => {
  const root = parseToml(text, file);
  const project = table(root['project']);
  const uv = table(table(root['tool'])?.['uv']);
  const dependencies = project?.['dependencies'] ?? [];
  if (!Array.isArray(dependencies) || !dependencies.every((item) => typeof item === 'string'))
    throw malformed(file, 'project.dependencies must be a list of strings');
  const requiresPython = project?.['requires-python'];
  if (requiresPython !== undefined && typeof requiresPython !== 'string')
    throw malformed(file, 'project.requires-python must be a string');
  const dynamic = project?.['dynamic'];
  const name = project?.['name'];
  return {
    file,
    text,
    ...(typeof name === 'string' ? { name } : {}),
    ...(requiresPython === undefined ? {} : { requiresPython }),
    dependencies: (dependencies as string[]).map((item) => ({ text: item.trim(), file, line: lineOf(text, item) })),
    isPackage: project !== undefined && root['build-system'] !== undefined,
    hasDynamicDependencies: Array.isArray(dynamic) && dynamic.includes('dependencies'),
    isWorkspace: uv?.['workspace'] !== undefined,
    sources: Object.keys(table(uv?.['sources']) ?? {}),
  };
};
