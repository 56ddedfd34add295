import { posix } from 'node:path';
import type { Content } from '../content/content.ts';
import { HubError } from '../errors.ts';
import { addressMistake, addressOf } from './requirement-address.ts';
import { ownCodePrefix } from './own-code.ts';
import type { RequirementLine } from './plan.ts';
import { REQUIREMENT_OPTIONS, splitOption } from './requirement-options.ts';
import { requirementMistake, requirementName } from './requirement-syntax.ts';

const MAX_FILES = 50;
const MAX_LINES = 10_000;

export interface Requirements {
  readonly lines: readonly RequirementLine[];
  readonly constraints: readonly RequirementLine[];
  /** As lines of a requirements file, but for `PRERELEASES`. */
  readonly options: readonly string[];
  /** Some line is a path of the repository. */
  readonly hasOwnCode: boolean;
  readonly notices: readonly string[];
}

export interface RequirementsContext {
  readonly content: Content;
  /** The repository's files. */
  readonly paths: ReadonlySet<string>;
  /** Package indexes that a repository may name itself. */
  readonly allowedIndexes: readonly string[];
}

interface Place {
  readonly file: string;
  readonly line: number;
}

const fail = (
  code: 'build_failed' | 'policy' | 'unsupported_environment',
  { file, line }: Place,
  text: string,
  what: string,
): never => {
  const name = requirementName(text);
  const shown = text.length > 80 ? `${text.slice(0, 79)}…` : text;
  throw new HubError(code, `${file}, line ${line}, “${shown}”: ${what}.`, {
    detail: { file, line, ...(name === undefined ? {} : { package: name }) },
  });
};

/** Logical lines: continued ones joined under the number of their first, comments gone. */
export const logicalLines = (text: string): { line: number; text: string }[] => {
  const found: { line: number; text: string }[] = [];
  let joined: { line: number; text: string } | undefined;
  const end = () => {
    const bare = joined?.text
      .replace(/(^|\s+)#.*$/s, '')
      .replace(/\s+/g, ' ')
      .trim();
    if (joined && bare) found.push({ line: joined.line, text: bare });
    joined = undefined;
  };
  text
    .replace(/^\uFEFF/, '')
    .split(/\r\n|\r|\n/)
    .forEach((raw, index) => {
      const comment = /^\s*#/.test(raw);
      const continued = raw.endsWith('\\') && !comment;
      const piece = continued ? raw.slice(0, -1) : comment ? '' : raw;
      joined = { line: joined?.line ?? index + 1, text: (joined?.text ?? '') + piece };
      if (!continued) end();
    });
  end();
  return found;
};

/** A path of the repository, from its root; undefined when it leaves it. */
const inside = (base: string, path: string): string | undefined => {
  if (path.startsWith('/') || path.startsWith('~') || path.includes('\\') || /^[A-Za-z]:/.test(path)) return undefined;
  const whole = posix.normalize(posix.join(base, path)).replace(/\/$/, '');
  return whole === '..' || whole.startsWith('../') ? undefined : whole;
};

const ARCHIVE = /\.(whl|zip|tar\.gz|tgz|tar\.bz2|tar\.xz)$/i;
const looksLikePath = (text: string): boolean => {
  const path = text.split(/\s*[;[]/)[0] ?? '';
  return /^[.~/\\]/.test(path) || (!/\s@\s|:\/\//.test(path) && (/[/\\]/.test(path) || ARCHIVE.test(path)));
};

/**
 * Reads a requirements file and all that it includes, inside the repository only.
 * Throws HubError `policy` for what reaches outside, `unsupported_environment` for what is not built here, `build_failed` for what cannot be read; each names file and line.
 */
export const readRequirements = async (start: string, context: RequirementsContext): Promise<Requirements> => {
  const { content, paths } = context;
  const lines: RequirementLine[] = [];
  const constraints: RequirementLine[] = [];
  const options: string[] = [];
  const notices: string[] = [];
  const seen = new Set<string>();
  let hasOwnCode = false;

  const ownCode = (value: string, place: Place, text: string, editable: boolean): string => {
    const elsewhere = /:\/\/|^file:/i.test(value) ? addressMistake(value) : undefined;
    if (elsewhere) return fail(elsewhere.code, place, text, elsewhere.what);
    const match = /^([^[\];]+?)\s*(\[[A-Za-z0-9._,\s-]*\])?$/.exec(value);
    if (!match)
      return fail('build_failed', place, text, 'a path may be followed by extras in brackets, and by nothing else');
    // As with pip, a path counts from where pip is run: the repository's root.
    const path = inside('', match[1] ?? '');
    if (path === undefined)
      return fail('policy', place, text, 'the path leaves the repository; only the repository’s own files are read');
    const prefix = path === '.' ? '' : `${path}/`;
    const isPackage = paths.has(`${prefix}pyproject.toml`) || paths.has(`${prefix}setup.py`);
    if (!isPackage && !(paths.has(path) && ARCHIVE.test(path)))
      return fail(
        'build_failed',
        place,
        text,
        'the repository has no package there: neither a folder with pyproject.toml or setup.py nor an archive',
      );
    hasOwnCode = true;
    if (editable)
      notices.push(
        `${place.file}, line ${place.line}: the package is installed from a copy, so editing its files in a session does not change what is imported.`,
      );
    return `${ownCodePrefix}${path === '.' ? '' : path}${match[2] ?? ''}`;
  };

  const include = async (value: string, from: Place, text: string, asConstraints: boolean): Promise<void> => {
    if (/^[a-z]+:\/\//i.test(value))
      fail('policy', from, text, 'only files of the repository are included, no addresses');
    const path = inside(posix.dirname(from.file), value);
    if (path === undefined)
      fail('policy', from, text, 'the file lies outside the repository; only the repository’s own files are read');
    await read(path as string, asConstraints, { place: from, text });
  };

  const read = async (file: string, asConstraints: boolean, from?: { place: Place; text: string }): Promise<void> => {
    const once = `${asConstraints} ${file}`;
    if (seen.has(once)) return;
    seen.add(once);
    const place = from?.place ?? { file, line: 1 };
    if (seen.size > MAX_FILES)
      fail('build_failed', place, from?.text ?? file, `more than ${MAX_FILES} files are included`);
    const body = await content.read(file);
    if (body === undefined)
      return fail('build_failed', place, from?.text ?? file, `the repository has no file ${file}`);
    for (const { line, text } of logicalLines(body)) {
      const here = { file, line };
      if (lines.length + constraints.length >= MAX_LINES)
        fail('build_failed', here, text, `there are more than ${MAX_LINES} requirements`);
      if (/\$\{[A-Z0-9_]+\}/.test(text))
        fail('policy', here, text, 'variables are not replaced here; write the value itself');
      if (text.startsWith('-')) await option(text, here, asConstraints);
      else (asConstraints ? constraints : lines).push({ text: requirement(text, here), ...here });
    }
  };

  const requirement = (text: string, here: Place): string => {
    const address = addressOf(text);
    if (address === undefined && looksLikePath(text)) return ownCode(text, here, text, false);
    const wrong = address === undefined ? undefined : addressMistake(address);
    if (wrong) return fail(wrong.code, here, text, wrong.what);
    const options = /\s(--[a-z][a-z-]*)/.exec(text.replace(/\s--hash[=\s]\S+/g, ''));
    if (options) return fail('policy', here, text, `the option ${options[1]} is not allowed in a requirement`);
    const mistake = address !== undefined && !/^[^\s@]+\s*@/.test(text) ? undefined : requirementMistake(text);
    if (mistake !== undefined) return fail('build_failed', here, text, mistake);
    return text;
  };

  const option = async (text: string, here: Place, asConstraints: boolean): Promise<void> => {
    const { name, value } = splitOption(text);
    const rule = REQUIREMENT_OPTIONS[name];
    if (rule === undefined) return fail('policy', here, text, `the option ${name} is not allowed here`);
    const wantsValue = !(rule.does === 'refuse' || ((rule.does === 'pass' || rule.does === 'ignore') && !rule.value));
    if (wantsValue !== (value !== '') && rule.does !== 'refuse')
      return fail(
        'build_failed',
        here,
        text,
        wantsValue ? `the option ${name} needs a value` : `the option ${name} takes no value`,
      );
    switch (rule.does) {
      case 'include':
        return include(value, here, text, asConstraints);
      case 'constrain':
        return include(value, here, text, true);
      case 'own-code':
        if (asConstraints) return fail('build_failed', here, text, 'a constraint cannot be a path');
        lines.push({ text: ownCode(value, here, text, true), ...here });
        return;
      case 'pass':
        if (value.startsWith('-')) return fail('policy', here, text, `the value of ${name} cannot be an option`);
        options.push(...(rule.value ? value.split(/[,\s]+/).map((item) => `${rule.as} ${item}`) : [rule.as]));
        return;
      case 'index':
        if (!context.allowedIndexes.includes(value))
          return fail(
            'policy',
            here,
            text,
            'this hub does not let repositories name that package index; its owner can allow it with environments.allowedIndexes',
          );
        options.push(`${rule.as} ${value}`);
        return;
      case 'refuse':
        return fail('policy', here, text, `the option ${name} is not allowed: ${rule.because}`);
      case 'ignore':
        return;
    }
  };

  await read(start, false);
  return { lines, constraints, options, hasOwnCode, notices };
};
