import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { ERRORS, type ErrorCode } from '../../sdk/contract/index.ts';

it('docs/errors.md lists every code of the contract with its status and whether to ask again', () => {
  const text = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'errors.md'), 'utf8');
  const rows = [...text.matchAll(/^\| `(\w+)` +\| (\d+|–) +\| (yes|no) +\|/gm)].map(
    ([, code, status, again]) => `${code} ${status} ${again}`,
  );
  const expected = (Object.keys(ERRORS) as ErrorCode[]).map(
    (code) => `${code} ${ERRORS[code].status ?? '–'} ${ERRORS[code].retryable ? 'yes' : 'no'}`,
  );
  assert.deepEqual(rows, expected);
});
