import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { it } from 'node:test';
import { promisify } from 'node:util';
import { pythonSide } from '../../helpers/python-side.ts';
import { SCRIPTS } from './session-world.ts';

it('the import that is put off is not made at start, and is when it is needed', { timeout: 60_000 }, async () => {
  const { python } = await pythonSide();
  const code = `
import sys
sys.path.insert(0, ${JSON.stringify(SCRIPTS)})
from liveleaf_session import lazy_imports
lazy_imports.install()
import jsonschema
validator = jsonschema.Draft202012Validator
check = validator({"format": "iri"}, format_checker=validator.FORMAT_CHECKER)
print("lark" in sys.modules, check.is_valid("https://example.org/ü"), check.is_valid("no iri"), "lark" in sys.modules)
`;
  const { stdout } = await promisify(execFile)(python, ['-c', code]);
  assert.equal(stdout.trim(), 'False True False True');
});
