import { ConfigError } from './config-error.ts';
import { isTable, type KeySchema } from './schema-keys.ts';

const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
};

/** Reads `a=x,b=y` or a JSON object. */
const parseTable = (text: string, origin: string): Record<string, unknown> => {
  const json = text.trim().startsWith('{') ? parseJson(text) : undefined;
  if (typeof json === 'object' && json !== null) return json as Record<string, unknown>;
  return Object.fromEntries(
    text.split(',').map((pair) => {
      const mark = pair.indexOf('=');
      if (mark < 1) throw new ConfigError([`${origin}: ${JSON.stringify(pair)} is no pair; write <name>=<value>.`]);
      return [pair.slice(0, mark).trim(), pair.slice(mark + 1).trim()];
    }),
  );
};

/**
 * Reads a setting from text, as the environment and flags give it: numbers and booleans by what the key takes,
 * lists separated by commas or as JSON, tables as `name=value`. What does not fit is left for the check to name.
 */
export const parseValue = (text: string, schema: KeySchema, origin: string): unknown => {
  if (isTable(schema)) return parseTable(text, origin);
  if (schema.type === 'array') {
    const json = text.trim().startsWith('[') ? parseJson(text) : undefined;
    if (Array.isArray(json)) return json;
    return text
      .split(',')
      .map((item) => item.trim())
      .filter((item) => item !== '');
  }
  if (schema.type === 'integer' || schema.type === 'number') {
    const plain = text.trim().replaceAll('_', '');
    return plain !== '' && Number.isFinite(Number(plain)) ? Number(plain) : text;
  }
  if (schema.type === 'boolean') return { true: true, '1': true, false: false, '0': false }[text.toLowerCase()] ?? text;
  return text;
};

export type Settings = { [name: string]: unknown };

const isSettings = (value: unknown): value is Settings =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Writes a value at a path, making what lies between. */
export const putValue = (settings: Settings, path: readonly string[], value: unknown): void => {
  const [name, ...rest] = path as [string, ...string[]];
  if (rest.length === 0) {
    settings[name] = isSettings(value) && isSettings(settings[name]) ? { ...settings[name], ...value } : value;
    return;
  }
  const inner = isSettings(settings[name]) ? settings[name] : {};
  settings[name] = inner;
  putValue(inner, rest, value);
};

/** Lays settings over others: sections and tables are joined, everything else is replaced. */
export const layOver = (below: Settings, above: Settings): Settings => {
  const joined: Settings = { ...below };
  for (const [name, value] of Object.entries(above)) {
    const old = joined[name];
    joined[name] = isSettings(value) && isSettings(old) ? layOver(old, value) : value;
  }
  return joined;
};
