import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HubError } from '../../../server/errors.ts';
import { createEnvironmentPlanner } from '../../../server/environments/python-environment-planner.ts';
import { fakeContent } from '../../helpers/fake-content.ts';

type Files = Parameters<typeof fakeContent>[0];

const MACHINE = ['3.13.0', '3.12.1', '3.11.7', '3.11.2', '3.8.18'].map((version) => ({
  version,
  path: `/py/${version}`,
}));

const planner = (machine = MACHINE, options = {}) =>
  createEnvironmentPlanner({ interpreters: async () => machine, uvVersion: '1.0', platform: 'linux-x64', options });

const plan = (files: Files, commit?: string) => planner().plan(fakeContent(files, commit));

const refusal = async (files: Files): Promise<HubError> => {
  try {
    await plan(files);
  } catch (error) {
    if (error instanceof HubError) return error;
    throw error;
  }
  return assert.fail('the plan was made');
};

const PACKAGE =
  '[project]\nname = "own"\nversion = "1"\nrequires-python = ">=3.9,<3.13"\ndependencies = [\n  "numpy>=1",\n]\n[build-system]\nrequires = ["hatchling"]\n';
const DATA_ONLY =
  '[project]\nname = "site"\nversion = "0"\nrequires-python = ">=3.9,<3.13"\ndependencies = [\n  "numpy>=1",\n  "jupyterlab-git",\n]\n';
const LOCK = [
  'version = 1', 'requires-python = ">=3.10, <3.12"', '',
  '[[package]]', 'name = "numpy"', 'version = "1.0"', 'source = { registry = "https://pypi.org/simple" }', '',
  '[[package]]', 'name = "site"', 'version = "0"', 'source = { virtual = "." }', '',
  '[package.metadata]', 'requires-dist = [{ name = "numpy", specifier = ">=1" }, { name = "jupyterlab-git" }, { name = "x", marker = "extra == \'y\'" }]', '',
].join('\n'); // prettier-ignore

test('an edited notebook keeps its environment; a pin, an included file or another Python does not', async () => {
  const files = { 'requirements.txt': 'numpy==1.0\n-r more.txt', 'more.txt': 'pandas', 'chapter.ipynb': '{}' };
  const { key } = await plan(files, 'a'.repeat(40));
  assert.equal((await plan({ ...files, 'chapter.ipynb': '{"cells":[]}' }, 'b'.repeat(40))).key, key);
  assert.equal((await plan({ ...files, 'requirements.txt': '# why\n\nnumpy==1.0  # pinned\n-r more.txt' })).key, key);
  assert.notEqual((await plan({ ...files, 'requirements.txt': 'numpy==1.1\n-r more.txt' })).key, key);
  assert.notEqual((await plan({ ...files, 'more.txt': 'pandas<2' })).key, key);
  assert.notEqual((await plan({ ...files, 'runtime.txt': 'python-3.12' })).key, key);
  const changes = [
    createEnvironmentPlanner({ interpreters: async () => MACHINE, uvVersion: '2.0', platform: 'linux-x64' }),
    createEnvironmentPlanner({ interpreters: async () => MACHINE, uvVersion: '1.0', platform: 'linux-arm64' }),
    planner(MACHINE.slice(1)),
    planner(MACHINE, { indexes: ['https://index.example.org/simple'] }),
  ];
  for (const changed of changes) assert.notEqual((await changed.plan(fakeContent(files))).key, key);
});

test('repo2docker’s build packs are recognised in its order, and those not built here name the file that decided', async () => {
  const order: [Files, string, RegExp][] = [
    [{ Dockerfile: 'FROM andrewosh/binder-base' }, 'Dockerfile', /of the first Binder/],
    [{ Dockerfile: 'FROM python:3' }, 'Dockerfile', /container image/],
    [{ 'JuliaProject.toml': '' }, 'JuliaProject.toml', /Julia/],
    [{ 'Project.toml': '' }, 'Project.toml', /Julia/],
    [{ REQUIRE: '' }, 'REQUIRE', /Julia environment in a form/],
    [{ 'default.nix': '' }, 'default.nix', /Nix/],
    [{ 'runtime.txt': 'r-4.3-2023-06-01' }, 'runtime.txt', /R environment/],
    [{ DESCRIPTION: '' }, 'DESCRIPTION', /R environment/],
    [{ 'environment.yml': '' }, 'environment.yml', /conda/],
    [{ 'environment.yaml': '' }, 'environment.yaml', /conda/],
    [{ Pipfile: '', 'Pipfile.lock': '{}' }, 'Pipfile.lock', /pipenv requirements/],
  ];
  let below: Files = { 'requirements.txt': '' };
  for (const [files, file, says] of [...order].reverse()) {
    // Each wins over all that come after it.
    const error = await refusal({ ...below, ...files });
    assert.equal(error.code, 'unsupported_environment');
    assert.match(error.message, says);
    assert.match(error.message, /which this hub does not build\. .+\.$/);
    assert.deepEqual(error.detail, { file });
    below = { ...files, 'requirements.txt': '' };
  }
});

test('a configuration folder hides the root, and two of them are an error', async () => {
  for (const folder of ['binder', '.binder']) {
    const { plan: made } = await plan({
      [`${folder}/requirements.txt`]: 'six',
      Dockerfile: 'FROM x',
      'setup.py': '',
      'environment.yml': '',
    });
    assert.deepEqual(made.install, {
      from: 'requirements',
      lines: [{ text: 'six', file: `${folder}/requirements.txt`, line: 1 }],
      options: [],
    });
    assert.equal(made.ownCode, undefined);
    assert.equal(
      (await refusal({ [`${folder}/Dockerfile`]: 'FROM x', 'requirements.txt': '' })).detail?.file,
      `${folder}/Dockerfile`,
    );
  }
  const both = await refusal({ 'binder/requirements.txt': '', '.binder/requirements.txt': '' });
  assert.equal(both.code, 'build_failed');
  assert.match(both.message, /both binder\/ and \.binder\//);
});

test('what repo2docker would do beside Python is refused rather than left out', async () => {
  for (const file of ['apt.txt', 'postBuild', 'start', 'requirements3.txt']) {
    const error = await refusal({ 'requirements.txt': '', [file]: 'x' });
    assert.equal(error.code, 'unsupported_environment');
    assert.match(error.message, new RegExp(`^${file} `));
  }
});

test('runtime.txt chooses the Python, then requires-python, else the newest of the machine', async () => {
  const python = async (files: Files) => (await plan(files)).plan.python;
  assert.equal(await python({}), '3.13.0');
  assert.equal(await python({ 'runtime.txt': 'python-3.11\n' }), '3.11.7');
  assert.equal(await python({ 'runtime.txt': 'python-3.11.2' }), '3.11.2');
  assert.equal(await python({ 'runtime.txt': 'python-3' }), '3.13.0');
  assert.equal(await python({ 'pyproject.toml': DATA_ONLY }), '3.12.1');
  assert.equal(await python({ 'pyproject.toml': DATA_ONLY, 'runtime.txt': 'python-3.8' }), '3.8.18');
  assert.equal(await python({ 'pyproject.toml': DATA_ONLY, 'uv.lock': LOCK }), '3.11.7');
  const close = await plan({ 'runtime.txt': 'python-3.12.9' });
  assert.equal(close.plan.python, '3.12.1');
  assert.ok(close.notices.some((notice) => /asks for 3\.12\.9, and this is the one of 3\.12/.test(notice)));
});

test('a Python that the machine lacks is named together with those that it has', async () => {
  const absent = await refusal({ 'runtime.txt': 'python-3.10' });
  assert.equal(absent.code, 'unsupported_environment');
  assert.match(
    absent.message,
    /asks for Python 3\.10, and this machine has Python 3\.13\.0, 3\.12\.1, 3\.11\.7, 3\.11\.2, 3\.8\.18/,
  );
  assert.match((await refusal({ 'runtime.txt': 'ruby-3' })).message, /“ruby-3”, which is not understood here/);
  const narrow = DATA_ONLY.replace('>=3.9,<3.13', '==3.9.*');
  assert.match(
    (await refusal({ 'pyproject.toml': narrow })).message,
    /requires Python ==3\.9\.\*, and this machine has/,
  );
  await assert.rejects(planner([]).plan(fakeContent({})), /no Python from 3\.8 on/);
});

test('a pyproject.toml without a build system gives its dependencies with their lines, and no own code', async () => {
  const { plan: made, notices } = await plan({ 'pyproject.toml': DATA_ONLY });
  assert.deepEqual(made.install, {
    from: 'requirements',
    lines: [
      { text: 'numpy>=1', file: 'pyproject.toml', line: 6 },
      { text: 'jupyterlab-git', file: 'pyproject.toml', line: 7 },
    ],
    options: [],
  });
  assert.equal(made.ownCode, undefined);
  assert.ok(notices.some((notice) => /Not loaded in sessions.*: jupyterlab-git$/.test(notice)));
  assert.deepEqual((await plan({ 'pyproject.toml': '[tool.black]\n' })).plan.install, { from: 'nothing' });
});

test('the repository’s own package puts the commit into the key', async () => {
  for (const files of [
    { 'pyproject.toml': PACKAGE },
    { 'setup.py': '' },
    { 'requirements.txt': 'six\n-e .', 'setup.py': '' },
  ] as Files[]) {
    const one = await plan(files, 'a'.repeat(40));
    assert.deepEqual(one.plan.ownCode, { commit: 'a'.repeat(40), subfolder: '' });
    assert.notEqual((await plan(files, 'b'.repeat(40))).key, one.key);
    assert.ok(
      one.plan.install.from === 'requirements' &&
        one.plan.install.lines.filter(({ text }) => text === './').length === 1,
    );
  }
});

test('a lock file of uv is used where repo2docker has no rule, and must fit its project', async () => {
  const { plan: made } = await plan({ 'pyproject.toml': DATA_ONLY, 'uv.lock': LOCK });
  assert.deepEqual(made.install, {
    from: 'uv-lock',
    pyproject: DATA_ONLY,
    lock: LOCK,
    requiresPython: '>=3.10, <3.12',
  });
  const ruled = await plan({ 'requirements.txt': 'six', 'pyproject.toml': DATA_ONLY, 'uv.lock': LOCK });
  assert.equal(ruled.plan.install.from, 'requirements');
  assert.ok(ruled.notices.includes('uv.lock is not used: requirements.txt decides, as in repo2docker.'));
  const bad = async (lock: string, pyproject = DATA_ONLY) => refusal({ 'pyproject.toml': pyproject, 'uv.lock': lock });
  assert.match(
    (await bad(LOCK, DATA_ONLY.replace('numpy>=1', 'numpy>=2'))).message,
    /does not fit pyproject\.toml, where numpy is asked for otherwise/,
  );
  assert.match(
    (await bad(LOCK, DATA_ONLY.replace('  "numpy>=1",\n', ''))).message,
    /where numpy is asked for otherwise/,
  );
  const elsewhere = await bad(LOCK.replace('https://pypi.org/simple', 'http://10.0.0.1/simple'));
  assert.equal(elsewhere.code, 'policy');
  assert.deepEqual(elsewhere.detail, { file: 'uv.lock', package: 'numpy' });
  assert.equal((await bad(LOCK.replace('virtual = "."', 'directory = "../x"'))).code, 'policy');
  assert.match((await bad('version = 1\n[[package')).message, /uv\.lock, line 2, is not valid TOML/);
  assert.match((await bad(LOCK.replace('version = 1', 'version = 9'))).message, /version is not 1/);
});

test('mistakes in a pyproject.toml are told with their line', async () => {
  assert.match(
    (await refusal({ 'pyproject.toml': '[project]\nname = \n' })).message,
    /pyproject\.toml, line 2, is not valid TOML/,
  );
  const wrong = await refusal({ 'pyproject.toml': DATA_ONLY.replace('numpy>=1', 'numpy=1') });
  assert.deepEqual(wrong.detail, { file: 'pyproject.toml', line: 6, package: 'numpy' });
  assert.match(
    (await refusal({ 'pyproject.toml': DATA_ONLY.replace('numpy>=1', 'x @ file:///etc') })).message,
    /file: addresses are not read/,
  );
  assert.match(
    (await refusal({ 'pyproject.toml': DATA_ONLY.replace('>=3.9,<3.13', 'three') })).message,
    /no version specifier/,
  );
  assert.match(
    (await refusal({ 'pyproject.toml': '[project]\nname="a"\nversion="1"\ndependencies="numpy"' })).message,
    /must be a list of strings/,
  );
  assert.match(
    (await refusal({ 'pyproject.toml': '[project]\nname="a"\nversion="1"\ndynamic=["dependencies"]' })).message,
    /leaves its dependencies to a build system/,
  );
  assert.match(
    (await refusal({ 'pyproject.toml': `${DATA_ONLY}[tool.uv.sources]\nnumpy = { path = "x" }\n` })).message,
    /takes numpy from elsewhere/,
  );
});
