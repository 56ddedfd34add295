import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmod, mkdir, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, describe, it, type TestContext } from 'node:test';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import type { BuildResult } from '../../../server/builders/build-result.ts';
import { buildError } from '../../../server/builders/uv-errors.ts';
import type { PythonPlan } from '../../../server/environments/plan.ts';
import { openBench } from '../../helpers/builder-bench.ts';
import { BASE_PACKAGES, startPackageIndex, type TestPackage } from '../../helpers/package-index.ts';
import { pythonSide } from '../../helpers/python-side.ts';
import { openBuildScripts } from './build-scripts.ts';

const run = promisify(execFile);
const scripts = await openBuildScripts();
after(scripts.close);
const { uv } = await pythonSide();
const version = (await scripts.evaluate('print(json.dumps("%d.%d.%d" % sys.version_info[:3]))')) as string;

const planOf = (install: PythonPlan['install'], more: Partial<PythonPlan> = {}): PythonPlan => ({
  kind: 'python',
  python: version,
  install,
  tools: { uv: '0', format: 1 },
  platform: 'test',
  ...more,
});
const requirements = (...texts: string[]): PythonPlan['install'] => ({
  from: 'requirements',
  lines: texts.map((text, at) => ({ text, file: 'requirements.txt', line: at + 1 })),
  options: [],
});
const packed = (plan: unknown) => gzipSync(JSON.stringify(plan)).toString('base64');

let pods = 0;
/** The volumes of a build pod and an index with packages. */
const openPod = async (t: TestContext, packages: readonly TestPackage[] = []) => {
  const folder = join(scripts.scratch, `pod-${++pods}`);
  const srv = join(folder, 'srv');
  await mkdir(srv, { recursive: true });
  const index = await startPackageIndex([...BASE_PACKAGES, ...packages]);
  t.after(async () => {
    await index.close();
    await rm(folder, { recursive: true, force: true });
  });
  const install = async (plan: unknown, variables: Record<string, string> = {}, program = uv) => {
    const args = ['--folder', srv, '--source', join(folder, 'source'), '--uv', program];
    const ended = await scripts.run('install_plan.py', args, {
      LIVELEAF_PLAN: packed(plan),
      UV_DEFAULT_INDEX: index.url,
      ...variables,
    });
    assert.equal(ended.stderr, '');
    assert.ok(ended.resultBytes <= 4096, `the result takes ${ended.resultBytes} bytes`);
    const result = ended.result as BuildResult & { lines?: [number, number] };
    assert.equal(ended.status, result.ok ? 0 : 1);
    return { result, lines: ended.stdout.toString().split('\n').slice(0, -1) };
  };
  const failure = async (...args: Parameters<typeof install>) => {
    const { result, lines } = await install(...args);
    if (result.ok) assert.fail('the build is built');
    return { result, lines };
  };
  return { folder, srv, index, install, failure };
};

const python = (srv: string, code: string) => run(join(srv, 'env', 'bin', 'python'), ['-I', '-c', code]);

/** The digest of the environment as a layer. */
const layerOf = async (srv: string): Promise<string> => {
  const { stderr } = await scripts.run('pack_layer.py', [join(srv, 'env'), 'srv/env', 'gzip']);
  return (JSON.parse(stderr.trim().split('\n').at(-1) ?? '') as { diffId: string }).diffId;
};

describe('The installer in a build pod', { concurrency: 2 }, () => {
  it('makes an environment that runs, beside its cache and on the same volume', async (t) => {
    const { srv, install } = await openPod(t, [{ name: 'alpha', version: '1.0' }]);
    const { result, lines } = await install(planOf(requirements('alpha')));
    assert.ok(result.ok);
    assert.ok(lines.includes(`Making an environment with Python ${version}`));
    assert.ok(lines.some((each) => each.includes('+ alpha==1.0')));
    assert.equal((await python(srv, 'import alpha; print(alpha.version, alpha.__file__)')).stdout.trim(),
      `1.0 ${srv}/env/lib/python${version.split('.').slice(0, 2).join('.')}/site-packages/alpha/__init__.py`); // prettier-ignore
    const site = join(srv, 'env', 'lib', `python${version.split('.').slice(0, 2).join('.')}`, 'site-packages');
    const { nlink } = await stat(join(site, 'alpha', '__init__.py'));
    assert.ok(nlink > 1, 'files are linked to the cache, not copied');
    assert.match(await readFile(join(srv, 'requirements.lock'), 'utf8'), /^alpha==1\.0$/m);
  });

  it('compiles everything to bytecode that needs no file’s time to be valid', async (t) => {
    const { srv, install } = await openPod(t, [{ name: 'alpha', version: '1.0' }]);
    await install(planOf(requirements('alpha')));
    const checked = await python(srv, `
import importlib.util, os, alpha
with open(importlib.util.cache_from_source(alpha.__file__), "rb") as file:
    print(int.from_bytes(file.read(8)[4:], "little"))`); // prettier-ignore
    assert.equal(checked.stdout.trim(), '1', 'hash-based, and not checked against its source');
  });

  it('gives the same files for the same plan, whatever was there before', async (t) => {
    const { srv, install } = await openPod(t, [
      { name: 'alpha', version: '1.0', requires: ['beta'] },
      { name: 'beta', version: '2.0' },
    ]);
    await install(planOf(requirements('alpha', 'beta')));
    const first = await layerOf(srv);
    await rm(srv, { recursive: true });
    await mkdir(srv);
    await install(planOf(requirements('beta', 'alpha', 'beta')));
    assert.equal(await layerOf(srv), first);
  });

  it('takes a lock file as it is', async (t) => {
    const { index, srv, install } = await openPod(t, [
      { name: 'alpha', version: '1.0' },
      { name: 'alpha', version: '2.0' },
    ]);
    const { url, hash } = index.file('alpha', '1.0');
    const lock = `version = 1
requires-python = ">=3.9"

[[package]]
name = "alpha"
version = "1.0"
source = { registry = "${index.url}" }
wheels = [{ url = "${url}", hash = "${hash}" }]

[[package]]
name = "page"
version = "0"
source = { virtual = "." }
dependencies = [{ name = "alpha" }]

[package.metadata]
requires-dist = [{ name = "alpha" }]
`;
    const pyproject = '[project]\nname = "page"\nversion = "0"\nrequires-python = ">=3.9"\ndependencies = ["alpha"]\n';
    const { result, lines } = await install(planOf({ from: 'uv-lock', pyproject, lock }));
    assert.ok(result.ok, lines.join('\n'));
    assert.equal((await python(srv, 'import alpha; print(alpha.version)')).stdout.trim(), '1.0');
    assert.ok(!(await readdir(srv)).includes('project'));
  });

  it('installs the repository’s own code from where it was fetched to', async (t) => {
    const { folder, srv, install } = await openPod(t);
    const source = join(folder, 'source');
    await mkdir(source);
    const backend = `def build_wheel(directory, config_settings=None, metadata_directory=None):
    import os, zipfile
    with zipfile.ZipFile(os.path.join(directory, "own-1-py3-none-any.whl"), "w") as wheel:
        wheel.writestr("own.py", "answer = 42\\n")
        wheel.writestr("own-1.dist-info/METADATA", "Metadata-Version: 2.1\\nName: own\\nVersion: 1\\n")
        wheel.writestr("own-1.dist-info/WHEEL", "Wheel-Version: 1.0\\nGenerator: t\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr("own-1.dist-info/RECORD", "own.py,,\\nown-1.dist-info/METADATA,,\\nown-1.dist-info/WHEEL,,\\nown-1.dist-info/RECORD,,\\n")
    return "own-1-py3-none-any.whl"
`;
    await writeFile(join(source, 'backend.py'), backend);
    await writeFile(
      join(source, 'pyproject.toml'),
      '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n[project]\nname = "own"\nversion = "1"\n',
    );
    const plan = planOf(requirements('./'), { ownCode: { commit: 'c'.repeat(40), subfolder: '' } });
    const { result, lines } = await install(plan);
    assert.ok(result.ok, lines.join('\n'));
    assert.equal((await python(srv, 'import own; print(own.answer)')).stdout.trim(), '42');
    const first = await layerOf(srv);
    await rm(srv, { recursive: true });
    await mkdir(srv);
    await utimes(join(source, 'pyproject.toml'), new Date(0), new Date(0));
    await install(plan);
    assert.equal(await layerOf(srv), first, 'fetched at another time, the same code is the same image');
  });

  it('fails as the hub’s own machine does: the same code, file, line and package', async (t) => {
    const packages: TestPackage[] = [
      { name: 'alpha', version: '1.0', requires: ['beta<2'] },
      { name: 'beta', version: '1.0' },
      { name: 'beta', version: '2.0' },
      { name: 'broken', version: '1.0', build: 'raise RuntimeError("the compiler is missing\\n" * 400)' },
    ];
    const { failure } = await openPod(t, packages);
    const local = await openBench(packages);
    t.after(local.close);
    for (const texts of [['nmupy'], ['alpha', 'beta==2.0'], ['alpha==3.0'], ['broken'], ['alpha', 'ipykernel<1']]) {
      const plan = { ...local.plan(...texts), python: version };
      const { result, lines } = await failure(plan);
      const here = buildError(result, plan);
      const { status } = await local.build(local.plan(...texts));
      if (status.state !== 'failed') assert.fail(`the build here is ${status.state}`);
      assert.deepEqual(
        [here.code, here.message, here.detail],
        [status.error.code, status.error.message, status.error.detail],
        texts.join(' '),
      );
      // The lines of the step that failed, for whoever has the log.
      const [first, last] = result.ok ? [0, 0] : (result.lines ?? [0, 0]);
      const output = lines.slice(first - 1, last).filter((each) => each.trim() !== '');
      assert.deepEqual(buildError({ ...result, output } as typeof result, plan).message, here.message);
    }
  });

  it('shows no login of an index, in log or result', async (t) => {
    const { index, failure } = await openPod(t);
    const secret = index.url.replace('://', '://robot:hunter2@');
    const { result, lines } = await failure(planOf(requirements('nmupy')), { UV_DEFAULT_INDEX: secret });
    assert.ok(!JSON.stringify([result, lines]).includes('hunter2'));
  });

  it('ends what says nothing, what never ends and what takes too much room, and leaves none of it running', async (t) => {
    const { folder, failure } = await openPod(t);
    const slow = join(folder, 'slow-uv');
    await writeFile(slow, '#!/bin/sh\nsleep 77 & sleep 78\n');
    await chmod(slow, 0o755);
    const talking = join(folder, 'talking-uv');
    await writeFile(talking, '#!/bin/sh\nwhile :; do echo still here; sleep 0.05; done\n');
    await chmod(talking, 0o755);
    const writing = join(folder, 'writing-uv');
    await writeFile(
      writing,
      '#!/bin/sh\nwhile :; do head -c 1000000 /dev/zero >> "$TMPDIR/fill"; echo more; sleep 0.05; done\n',
    );
    await chmod(writing, 0o755);
    const plan = planOf({ from: 'nothing' });
    for (const [program, limits, code, reason] of [
      [slow, { silenceMs: 300 }, 'build_timeout', 'silence'],
      [talking, { deadlineMs: 500 }, 'build_timeout', 'deadline'],
      [writing, { diskBytes: 3_000_000 }, 'disk_full', 'budget'],
    ] as const) {
      const { result } = await failure(plan, { LIVELEAF_LIMITS: JSON.stringify(limits) }, program);
      assert.deepEqual([!result.ok && result.code, !result.ok && result.reason], [code, reason]);
    }
    const names = await readdir('/proc').catch(() => []);
    for (const name of names.filter((each) => /^\d+$/.test(each))) {
      const command = await readFile(`/proc/${name}/cmdline`, 'utf8').catch(() => '');
      assert.ok(!/^sleep\x007[78]\0/.test(command), `process ${name} is left`);
    }
  });

  it('says what it cannot do: another Python, another format, a plan that is none', async (t) => {
    const { install, failure } = await openPod(t);
    const other = await failure({ ...planOf({ from: 'nothing' }), python: '3.7.1' });
    assert.equal(!other.result.ok && other.result.code, 'unsupported_environment');
    assert.deepEqual(other.lines, ['This image has no Python 3.7.1.']);
    for (const plan of [{ ...planOf({ from: 'nothing' }), tools: { uv: '0', format: 99 } }, {}, [], 'text']) {
      const { result } = await install(plan);
      assert.equal(!result.ok && result.code, 'internal');
    }
    const garbage = await install(planOf({ from: 'nothing' }), { LIVELEAF_PLAN: 'garbage' });
    assert.equal(!garbage.result.ok && garbage.result.code, 'internal');
  });
});
