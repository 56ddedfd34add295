import assert from 'node:assert/strict';
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fitsSpecifier, isVersionSpecifier } from '../../../server/environments/version-specifier.ts';
import { findInterpreters } from '../../../server/environments/interpreters.ts';
import { pythonSide } from '../../helpers/python-side.ts';

test('interpreters are found on PATH and behind shims, real ones only, newest first, each version once', async (t) => {
  const root = await mkdtemp(join(tmpdir(), 'liveleaf-interpreters-'));
  t.after(() => rm(root, { recursive: true, force: true }));
  const fake = async (path: string, version: string, more: Record<string, unknown> = {}) => {
    await mkdir(join(path, '..'), { recursive: true });
    const answer = JSON.stringify({ version, final: true, implementation: 'cpython', threads: true, path, ...more });
    await writeFile(path, `#!/bin/sh\necho '${answer}'\n`);
    await chmod(path, 0o755);
  };
  await fake(join(root, 'bin', 'python3.9'), '3.9.1');
  await fake(join(root, 'bin', 'python3.15'), '3.15.0');
  await fake(join(root, 'bin', 'python3.7'), '3.7.9');
  await fake(join(root, 'bin', 'python3.10'), '3.10.4', { implementation: 'pypy' });
  await fake(join(root, 'bin', 'python3.14'), '3.14.0', { final: false });
  await symlink(join(root, 'bin', 'python3.9'), join(root, 'bin', 'python3'));
  await writeFile(join(root, 'bin', 'python3.11'), '#!/bin/sh\nexit 127\n', { mode: 0o755 });
  await fake(join(root, 'later', 'python3.9'), '3.9.1');
  await fake(join(root, 'pyenv', 'versions', '3.12.3', 'bin', 'python3'), '3.12.3');
  await mkdir(join(root, 'pyenv', 'shims'));
  await writeFile(join(root, 'pyenv', 'shims', 'python3'), '#!/bin/sh\nexit 127\n', { mode: 0o755 });
  const PATH = [
    join(root, 'bin'),
    join(root, 'absent'),
    'relative',
    join(root, 'later'),
    join(root, 'pyenv', 'shims'),
  ].join(':');
  assert.deepEqual(await findInterpreters({ environment: { PATH } }), [
    { version: '3.12.3', path: join(root, 'pyenv', 'versions', '3.12.3', 'bin', 'python3') },
    { version: '3.9.1', path: join(root, 'bin', 'python3.9') },
  ]);
});

test('of a virtual environment the interpreter beneath is taken', async () => {
  const { python, uv } = await pythonSide();
  const [found] = await findInterpreters({ environment: {}, also: [python], uv });
  assert.match(found?.version ?? '', /^3\.\d+\.\d+$/);
  assert.ok(!found?.path.includes('.liveleaf'));
});

test('version specifiers fit as PEP 440 says', () => {
  const cases: [string, string, boolean][] = [
    ['3.11.7', '>=3.9,<3.13', true], ['3.13.0', '<3.13', false], ['3.13.0', '<=3.13', true], ['3.11.7', '==3.11.*', true],
    ['3.11.7', '==3.11', false], ['3.11.7', '!=3.11.*', false], ['3.11.7', '~=3.10', true], ['4.0.0', '~=3.10', false],
    ['3.11.7', '~=3.11.2', true], ['3.12.0', '~=3.11.2', false], ['3.11.7', '>3.11.6, !=3.12.0', true], ['3.11.7', '', true],
    ['3.9.1', '>=3.10', false], ['3.11.7', '===3.11.7', true], ['3.13.0', '>=3.9,<4.0', true],
  ]; // prettier-ignore
  for (const [version, specifier, fits] of cases)
    assert.equal(fitsSpecifier(version, specifier), fits, `${version} ${specifier}`);
  for (const text of ['three', '3.10', '=>3', '>=3.9;']) assert.ok(!isVersionSpecifier(text), text);
});
