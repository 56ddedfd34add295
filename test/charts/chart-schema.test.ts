import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import { chartFiles, README_FILE, SCHEMA_FILE } from '../../scripts/chart-schema.mjs';
import { DECIDED_KEYS } from '../../scripts/chart-values.mjs';
import { checkConfig, CONFIG_KEYS } from '../../server/config/load-config.ts';
import { configKeys, type KeySchema } from '../../server/config/schema-keys.ts';
import { CHART, valuesFile } from './render-chart.ts';

const values = parse(readFileSync(join(CHART, 'values.yaml'), 'utf8'));
const schema = JSON.parse(readFileSync(SCHEMA_FILE, 'utf8')) as KeySchema;
const dotted = (keys: readonly { path: readonly string[] }[]): string[] => keys.map(({ path }) => path.join('.'));

/** Every leaf of a value, by its whole name. */
const leaves = (value: unknown, path = ''): [string, unknown][] =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && Object.keys(value).length > 0
    ? Object.entries(value).flatMap(([name, inner]) => leaves(inner, path === '' ? name : `${path}.${name}`))
    : [[path, value]];

describe('the values of the chart', () => {
  it('have the schema and the table that their sources make', async () => {
    const made = await chartFiles();
    assert.equal(readFileSync(SCHEMA_FILE, 'utf8'), made.schema, 'run `node scripts/chart-schema.mjs`');
    assert.equal(readFileSync(README_FILE, 'utf8'), made.readme, 'run `node scripts/chart-schema.mjs`');
  });

  it('have every key of the configuration, but those that the chart decides', () => {
    const isDecided = (key: string) => DECIDED_KEYS.some((each) => key === each || key.startsWith(`${each}.`));
    const all = dotted(CONFIG_KEYS);
    for (const key of DECIDED_KEYS)
      assert.ok(
        all.some((each) => each === key || each.startsWith(`${key}.`)),
        key,
      );
    assert.deepEqual(
      dotted(configKeys(schema.properties!['config']!)),
      all.filter((key) => !isDecided(key)),
    );
  });

  it('state the configuration’s own defaults, but for what replicas make different', () => {
    const {
      'sessions.drainMs': drainMs,
      'sessions.abandonAfterMs': abandonAfterMs,
      ...stated
    } = Object.fromEntries(leaves(values.config));
    const defaults = Object.fromEntries(leaves(checkConfig({})));
    for (const [key, value] of Object.entries(stated)) assert.deepEqual(value, defaults[key], key);
    assert.ok((drainMs as number) > 0);
    assert.ok((abandonAfterMs as number) >= checkConfig({}).builder.timeoutMs);
  });

  it('are all in the table, and so is what has to be set', () => {
    const table = readFileSync(README_FILE, 'utf8');
    const rows = new Set([...table.matchAll(/^\| `([\w.]+)` +\|/gm)].map(([, key]) => key));
    const hasRow = (key: string): boolean =>
      rows.has(key) || (key.includes('.') && hasRow(key.slice(0, key.lastIndexOf('.'))));
    for (const [key] of leaves(values)) assert.ok(hasRow(key), key);
    for (const key of ['config.registry.url', 'config.kubernetes.baseImage']) assert.ok(rows.has(key), key);
  });

  it('refuse what they do not know, wherever it stands', () => {
    const open: string[] = [];
    const visit = (part: KeySchema & { additionalProperties?: unknown }, path: string): void => {
      if (part.type === 'object' && part.additionalProperties === undefined) open.push(path);
      for (const [name, inner] of Object.entries(part.properties ?? {})) visit(inner, `${path}.${name}`);
      for (const inner of Object.values(part.patternProperties ?? {})) visit(inner, `${path}.*`);
      if (part.items) visit(part.items, `${path}[]`);
    };
    visit(schema, '');
    assert.deepEqual(open, ['.global'], 'what is Helm’s own is not ours to close');
  });

  it('are at most twelve for a public hub', () => {
    const set = leaves(parse(readFileSync(valuesFile('ingress'), 'utf8')));
    assert.ok(set.length <= 12, `${set.length} are set`);
  });
});
