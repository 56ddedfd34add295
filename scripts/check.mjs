// `npm run check`: format, lint, types, layering, unused exports and sizes. Ends with one line `N passed, N failed`.
import { spawnSync } from 'node:child_process';
import { ensureBuilt, ensureDependencies, requireNode, root } from './prepare.mjs';

const bin = (path) => `node_modules/${path}`;

/** Each check is one command of node's; its output is shown only where it fails. */
const CHECKS = [
  ['format', [bin('prettier/bin/prettier.cjs'), '--check', '--log-level=warn', '.']],
  ['lint', [bin('oxlint/bin/oxlint'), '--deny-warnings', '.']],
  ['types', [bin('typescript-native/bin/tsc'), '-b']],
  [
    'layering',
    ['--import', 'tsx', '--test', '--test-reporter=./scripts/node-test-reporter.mjs', 'test/layering.test.ts'],
  ],
  ['unused files, exports and dependencies', [bin('knip/bin/knip.js'), '--no-progress']],
  ['sizes', ['scripts/sizes.mjs']],
];

requireNode();
ensureDependencies();
ensureBuilt();

let failed = 0;
for (const [name, args] of CHECKS) {
  const startedAt = performance.now();
  const { status, stdout, stderr } = spawnSync(process.execPath, args, {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, NODE_OPTIONS: '' },
  });
  const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1);
  process.stdout.write(`${status === 0 ? 'ok    ' : 'FAILED'} ${name} (${seconds} s)\n`);
  if (status === 0) continue;
  failed += 1;
  process.stdout.write(`${stdout}${stderr}\n`);
}
process.stdout.write(`${CHECKS.length - failed} passed, ${failed} failed\n`);
process.exitCode = failed === 0 ? 0 : 1;
