import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildError } from '../../../server/builders/uv-errors.ts';
import type { PythonPlan } from '../../../server/environments/plan.ts';

const plan = (...lines: string[]): PythonPlan => ({
  kind: 'python',
  python: '3.10.13',
  install: {
    from: 'requirements',
    lines: lines.map((text, at) => ({ text, file: 'requirements.txt', line: at + 1 })),
    options: [],
  },
  tools: { uv: '0', format: 1 },
  platform: 'test',
});

const explain = (made: PythonPlan, output: string) =>
  buildError(
    { ok: false, code: 'build_failed', reason: 'status', step: 'install', status: 1, output: output.split('\n') },
    made,
  );

// What uv 0.13.9 prints.
const RECORDED: readonly { lines: string[]; output: string; says: RegExp; detail: object }[] = [
  {
    lines: ['six', 'Numpyy_Nope'],
    output:
      'error: No solution found when resolving dependencies\n  cause: Because numpyy-nope was not found in the package registry and you require numpyy-nope, we can conclude that your requirements are unsatisfiable.',
    says: /no package named “numpyy-nope” in the package index \(requirements\.txt, line 2\)/,
    detail: { file: 'requirements.txt', line: 2, package: 'numpyy-nope' },
  },
  {
    lines: ['numpy==99.1'],
    output:
      'error: No solution found when resolving dependencies\n  cause: Because there is no version of numpy==99.1 and you require numpy==99.1, we can conclude that your requirements are unsatisfiable.',
    says: /no version of numpy that fits “==99\.1” \(requirements\.txt, line 1\)/,
    detail: { file: 'requirements.txt', line: 1, package: 'numpy' },
  },
  {
    lines: ['pandas==2.2.0', 'numpy==1.21.0'],
    output:
      "error: No solution found when resolving dependencies\n  cause: Because pandas==2.2.0 depends on numpy{python_full_version < '3.11'}>=1.22.4,<2 and you require pandas==2.2.0, we can conclude that you require numpy>=1.22.4,<2.\n         And because you require numpy==1.21.0, we can conclude that your requirements are unsatisfiable.",
    says: /pandas \(requirements\.txt, line 1\) needs numpy>=1\.22\.4,<2, and numpy.* \(requirements\.txt, line 2\) is asked for/,
    detail: { file: 'requirements.txt', line: 2, package: 'numpy' },
  },
  {
    lines: ['numpy==2.3.0'],
    output:
      'error: No solution found when resolving dependencies\n  cause: Because the current Python version (3.10.13) does not satisfy Python>=3.11 and numpy==2.3.0 depends on Python>=3.11, we can conclude that numpy==2.3.0 cannot be used.\n         And because you require numpy==2.3.0, we can conclude that your requirements are unsatisfiable.',
    says: /numpy \(requirements\.txt, line 1\) needs Python >=3\.11, and the environment has Python 3\.10\.13/,
    detail: { file: 'requirements.txt', line: 1, package: 'numpy' },
  },
  {
    lines: ['tensorflow==1.15.0'],
    output:
      'error: No solution found when resolving dependencies\n  cause: Because tensorflow==1.15.0 has no wheels with a matching Python ABI tag (e.g., `cp310`) and you require tensorflow==1.15.0, we can conclude that your requirements are unsatisfiable.',
    says: /tensorflow \(requirements\.txt, line 1\) has no ready-made file for this machine/,
    detail: { file: 'requirements.txt', line: 1, package: 'tensorflow' },
  },
  {
    lines: ['six'],
    output:
      'error: Request failed after 3 retries in 7.8s\n  cause: Failed to fetch: http://127.0.0.1:9/simple/six/\n  cause: Connection refused (os error 111)',
    says: /package index cannot be reached/,
    detail: {},
  },
];

test('what uv prints becomes a sentence with the line to change', () => {
  for (const { lines, output, says, detail } of RECORDED) {
    const error = explain(plan(...lines), output);
    assert.match(error.message, says);
    assert.deepEqual(error.detail ?? {}, detail);
    assert.ok(error.logTail?.length);
  }
});

test('every way in which a build ends has its code and a sentence of its own', () => {
  const endings = [
    ['build_timeout', 'deadline'], ['build_timeout', 'silence'], ['disk_full', 'budget'], ['disk_full', 'free'],
    ['build_oom', 'killed'], ['policy', 'archive'], ['internal', 'prose'], ['build_failed', 'status'],
  ] as const; // prettier-ignore
  const sentences = endings.map(([code, reason]) => {
    const error = buildError({ ok: false, code, reason, step: 'install' }, plan());
    assert.equal(error.code, code);
    return error.message;
  });
  assert.equal(new Set(sentences).size, endings.length);
});
