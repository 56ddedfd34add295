import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { HubError } from '../../../server/errors.ts';
import { requirementMistake } from '../../../server/environments/requirement-syntax.ts';
import { logicalLines, readRequirements } from '../../../server/environments/requirements.ts';
import { fakeContent } from '../../helpers/fake-content.ts';

type Files = Parameters<typeof fakeContent>[0];

const read = (files: Files, start = 'requirements.txt', allowedIndexes: readonly string[] = []) =>
  readRequirements(start, { content: fakeContent(files), paths: new Set(Object.keys(files)), allowedIndexes });

const refusal = async (files: Files): Promise<HubError> => {
  try {
    await read(files);
  } catch (error) {
    if (error instanceof HubError) return error;
    throw error;
  }
  return assert.fail('the requirements were taken');
};

test('comments, continued lines, byte order marks and every line end are read as pip does', () => {
  const text =
    '\uFEFF# first\r\nnumpy==1.0 # why\r\n\n  pandas \\\n  >=2\nfoo#bar\nscipy \\\n# a comment ends it\nlast\\';
  assert.deepEqual(logicalLines(text), [
    { line: 2, text: 'numpy==1.0' },
    { line: 4, text: 'pandas >=2' },
    { line: 6, text: 'foo#bar' },
    { line: 7, text: 'scipy' },
    { line: 9, text: 'last' },
  ]);
});

test('includes are followed inside the repository, each once, and lines keep their own file and line', async () => {
  const found = await read({
    'requirements.txt': 'numpy\n-r sub/more.txt\n-c pins.txt',
    'sub/more.txt': '-r ../requirements.txt\n\npandas\n--requirement=deeper.txt',
    'sub/deeper.txt': 'scipy',
    'pins.txt': 'numpy<2',
  });
  assert.deepEqual(found.lines, [
    { text: 'numpy', file: 'requirements.txt', line: 1 },
    { text: 'pandas', file: 'sub/more.txt', line: 3 },
    { text: 'scipy', file: 'sub/deeper.txt', line: 1 },
  ]);
  assert.deepEqual(found.constraints, [{ text: 'numpy<2', file: 'pins.txt', line: 1 }]);
});

test('what reaches out of the repository is refused with its file and line', async () => {
  const lines = [
    '-r ../outside.txt', '-r /etc/passwd', '-c sub/../../x', '-r https://example.org/r.txt', '-r ~/x', '-r a\\..\\..\\b',
    'x @ file:///etc/passwd', 'file:///etc', 'numpy==${SECRET}', '--index-url https://index.example.org/simple',
    '--extra-index-url=https://x.example.org', '-fhttps://x.example.org', '--find-links /srv', '--trusted-host x', '--no-index',
    '--proxy http://x', '--unknown', '-e ../other', '/srv/package', '../package', '~/package', 'C:\\package',
    'x @ http://example.org/x.whl', 'x @ https://user:pw@example.org/x.whl', 'x @ https://127.0.0.1/x.whl', 'https://localhost/x.whl',
    'x @ https://metadata.google.internal/x.whl', 'x @ https://[::1]/x.whl', 'numpy --global-option=x', '-e file:///srv',
  ]; // prettier-ignore
  for (const line of lines) {
    const error = await refusal({ 'requirements.txt': `six\n${line}\n` });
    assert.equal(error.code, 'policy', `${line}: ${error.message}`);
    assert.equal(error.detail?.file, 'requirements.txt');
    assert.equal(error.detail?.line, 2);
    assert.match(error.message, /^requirements\.txt, line 2, “/);
  }
});

test('a mistake is told with file, line and what is wrong', async () => {
  const cases: [string, RegExp][] = [
    ['numpy=1.2', /has one equals sign; a version is pinned with two, numpy==1\.2\.$/],
    ['numpy 1.2', /“1\.2” follows the name without a comparison/],
    ['numpy>>1', /no version that can be compared/],
    ['numpy[a', /extras are not closed/],
    ['!numpy', /does not begin with the name of a package/],
    ['numpy; python_versoin > "3"', /names “python_versoin”/],
    ['numpy; python_version > ', /marker is not complete/],
    ['-r missing.txt', /the repository has no file missing\.txt/],
    ['-r', /needs a value/],
    ['-e ./nothing', /has no package there/],
  ];
  for (const [line, says] of cases) {
    const error = await refusal({ 'requirements.txt': `# comment\n\n${line}` });
    assert.equal(error.code, 'build_failed', line);
    assert.match(error.message, says);
    assert.deepEqual([error.detail?.file, error.detail?.line], ['requirements.txt', 3]);
  }
  assert.equal((await refusal({ 'requirements.txt': 'numpy=1' })).detail?.package, 'numpy');
});

test('code of other repositories is unsupported, with its line', async () => {
  for (const line of [
    'git+https://github.com/a/b',
    'b @ git+https://github.com/a/b@main',
    '-e git+https://github.com/a/b#egg=b',
  ])
    assert.equal((await refusal({ 'requirements.txt': line })).code, 'unsupported_environment', line);
});

test('a link is no file that is included', async () => {
  const error = await refusal({ 'requirements.txt': '-r link.txt', 'link.txt': { link: '/etc/passwd' } });
  assert.match(error.message, /has no file link\.txt/);
});

test('what is usual is taken as it is', async () => {
  const lines = [
    'numpy', 'Zope.Interface==5', 'requests[socks, security]>=2,<3', 'a (>=1)', 'b~=1.4.2', 'c===1.0+local', 'd==1.*', 'e!=2',
    "f; python_version<'3.8' and (sys_platform == 'win32' or extra != 'x')", 'g; "linux" in sys_platform', 'h; os_name not in "nt"',
    'i @ https://files.example.org/i-1.0-py3-none-any.whl', 'https://files.example.org/i-1.0-py3-none-any.whl#sha256=00',
    'j==1.0 --hash=sha256:00ff --hash=sha256:11aa',
  ]; // prettier-ignore
  const found = await read({
    'requirements.txt': `${lines.join('\n')}\n--pre\n--only-binary=:all:\n--require-hashes\n`,
  });
  assert.deepEqual(
    found.lines.map(({ text }) => text),
    lines,
  );
  assert.deepEqual(found.options, ['--prerelease=allow', '--only-binary :all:']);
});

test('an index that the owner allows is passed on', async () => {
  const url = 'https://index.example.org/simple';
  const found = await read({ 'requirements.txt': `--extra-index-url ${url}\nx` }, 'requirements.txt', [url]);
  assert.deepEqual(found.options, [`--extra-index-url ${url}`]);
});

test('the repository’s own paths count from its root and are marked as own code', async () => {
  const files = {
    'binder/requirements.txt': '-e .\n./lib[extra]\nwheels/x-1.0-py3-none-any.whl',
    'pyproject.toml': '',
    'lib/setup.py': '',
    'wheels/x-1.0-py3-none-any.whl': '',
  };
  const found = await read(files, 'binder/requirements.txt');
  assert.deepEqual(
    found.lines.map(({ text }) => text),
    ['./', './lib[extra]', './wheels/x-1.0-py3-none-any.whl'],
  );
  assert.ok(found.hasOwnCode);
  assert.match(found.notices[0] ?? '', /line 1: the package is installed from a copy/);
});

test('whatever a file holds, it is taken or refused with a line, and nothing outside is read', async () => {
  const piece = fc.oneof(
    fc.string(),
    fc.constantFrom('-r ', '-e ', '../', '/', '==', '\\\n', '\n', '${A}', 'file:', ' @ ', ';', '[', '"', '#'),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(piece, { maxLength: 12 }), async (pieces) => {
      const content = fakeContent({ 'requirements.txt': pieces.join('') });
      const asked: string[] = [];
      const watched = { ...content, read: (path: string) => (asked.push(path), content.read(path)) };
      try {
        const { lines } = await readRequirements('requirements.txt', {
          content: watched,
          paths: new Set(['requirements.txt']),
          allowedIndexes: [],
        });
        for (const { text } of lines) assert.doesNotMatch(text, /^-|[\n\r]|^\//);
      } catch (error) {
        assert.ok(error instanceof HubError, String(error));
        assert.ok((error.detail?.line ?? 0) >= 1);
      }
      for (const path of asked) assert.doesNotMatch(path, /^\/|^\.\.(\/|$)/);
    }),
    { numRuns: 500 },
  );
});

test('checking a requirement never hangs or throws', () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      const mistake = requirementMistake(text);
      assert.ok(mistake === undefined || mistake.length > 0);
    }),
  );
});
