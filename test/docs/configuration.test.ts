import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { it } from 'node:test';
import { CONFIGURATION_PAGE, configurationPage } from '../../scripts/configuration-docs.mjs';
import { CONFIG_KEYS } from '../../server/config/load-config.ts';

it('docs/configuration.md is what the schema of the configuration makes of it', async () => {
  const page = readFileSync(CONFIGURATION_PAGE, 'utf8');
  assert.equal(page, await configurationPage(), 'run `node scripts/configuration-docs.mjs`');
  const rows = [...page.matchAll(/^\| `([\w.]+)` +\|/gm)].map(([, key]) => key);
  assert.deepEqual(rows.toSorted(), CONFIG_KEYS.map(({ path }) => path.join('.')).toSorted());
});
