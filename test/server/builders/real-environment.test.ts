import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { carriedVariables, indexFromVariables } from '../../../server/builders/build-environment.ts';
import { createEnvironmentPlanner } from '../../../server/environments/python-environment-planner.ts';
import { openBench } from '../../helpers/builder-bench.ts';
import { fakeContent } from '../../helpers/fake-content.ts';

const run = promisify(execFile);

test('from plan to kernel: a real environment of the real index runs code in ipykernel, has pip, and its bytecode', async (t) => {
  const bench = await openBench([], { index: indexFromVariables(process.env), carried: carriedVariables(process.env) });
  t.after(bench.close);
  const planner = createEnvironmentPlanner({
    interpreters: async () => [bench.interpreter],
    uvVersion: '0',
    platform: 'test',
  });
  const content = fakeContent({ 'requirements.txt': '-r pins.txt', 'pins.txt': 'six==1.16.0' });
  const { plan } = await planner.plan(content);
  const { status } = await bench.build(plan as Parameters<typeof bench.build>[0], content);
  if (status.state !== 'built') assert.fail(`the build is ${status.state}`);
  const { python, prefix } = status.environment;
  const script = [
    'from jupyter_client.manager import start_new_kernel',
    'manager, client = start_new_kernel(kernel_name="python3")',
    'reply = client.execute_interactive("import sys, six; print(sys.prefix, six.__version__)", timeout=30)',
    'client.stop_channels(); manager.shutdown_kernel(now=True)',
  ].join('\n');
  const { stdout } = await run(python, ['-I', '-c', script], { cwd: prefix });
  assert.equal(stdout.trim(), `${prefix} 1.16.0`);
  const { stdout: pip } = await run(python, ['-I', '-m', 'pip', '--version']);
  assert.ok(pip.includes(prefix));
  const { stdout: cached } = await run(python, [
    '-I',
    '-c',
    'import IPython.core.interactiveshell as m; print(m.__cached__)',
  ]);
  await stat(cached.trim());
});
