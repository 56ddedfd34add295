import { parse as parseYaml, YAMLParseError } from 'yaml';
import { ConfigError } from './config-error.ts';
import { parseValue, putValue, type Settings } from './config-values.ts';
import { isTable, unknownName, type ConfigKey, type KeySchema } from './schema-keys.ts';

const PREFIX = 'LIVELEAF_';

/** Variables of the prefix that are no settings: where the configuration is, and what tests and scripts use. */
const NOT_SETTINGS = /^LIVELEAF_(?:CONFIG|BROWSER.*|TEST_.*|BENCH_.*|CHROME.*)$/;

const plain = (name: string): string => name.replaceAll(/[_-]/g, '').toLowerCase();

/** A key's name as a variable: `LIVELEAF_QUOTA__PER_REPO`. */
export const variableOf = (path: readonly string[]): string =>
  PREFIX + path.map((name) => name.replaceAll(/(?=[A-Z])/g, '_').toUpperCase()).join('__');

/** A key's name as a flag: `--quota.per-repo`. */
export const flagOf = (path: readonly string[]): string =>
  `--${path.map((name) => name.replaceAll(/(?=[A-Z])/g, '-').toLowerCase()).join('.')}`;

const find = (
  segments: readonly string[],
  keys: readonly ConfigKey[],
): { key: ConfigKey; rest: readonly string[] } | undefined => {
  for (const key of keys) {
    const { path, schema } = key;
    if (!path.every((name, index) => plain(name) === plain(segments[index] ?? ''))) continue;
    const rest = segments.slice(path.length);
    if (rest.length === 0 || (rest.length === 1 && isTable(schema))) return { key, rest };
  }
  return undefined;
};

/** Settings from variables such as `LIVELEAF_QUOTA__TOTAL=5`. Throws ConfigError for names that are not known. */
export const settingsFromEnvironment = (
  env: Readonly<Record<string, string | undefined>>,
  keys: readonly ConfigKey[],
): Settings => {
  const settings: Settings = {};
  const problems: string[] = [];
  for (const [name, value] of Object.entries(env).sort()) {
    if (!name.startsWith(PREFIX) || NOT_SETTINGS.test(name) || value === undefined) continue;
    const found = find(name.slice(PREFIX.length).split('__'), keys);
    if (found === undefined) {
      problems.push(
        unknownName(
          'The variable',
          name,
          keys.map(({ path }) => variableOf(path)),
        ),
      );
      continue;
    }
    const { key, rest } = found;
    if (rest.length > 0) putValue(settings, [...key.path, rest[0]!.toLowerCase()], value);
    else putValue(settings, key.path, parseValue(value, key.schema, name));
  }
  if (problems.length > 0) throw new ConfigError(problems);
  return settings;
};

/** Flags that say the same in a shorter word. */
const SHORT: Readonly<Record<string, string>> = { '--dir': '--dirs', '--origin': '--origins' };

/**
 * Settings from flags such as `--port 9000`, `--quota.total=5` or a repeated `--allow`, and the words between them.
 * Throws ConfigError for names that are not known and for flags without their value.
 */
export const settingsFromFlags = (
  args: readonly string[],
  keys: readonly ConfigKey[],
  others: readonly string[] = [],
): { settings: Settings; words: readonly string[]; others: ReadonlyMap<string, string> } => {
  const settings: Settings = {};
  const words: string[] = [];
  const problems: string[] = [];
  const taken = new Map<string, string>();
  const lists = new Map<ConfigKey, unknown[]>();
  for (let index = 0; index < args.length; index++) {
    const arg = args[index]!;
    if (!arg.startsWith('-')) {
      words.push(arg);
      continue;
    }
    const mark = arg.indexOf('=');
    const flag = mark < 0 ? arg : arg.slice(0, mark);
    const long = SHORT[flag] ?? flag;
    const key = find(long.replace(/^--/, '').split('.'), keys)?.key;
    if (key === undefined && !others.includes(flag)) {
      const known = [...keys.map(({ path }) => flagOf(path)), ...others];
      problems.push(unknownName('The option', flag, known));
      continue;
    }
    const isSwitch = key?.schema.type === 'boolean' && mark < 0 && !/^(?:true|false)$/.test(args[index + 1] ?? '');
    const value = mark >= 0 ? arg.slice(mark + 1) : isSwitch ? 'true' : args[++index];
    if (value === undefined) {
      problems.push(`The option ${flag} needs a value after it.`);
      continue;
    }
    if (key === undefined) taken.set(flag, value);
    else if (key.schema.type === 'array') {
      const list = lists.get(key) ?? [];
      list.push(...(parseValue(value, key.schema, flag) as unknown[]));
      lists.set(key, list);
    } else putValue(settings, key.path, parseValue(value, key.schema, flag));
  }
  for (const [key, list] of lists) putValue(settings, key.path, list);
  if (problems.length > 0) throw new ConfigError(problems);
  return { settings, words, others: taken };
};

/** Settings from a YAML file's text. Throws ConfigError with the line of a mistake. */
export const settingsFromYaml = (text: string, file: string): Settings => {
  let value: unknown;
  try {
    value = parseYaml(text);
  } catch (error) {
    if (!(error instanceof YAMLParseError)) throw error;
    const line = error.linePos?.[0].line;
    throw new ConfigError([`${file}${line === undefined ? '' : `:${line}`}: ${error.message.split('\n', 1)[0]}`]);
  }
  if (value === null || value === undefined) return {};
  if (typeof value !== 'object' || Array.isArray(value))
    throw new ConfigError([`${file} holds no settings; write one "key: value" a line, such as "port: 8585".`]);
  return value as Settings;
};

/** Names of settings that are not known, wherever they stand. */
export const unknownKeys = (value: unknown, schema: KeySchema, where: string): readonly string[] => {
  const { properties } = schema;
  if (properties === undefined || typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, inner]) => {
    const known = properties[name];
    if (known === undefined)
      return [unknownName(where === '' ? 'The setting' : `In "${where}" the setting`, name, Object.keys(properties))];
    return unknownKeys(inner, known, where === '' ? name : `${where}.${name}`);
  });
};
