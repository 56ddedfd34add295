import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { promisify } from 'node:util';
import type { BuildStatus } from '../../../server/builders/builder.ts';
import { environmentKey } from '../../../server/environments/environment-key.ts';
import { openBench } from '../../helpers/builder-bench.ts';
import { fakeContent } from '../../helpers/fake-content.ts';

const run = promisify(execFile);
const open = async (context: TestContext, ...args: Parameters<typeof openBench>) => {
  const bench = await openBench(...args);
  context.after(bench.close);
  return bench;
};

const built = (status: BuildStatus) => {
  if (status.state !== 'built')
    assert.fail(
      `the build is ${status.state}: ${'error' in status ? [status.error.message, ...(status.error.logTail ?? [])].join('\n') : ''}`,
    );
  return status.environment;
};
const failed = (status: BuildStatus) => {
  if (status.state !== 'failed') assert.fail(`the build is ${status.state}`);
  return status.error;
};

test('an environment is built with its packages, the kernel and bytecode, and keeps its plan, log and lock', async (t) => {
  const bench = await open(t, [
    { name: 'alpha', version: '1.0' },
    { name: 'beta', version: '2.0', requires: ['alpha>=1'] },
  ]);
  const plan = bench.plan('beta==2.0');
  assert.deepEqual(await bench.builder.status(environmentKey(plan)), { state: 'absent' });
  const { status, messages, key, generation } = await bench.build(plan);
  const environment = built(status);
  assert.equal(environment.displayName, `Python ${bench.interpreter.version.split('.').slice(0, 2).join('.')}`);
  const { stdout } = await run(environment.python, [
    '-I',
    '-c',
    'import alpha, beta, ipykernel, pip; print(beta.version, beta.__cached__, beta.__spec__.cached)',
  ]);
  assert.match(stdout, /^2\.0 .*beta\/__pycache__\/__init__\.cpython-\d+\.pyc/);
  await stat(stdout.split(' ')[1] ?? '');
  const folder = bench.options.state.generation(key, generation);
  const lock = await readFile(join(folder, 'requirements.lock'), 'utf8');
  assert.deepEqual(lock.trim().split('\n').sort(), ['alpha==1.0', 'beta==2.0', 'ipykernel==1.0', 'pip==1.0']);
  assert.ok(messages.some((line) => line.includes('beta==2.0')));
  for (const name of ['home', 'tmp', 'source']) await assert.rejects(stat(join(folder, name)));
  assert.deepEqual((await stat(folder)).mode & 0o077, 0);
  for (const name of ['plan.json', 'log.ndjson', 'result.json', 'request.json'])
    assert.equal((await stat(join(folder, name))).mode & 0o077, 0);
  const again = await bench.log(key, generation, 2);
  assert.deepEqual(
    again.map(({ message }) => message),
    messages.slice(2),
  );
  assert.equal(again[0]?.line, 3);
});

test('a hundred starts at once are one build, and a built key keeps its generation', async (t) => {
  const bench = await open(t, [{ name: 'alpha', version: '1.0' }]);
  const plan = bench.plan('alpha');
  const key = environmentKey(plan);
  const content = fakeContent({});
  const generations = await Promise.all(Array.from({ length: 100 }, () => bench.builder.start(key, plan, content)));
  assert.deepEqual([...new Set(generations)], ['000001']);
  const { status } = await bench.build(plan);
  built(status);
  assert.deepEqual((await readdir(bench.options.state.environment(key))).sort(), ['000001']);
  assert.equal(bench.index.requests.filter((path) => path.includes('simple/alpha')).length, 1);
});

test('a second environment takes the bytecode from the cache and shares no file that code could change', async (t) => {
  const bench = await open(t, [
    { name: 'alpha', version: '1.0' },
    { name: 'beta', version: '1.0' },
  ]);
  const first = built((await bench.build(bench.plan('alpha'))).status);
  const second = await bench.build(bench.plan('alpha', 'beta'));
  const where = async (python: string) =>
    (await run(python, ['-I', '-c', 'import alpha; print(alpha.__file__); print(alpha.__cached__)'])).stdout
      .trim()
      .split('\n');
  const [source = '', cached = ''] = await where(first.python);
  const [otherSource = '', otherCached = ''] = await where(built(second.status).python);
  await writeFile(source, 'version = "changed"\n');
  await writeFile(cached, 'changed');
  assert.equal(await readFile(otherSource, 'utf8'), 'version = "1.0"\n');
  assert.notEqual(await readFile(otherCached, 'latin1'), 'changed');
  const third = built((await bench.build(bench.plan('alpha', 'beta==1.0'))).status);
  assert.equal((await run(third.python, ['-I', '-c', 'import alpha; print(alpha.version)'])).stdout.trim(), '1.0');
});

test('where the plan says that files may be shared, they are linked to the cache, and the key is another', async (t) => {
  const bench = await open(t, [{ name: 'alpha', version: '1.0' }]);
  const plan = { ...bench.plan('alpha'), files: 'links' } as const;
  assert.notEqual(environmentKey(plan), environmentKey(bench.plan('alpha')));
  const { python } = built((await bench.build(plan)).status);
  const { stdout } = await run(python, [
    '-I',
    '-c',
    'import alpha, os; print(os.stat(alpha.__file__).st_nlink, os.stat(alpha.__cached__).st_nlink)',
  ]);
  assert.deepEqual(stdout.trim(), '2 2');
});

test('a misspelt requirement fails with its line and package, and can be started again', async (t) => {
  const bench = await open(t, [{ name: 'alpha', version: '1.0' }]);
  const plan = bench.plan('alpha', 'alhpa>=1');
  const { status, key } = await bench.build(plan);
  const error = failed(status);
  assert.equal(error.code, 'build_failed');
  assert.deepEqual(error.detail, { file: 'requirements.txt', line: 2, package: 'alhpa' });
  assert.match(error.message, /no package named “alhpa” in the package index \(requirements\.txt, line 2\)/);
  await assert.rejects(stat(bench.options.state.generation(key, '000001') + '/env'));
  assert.equal((await bench.build(plan)).generation, '000002');
});

test('what cannot be satisfied is told in a sentence with its line', async (t) => {
  const bench = await open(t, [
    { name: 'alpha', version: '1.0', requires: ['beta>=2'] },
    { name: 'beta', version: '1.0' },
    { name: 'beta', version: '2.0' },
    { name: 'gamma', version: '1.0', requiresPython: '>=3.99' },
  ]);
  const cases = [
    {
      lines: ['beta', 'alpha==9'],
      says: /no version of alpha that fits “==9” \(requirements\.txt, line 2\)/,
      line: 2,
      name: 'alpha',
    },
    {
      lines: ['alpha==1.0', 'beta==1.0'],
      says: /alpha \(requirements\.txt, line 1\) needs beta>=2, and beta==1\.0 \(requirements\.txt, line 2\)/,
      line: 2,
      name: 'beta',
    },
    { lines: ['gamma==1.0'], says: /gamma \(requirements\.txt, line 1\) needs Python >=3\.99/, line: 1, name: 'gamma' },
  ];
  for (const { lines, says, line, name } of cases) {
    const error = failed((await bench.build(bench.plan(...lines))).status);
    assert.equal(error.code, 'build_failed');
    assert.match(error.message, says);
    assert.deepEqual(error.detail, { file: 'requirements.txt', line, package: name });
  }
});

test('an index that does not answer is a fault of the hub’s surroundings that may pass', async (t) => {
  const bench = await open(t, [], {
    index: { defaultIndex: 'http://127.0.0.1:9/simple' },
    carried: { UV_HTTP_RETRIES: '0' },
  });
  const error = failed((await bench.build(bench.plan())).status);
  assert.equal(error.code, 'registry_down');
});

test('a build is given no secret of the hub and writes none into its log', async (t) => {
  process.env['LIVELEAF_TEST_SECRET'] = 'canary-of-the-hub';
  t.after(() => delete process.env['LIVELEAF_TEST_SECRET']);
  const build =
    'import os\nprint("VARIABLES", sorted(os.environ.items()))\nprint("https://user:canary-of-a-url@example.org/")';
  const bench = await open(t, [{ name: 'alpha', version: '1.0', build }]);
  const { status, messages } = await bench.build(bench.plan('alpha'));
  assert.match(failed(status).message, /^alpha.* \(requirements\.txt, line 1\) could not be built from source/);
  const whole = messages.join('\n');
  assert.match(whole, /VARIABLES/);
  assert.doesNotMatch(whole, /canary/);
  assert.match(whole, /https:\/\/\*\*\*@example\.org/);
});

test('a repository’s own code is installed from its content, links that leave it are left out', async (t) => {
  const bench = await open(t, []);
  const content = fakeContent({
    'pyproject.toml':
      '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n[project]\nname = "own"\nversion = "3.0"\n',
    'backend.py': [
      'import os, zipfile',
      'def build_wheel(directory, config_settings=None, metadata_directory=None):',
      '    name = "own-3.0-py3-none-any.whl"',
      '    with zipfile.ZipFile(os.path.join(directory, name), "w") as z:',
      '        z.writestr("own.py", "answer = 42\\nleaves = %r\\n" % os.path.lexists("leaves"))',
      '        z.writestr("own-3.0.dist-info/METADATA", "Metadata-Version: 2.1\\nName: own\\nVersion: 3.0\\n")',
      '        z.writestr("own-3.0.dist-info/WHEEL", "Wheel-Version: 1.0\\nGenerator: t\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")',
      '        z.writestr("own-3.0.dist-info/RECORD", "own.py,,\\nown-3.0.dist-info/METADATA,,\\nown-3.0.dist-info/WHEEL,,\\nown-3.0.dist-info/RECORD,,\\n")',
      '    return name',
    ].join('\n'),
    leaves: { link: '/etc/passwd' },
  });
  const plan = { ...bench.plan('./'), ownCode: { commit: '1'.repeat(40), subfolder: '' } };
  const { status } = await bench.build(plan, content);
  const { python } = built(status);
  const { stdout } = await run(python, [
    '-I',
    '-c',
    'import own, os; print(own.answer, own.leaves, os.path.exists(own.__cached__))',
  ]);
  assert.equal(stdout.trim(), '42 False True');
});

test('a lock file of uv is installed as it is, and the kernel beside it moves none of its pins', async (t) => {
  const bench = await open(t, [
    { name: 'alpha', version: '1.0' },
    { name: 'alpha', version: '2.0' },
  ]);
  const { url, hash } = bench.index.file('alpha', '1.0');
  const lock = [
    'version = 1', 'revision = 3', 'requires-python = ">=3.8"', '',
    '[[package]]', 'name = "alpha"', 'version = "1.0"', `source = { registry = "${bench.index.url}" }`,
    `wheels = [{ url = "${url}", hash = "${hash}" }]`, '',
    '[[package]]', 'name = "site"', 'version = "0"', 'source = { virtual = "." }', 'dependencies = [{ name = "alpha" }]', '',
    '[package.metadata]', 'requires-dist = [{ name = "alpha" }]', '',
  ].join('\n'); // prettier-ignore
  const pyproject = '[project]\nname = "site"\nversion = "0"\nrequires-python = ">=3.8"\ndependencies = ["alpha"]\n';
  const plan = { ...bench.plan(), install: { from: 'uv-lock', pyproject, lock } } as const;
  const { status } = await bench.build(plan);
  const { stdout } = await run(built(status).python, [
    '-I',
    '-c',
    'import alpha, ipykernel.kernelapp; print(alpha.version)',
  ]);
  assert.equal(stdout.trim(), '1.0');
});

test('environments are evicted by age and room, the longest unused first, never one in use', async (t) => {
  const bench = await open(t, [{ name: 'alpha', version: '1.0' }]);
  const first = await bench.build(bench.plan());
  const second = await bench.build(bench.plan('alpha'));
  const third = await bench.build(bench.plan('alpha', 'pip'));
  await bench.builder.touch(first.key);
  const inUse = new Set([third.key]);
  const untouched = await bench.builder.evict({ inUse, limits: { maxBytes: 0 } });
  assert.deepEqual(untouched.keys, [], 'what was used just now stays');
  assert.ok(untouched.cacheRemoved);
  const { bytes } = await bench.builder.evict({ inUse });
  const one = await bench.builder.evict({ inUse, limits: { maxBytes: bytes - 1, keepMs: 0 } });
  assert.deepEqual(one.keys, [second.key]);
  assert.equal((await bench.builder.status(second.key)).state, 'absent');
  const all = await bench.builder.evict({ inUse, limits: { maxAgeMs: -1, maxBytes: 0, keepMs: 0 } });
  assert.deepEqual(all.keys, [first.key]);
  built(await bench.builder.status(third.key));
  built((await bench.build(bench.plan('alpha'))).status);
});
