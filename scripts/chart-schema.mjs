// `node scripts/chart-schema.mjs`: writes values.schema.json and the README's table of values of the chart, from the schema of
// the hub's configuration, from scripts/chart-values.mjs and from values.yaml.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { format, resolveConfig } from 'prettier';
import { parse } from 'yaml';
import { CHART_VALUES, DECIDED_KEYS } from './chart-values.mjs';
import { root } from './prepare.mjs';

const CHART = join(root, 'charts', 'liveleaf');
export const SCHEMA_FILE = join(CHART, 'values.schema.json');
export const README_FILE = join(CHART, 'README.md');
const TABLE = /(<!-- values: .*? -->)[\s\S]*?(<!-- end of values -->)/;

/** What may be given of a part of the configuration: all of it but what is decided, nothing by force, nothing unknown. */
const given = (schema, path = []) => {
  const { default: _default, properties, required: _required, ...rest } = schema;
  if (properties === undefined)
    return { ...rest, ...(rest.patternProperties === undefined ? {} : { additionalProperties: false }) };
  const left = Object.entries(properties)
    .map(([name, inner]) => [name, inner, [...path, name]])
    .filter(([, , whole]) => !DECIDED_KEYS.includes(whole.join('.')));
  return {
    ...rest,
    properties: Object.fromEntries(left.map(([name, inner, whole]) => [name, given(inner, whole)])),
    additionalProperties: false,
  };
};

const cell = (value) => String(value).replaceAll('|', '\\|');

/** The configuration's descriptions are plain text. */
const plain = (description) => description?.replaceAll(/[*<]/g, '\\$&');

const defaultText = (value) => {
  if (value === undefined) return '–';
  if (value === '' || (Array.isArray(value) && value.length === 0)) return 'none';
  if (typeof value !== 'object') return `\`${value}\``;
  return Object.keys(value).length === 0 ? 'none' : `\`${JSON.stringify(value)}\``;
};

/** Every value of a section by its whole name; sections inside are opened, tables and lists are not. */
const rowsOf = (schema, defaults, path, describe = (description) => description) =>
  schema.properties && !path.at(-1)?.match(/^(resources|requests|limits|dns)$/)
    ? Object.entries(schema.properties).flatMap(([name, inner]) =>
        rowsOf(inner, defaults?.[name], [...path, name], describe),
      )
    : [`| \`${path.join('.')}\` | ${cell(defaultText(defaults))} | ${cell(describe(schema.description) ?? '')} |`];

/** Only those keys of the configuration that values.yaml names, since docs/configuration.md has all. */
const named = (schema, defaults) =>
  schema.properties && defaults && typeof defaults === 'object' && !Array.isArray(defaults)
    ? {
        ...schema,
        properties: Object.fromEntries(
          Object.entries(schema.properties)
            .filter(([name]) => name in defaults)
            .map(([name, inner]) => [name, named(inner, defaults[name])]),
        ),
      }
    : schema;

/** Of the configuration, what has no default and yet has to be set, or decides how readers reach the hub. */
const TO_SET = {
  'config.publicUrl': 'The address under which readers reach the hub. Without it, a forwarded port.',
  'config.sessionUrl': 'The address under which they reach sessions: another hostname, or another port of the same.',
  'config.registry.url': 'The registry for environments’ images. **Required.**',
  'config.kubernetes.baseImage': 'The image that sessions and builds run. **Required.**',
};

/** Both files as they have to stand in charts/liveleaf. */
export const chartFiles = async () => {
  const { register } = await import('tsx/esm/api');
  const unregister = register();
  try {
    const { CONFIG_SCHEMA } = await import('../server/config/config.ts');
    const values = parse(readFileSync(join(CHART, 'values.yaml'), 'utf8'));
    const config = given(CONFIG_SCHEMA);
    const schema = {
      $schema: 'http://json-schema.org/draft-07/schema#',
      title: 'Values of the chart liveleaf',
      description:
        'Made by scripts/chart-schema.mjs; change it there, in chart-values.mjs or in server/config/config.ts.',
      type: 'object',
      // Helm's own, where this is a part of another chart.
      properties: { global: { type: 'object' }, config, ...CHART_VALUES },
      additionalProperties: false,
    };
    const rows = [
      '| value | default | meaning |',
      '|---|---|---|',
      ...Object.entries(TO_SET).map(([name, meaning]) => `| \`${name}\` | – | ${meaning} |`),
      ...rowsOf(named(config, values.config), values.config, ['config'], plain),
      ...Object.entries(CHART_VALUES).flatMap(([name, inner]) => rowsOf(inner, values[name], [name])),
    ];
    const readme = readFileSync(README_FILE, 'utf8').replace(
      TABLE,
      (_, start, end) => `${start}\n\n${rows.join('\n')}\n\n${end}`,
    );
    const options = await resolveConfig(README_FILE);
    return {
      schema: await format(JSON.stringify(schema), { ...options, parser: 'json' }),
      readme: await format(readme, { ...options, parser: 'markdown' }),
    };
  } finally {
    await unregister();
  }
};

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const { schema, readme } = await chartFiles();
  writeFileSync(SCHEMA_FILE, schema);
  writeFileSync(README_FILE, readme);
}
