import { isIP } from 'node:net';
import { resolve } from 'node:path';
import { Value } from 'typebox/value';
import { ConfigError } from './config-error.ts';
import { CONFIG_SCHEMA, type Config } from './config.ts';
import { settingsFromEnvironment, settingsFromYaml, unknownKeys } from './config-sources.ts';
import { layOver, type Settings } from './config-values.ts';
import { configKeys, type KeySchema } from './schema-keys.ts';

export const CONFIG_KEYS = configKeys(CONFIG_SCHEMA as unknown as KeySchema);

const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));

const at = (settings: unknown, path: string): unknown =>
  path
    .split('/')
    .slice(1)
    .reduce<unknown>((value, name) => (value as Record<string, unknown> | undefined)?.[name], settings);

const checkUrl = (name: string, value: string | undefined): readonly string[] => {
  if (value === undefined) return [];
  const url = URL.canParse(value) ? new URL(value) : undefined;
  const good =
    url !== undefined &&
    /^https?:$/.test(url.protocol) &&
    url.pathname === '/' &&
    url.search === '' &&
    url.username === '';
  return good
    ? []
    : [`"${name}" is ${JSON.stringify(value)}; give an address without a path, such as "https://hub.example.org/".`];
};

const checkMeaning = (config: Config): readonly string[] => [
  ...(isLoopback(config.host) || config.allowRemote
    ? []
    : [
        `"host" is ${JSON.stringify(config.host)}, which others can reach, and sessions run as your own user. Use 127.0.0.1, or say "allowRemote: true" (--allow-remote) if you mean it.`,
      ]),
  ...checkUrl('publicUrl', config.publicUrl),
  ...checkUrl('sessionUrl', config.sessionUrl),
  ...(config.publicUrl !== undefined &&
  config.sessionUrl !== undefined &&
  checkUrl('', config.publicUrl).length + checkUrl('', config.sessionUrl).length === 0 &&
  new URL(config.publicUrl).origin === new URL(config.sessionUrl).origin
    ? [
        '"sessionUrl" has the origin of "publicUrl"; code of a session could then act as the hub. Give it another host or port.',
      ]
    : []),
];

/** Checks settings and fills in the defaults. Throws ConfigError with every problem. */
export const checkConfig = (settings: Settings): Config => {
  const unknown = unknownKeys(settings, CONFIG_SCHEMA as unknown as KeySchema, '');
  if (unknown.length > 0) throw new ConfigError(unknown);
  const filled = Value.Default(CONFIG_SCHEMA, fillSections(settings)) as unknown;
  if (!Value.Check(CONFIG_SCHEMA, filled)) {
    const seen = new Set<string>();
    const problems = Value.Errors(CONFIG_SCHEMA, filled).flatMap(({ instancePath, message }) => {
      if (seen.has(instancePath)) return [];
      seen.add(instancePath);
      const path = instancePath.split('/').slice(1);
      const schema = CONFIG_KEYS.find((key) => key.path.every((name, index) => name === path[index]))?.schema;
      const takes = schema?.description === undefined ? '' : ` ${schema.description}`;
      return [`"${path.join('.')}" is ${JSON.stringify(at(filled, instancePath))}, which ${message}.${takes}`];
    });
    throw new ConfigError(problems);
  }
  const problems = checkMeaning(filled);
  if (problems.length > 0) throw new ConfigError(problems);
  return filled;
};

/** Sections that are left out whole get their defaults too. */
const emptySections = (schema: KeySchema): Settings =>
  Object.fromEntries(
    Object.entries(schema.properties ?? {}).flatMap(([name, inner]) =>
      inner.properties === undefined ? [] : [[name, emptySections(inner)]],
    ),
  );

const fillSections = (settings: Settings): Settings =>
  layOver(emptySections(CONFIG_SCHEMA as unknown as KeySchema), structuredClone(settings));

export interface ConfigSources {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Settings from flags, which win. */
  readonly flags: Settings;
  readonly file?: string;
  readonly readFile: (file: string) => Promise<string>;
  /** What relative paths are relative to. */
  readonly cwd: string;
}

/** Reads the configuration: file, then environment, then flags. Throws ConfigError. */
export const loadConfig = async ({ env, flags, file, readFile, cwd }: ConfigSources): Promise<Config> => {
  const path = file ?? env['LIVELEAF_CONFIG'];
  let fromFile: Settings = {};
  if (path !== undefined) {
    const text = await readFile(resolve(cwd, path)).catch((error: unknown) => {
      const { code } = error as NodeJS.ErrnoException;
      throw new ConfigError([`The configuration ${path} cannot be read (${code}); check the path given to --config.`]);
    });
    fromFile = settingsFromYaml(text, path);
  }
  const settings = layOver(layOver(fromFile, settingsFromEnvironment(env, CONFIG_KEYS)), flags);
  const config = checkConfig(settings);
  return {
    ...config,
    stateDir: resolve(cwd, config.stateDir),
    dirs: Object.fromEntries(Object.entries(config.dirs).map(([name, folder]) => [name, resolve(cwd, folder)])),
  };
};
