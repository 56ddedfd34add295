import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import fc from 'fast-check';
import { buildEnvironment, carriedVariables, indexFromVariables } from '../../../server/builders/build-environment.ts';
import { buildRecipe } from '../../../server/builders/build-steps.ts';
import type { PythonPlan } from '../../../server/environments/plan.ts';
import { openBuildScripts } from './build-scripts.ts';

const scripts = await openBuildScripts();
after(scripts.close);

const PLACES = { folder: '/srv', uv: '/opt/uv', interpreter: '/usr/bin/python3.11', link: 'hardlink' } as const;

/** What a build pod does of the hub's own recipe: no cache outlives it, and the code lies there unpacked. */
const withoutCache = (plan: PythonPlan) => {
  const { files, steps } = buildRecipe(plan, PLACES);
  return {
    files,
    steps: steps
      .filter((step) => !step.ifCompiled && step.kind !== 'compile-cache' && step.kind !== 'unpack')
      .map((step) => JSON.parse(JSON.stringify(step)) as unknown),
  };
};

const text = fc.oneof(
  fc.constantFrom(
    'numpy', 'numpy==2.0; python_version > "3"', './', './.', './sub', './sub/', './a/../b', './a//b[extra]', './[all]',
    'a @ https://example.org/a.whl', 'ä', '\u{1f40d}', '\uff21', 'Zope', '_x',
  ),
  fc.string({ unit: 'grapheme', maxLength: 12 }),
); // prettier-ignore
const line = text.map((each) => ({ text: each, file: 'requirements.txt', line: 1 }));
const requirements = fc.record(
  {
    from: fc.constant('requirements' as const),
    lines: fc.array(line, { maxLength: 5 }),
    constraints: fc.array(line, { maxLength: 3 }),
    options: fc.array(
      fc.constantFrom('--prerelease=allow', '--no-binary numpy', '--index-url https://a.example', 'ß'),
      {
        maxLength: 4,
      },
    ),
  },
  { requiredKeys: ['from', 'lines', 'options'], noNullPrototype: true },
);
const lock = fc.record(
  { from: fc.constant('uv-lock' as const), pyproject: fc.string(), lock: fc.string() },
  { noNullPrototype: true },
);
const plan: fc.Arbitrary<PythonPlan> = fc.record(
  {
    kind: fc.constant('python' as const),
    python: fc.constantFrom('3.11.2', '3.13.5'),
    install: fc.oneof(fc.constant({ from: 'nothing' as const }), requirements, lock),
    ownCode: fc.record(
      { commit: fc.constant('c'.repeat(40)), subfolder: fc.constantFrom('', 'binder', 'a/b') },
      { noNullPrototype: true },
    ),
    tools: fc.constant({ uv: '0.9', format: 1 }),
    platform: fc.constant('linux-x64'),
  },
  { requiredKeys: ['kind', 'python', 'install', 'tools', 'platform'], noNullPrototype: true },
);

describe('The steps of a build in a pod', () => {
  it('are those of the hub’s own machine, for any plan', async () => {
    const plans = fc.sample(plan, 400);
    const made = await scripts.evaluate(
      `from plan_steps import recipe
print(json.dumps([recipe(plan, "/srv", "/srv/source", "/opt/uv", "/usr/bin/python3.11") for plan in given]))`,
      plans,
    );
    for (const [at, [files, all]] of (made as [unknown, { kind: string }[]][]).entries()) {
      const steps = all.filter(({ kind }) => kind !== 'forget-times');
      assert.deepEqual({ files, steps }, withoutCache(plans[at]!), JSON.stringify(plans[at]));
    }
  });

  it('run with the variables of the hub’s own machine, and with none of the pod’s besides', async () => {
    const names = [
      'SSL_CERT_FILE', 'PIP_CERT', 'HTTPS_PROXY', 'no_proxy', 'UV_HTTP_TIMEOUT', 'UV_DEFAULT_INDEX', 'UV_INDEX_URL',
      'PIP_INDEX_URL', 'UV_INDEX', 'UV_EXTRA_INDEX_URL', 'PIP_EXTRA_INDEX_URL', 'UV_INSECURE_HOST', 'PIP_TRUSTED_HOST',
      'PATH', 'HOME', 'UV_PYTHON', 'PYTHONPATH', 'LIVELEAF_PLAN', 'LD_PRELOAD', 'KUBERNETES_SERVICE_HOST',
    ]; // prettier-ignore
    const value = fc.constantFrom('', 'one', 'one two', '  one\ttwo  ', 'https://user:secret@example.org/simple');
    const pods = fc.sample(fc.dictionary(fc.constantFrom(...names), value, { noNullPrototype: true }), 300);
    const made = (await scripts.evaluate(
      `from build_variables import build_variables
print(json.dumps([build_variables("/srv", "/srv/cache", "m", pod) for pod in given]))`,
      pods,
    )) as unknown[];
    for (const [at, pod] of pods.entries())
      assert.deepEqual(
        made[at],
        buildEnvironment({
          folder: '/srv',
          cache: '/srv/cache',
          marker: 'm',
          carried: carriedVariables(pod),
          index: indexFromVariables(pod),
        }),
      );
  });
});
