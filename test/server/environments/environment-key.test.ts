import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { base32, canonicalJson, environmentKey } from '../../../server/environments/environment-key.ts';
import type { PythonPlan, RequirementLine } from '../../../server/environments/plan.ts';

const line = (text: string, number = 1): RequirementLine => ({ text, file: 'requirements.txt', line: number });

const texts = fc.uniqueArray(fc.stringMatching(/^[a-z]{1,8}(==[0-9]{1,2})?$/), { maxLength: 6 });

const plans: fc.Arbitrary<PythonPlan> = fc.record({
  kind: fc.constant('python' as const),
  python: fc.constantFrom('3.10.1', '3.13.0'),
  install: fc.oneof(
    fc.constant({ from: 'nothing' as const }),
    fc.record({
      from: fc.constant('requirements' as const),
      lines: texts.map((list) => list.map((text) => line(text))),
      constraints: texts.map((list) => list.map((text) => line(text))),
      options: fc.subarray(['--prerelease=allow', '--only-binary :all:']),
    }),
    fc.record({ from: fc.constant('uv-lock' as const), pyproject: fc.string(), lock: fc.string() }),
  ),
  tools: fc.record({ uv: fc.constantFrom('0.1', '0.2'), format: fc.nat(2) }),
  platform: fc.constantFrom('linux-x64', 'darwin-arm64'),
});

/** What a plan says of an environment, written in another way than the key does. */
const meaning = (plan: PythonPlan): string => {
  const { install } = plan;
  const sorted = (lines: readonly RequirementLine[] = []) => lines.map(({ text }) => text).sort();
  const what =
    install.from === 'requirements'
      ? [sorted(install.lines), sorted(install.constraints), [...install.options].sort()]
      : install.from === 'uv-lock'
        ? [install.pyproject, install.lock]
        : [];
  return JSON.stringify([plan.python, install.from, what, plan.tools.uv, plan.tools.format, plan.platform]);
};

test('two plans share a key exactly when they mean the same environment', () => {
  fc.assert(
    fc.property(plans, plans, (a, b) => (environmentKey(a) === environmentKey(b)) === (meaning(a) === meaning(b))),
    { numRuns: 500 },
  );
});

test('a key has 52 characters of base32 and does not depend on the order of lines, of object keys, or on where a line stands', () => {
  fc.assert(
    fc.property(plans, fc.nat(), (plan, number) => {
      const { install } = plan;
      const turned: PythonPlan = {
        platform: plan.platform,
        tools: { format: plan.tools.format, uv: plan.tools.uv },
        kind: plan.kind,
        python: plan.python,
        install:
          install.from === 'requirements'
            ? {
                ...install,
                lines: [...install.lines].reverse().map(({ text }) => ({ text, file: 'other.txt', line: number })),
              }
            : install,
      };
      assert.match(environmentKey(plan), /^[a-z2-7]{52}$/);
      assert.equal(environmentKey(turned), environmentKey(plan));
    }),
  );
});

test('base32 and canonical JSON give the published values', () => {
  for (const [text, expected] of [
    ['', ''],
    ['f', 'my'],
    ['fo', 'mzxq'],
    ['foo', 'mzxw6'],
    ['foob', 'mzxw6yq'],
    ['fooba', 'mzxw6ytb'],
    ['foobar', 'mzxw6ytboi'],
  ] as const)
    assert.equal(base32(Buffer.from(text)), expected);
  assert.equal(canonicalJson({ b: [1, { d: null, c: undefined }], a: 'ä' }), '{"a":"ä","b":[1,{"d":null}]}');
});
