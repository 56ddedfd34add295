// `node scripts/configuration-docs.mjs`: writes docs/configuration.md from the schema of the configuration.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { format, resolveConfig } from 'prettier';
import { root } from './prepare.mjs';

export const CONFIGURATION_PAGE = join(root, 'docs', 'configuration.md');

const UNITS = {
  Ms: [
    [86_400_000, 'd'],
    [3_600_000, 'h'],
    [60_000, 'min'],
    [1_000, 's'],
  ],
  Bytes: [
    [1_073_741_824, 'GiB'],
    [1_048_576, 'MiB'],
  ],
};

/** A number with the unit of its key, such as 600000 of a key in Ms as `600000 (10 min)`. */
const numberText = (name, value) => {
  const unit = Object.keys(UNITS).find((each) => name.endsWith(each));
  const [size, word] = (unit && UNITS[unit].find(([each]) => value >= each && value % each === 0)) || [];
  return word === undefined ? `\`${value}\`` : `\`${value}\` (${value / size} ${word})`;
};

const defaultText = (name, value) => {
  if (value === undefined) return '–';
  if (typeof value === 'number') return numberText(name, value);
  if (Array.isArray(value)) return value.length === 0 ? 'none' : value.map((each) => `\`${each}\``).join(', ');
  if (typeof value === 'object') return Object.keys(value).length === 0 ? 'none' : `\`${JSON.stringify(value)}\``;
  return `\`${value}\``;
};

const typeText = ({ type, anyOf, patternProperties, minimum, maximum }) => {
  if (anyOf) return anyOf.map((each) => `\`${each.const}\``).join(', ');
  if (patternProperties) return 'table of texts';
  if (type === 'array') return 'list of texts';
  if (type === 'string') return 'text';
  if (type !== 'integer') return type;
  return maximum === undefined ? `integer from ${minimum}` : `integer from ${minimum} to ${maximum}`;
};

const row = ({ path, schema }) => {
  const cells = [
    `\`${path.join('.')}\``,
    typeText(schema),
    defaultText(path.at(-1), schema.default),
    schema.description ?? '',
  ];
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|').replaceAll('<', '\\<')).join(' | ')} |`;
};

const table = (keys) => ['| key | type | default | meaning |', '|---|---|---|---|', ...keys.map(row)].join('\n');

/** The page as Markdown; `configKeys`, `flagOf` and `variableOf` are the hub's own. */
const pageOf = ({ CONFIG_SCHEMA, configKeys, flagOf, variableOf }) => {
  const keys = configKeys(CONFIG_SCHEMA);
  const own = keys.filter(({ path }) => path.length === 1);
  const sections = Object.entries(CONFIG_SCHEMA.properties).filter(([, { properties }]) => properties !== undefined);
  const parts = sections.map(
    ([name, { description }]) =>
      `## ${name}\n\n${description}\n\n${table(keys.filter(({ path }) => path.length > 1 && path[0] === name))}`,
  );
  const example = ['quota', 'perRepo'];
  return `# Configuration

<!-- Made by scripts/configuration-docs.mjs from server/config/config.ts; change it there. -->

Every key of the hub's configuration. Times are in milliseconds, sizes in bytes. \`liveleaf config print\` shows what is in force, \`liveleaf config check\` only checks it.

A key can be given in three places. Flags win over the environment, which wins over the file.

| where | how |
|---|---|
| a YAML file, named by \`--config\` or \`LIVELEAF_CONFIG\` | \`${example[0]}: { ${example[1]}: 5 }\` |
| the environment | \`${variableOf(example)}=5\` |
| a flag | \`${flagOf(example)} 5\` |

In flags and the environment a list is separated by commas, and a flag that takes a list may be repeated: \`--allow gh/owner/name --allow gh/other/*\`. A table takes \`name=value\`: \`--dirs docs=.\`, or \`${variableOf(['dirs'])}__DOCS=.\`. \`--dir\` and \`--origin\` are short for \`--dirs\` and \`--origins\`. A name that is not known, or a value of the wrong kind, stops the start with a sentence for each; a misspelt name gets the one that was likely meant.

Relative folders count from where the hub is started.

## General

${table(own)}

${parts.join('\n\n')}
`;
};

/** The page as it has to stand in docs/. */
export const configurationPage = async () => {
  const { register } = await import('tsx/esm/api');
  const unregister = register();
  try {
    const [{ CONFIG_SCHEMA }, { configKeys }, { flagOf, variableOf }] = await Promise.all([
      import('../server/config/config.ts'),
      import('../server/config/schema-keys.ts'),
      import('../server/config/config-sources.ts'),
    ]);
    const text = pageOf({ CONFIG_SCHEMA, configKeys, flagOf, variableOf });
    return format(text, { ...(await resolveConfig(CONFIGURATION_PAGE)), parser: 'markdown' });
  } finally {
    await unregister();
  }
};

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href)
  writeFileSync(CONFIGURATION_PAGE, await configurationPage());
