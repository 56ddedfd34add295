// `npm run test:cluster`: the tests that want a cluster. Ends with one line `N passed, N failed`.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureBuilt, ensureDependencies, ensurePython, fail, requireNode, root, run, say } from './prepare.mjs';

const HELP = `Usage: npm run test:cluster [-- <part of a file's name> ...]

Runs the tests of test/cluster against the cluster of KUBECONFIG; each works in namespaces of its own and removes them.
Any cluster will do whose nodes can pull from the registry that LIVELEAF_TEST_REGISTRY names (default 10.201.0.1:5000).
LIVELEAF_TEST_EGRESS may name a command that is run with each namespace of builds, for networks that need settings of their own.
`;

const words = process.argv.slice(2);
if (words.includes('--help') || words.includes('-h')) {
  process.stdout.write(HELP);
  process.exit(0);
}
if (!process.env.KUBECONFIG) {
  say('No cluster: KUBECONFIG names none, so the tests of test/cluster are left out.');
  process.stdout.write('0 passed, 0 failed\n');
  process.exit(0);
}

requireNode();
ensureDependencies();
await ensurePython();
ensureBuilt();
const { ensureBrowser } = await import('./install-browser.mjs');
const chrome = await ensureBrowser({ run, say }).catch((error) => fail(error.message));

const files = readdirSync(join(root, 'test', 'cluster'))
  .filter((name) => name.endsWith('.cluster.ts') && (words.length === 0 || words.some((word) => name.includes(word))))
  .map((name) => `test/cluster/${name}`);
const scratch = mkdtempSync(join(tmpdir(), 'liveleaf-cluster-'));
const counts = join(scratch, 'counts.json');
say(`Running ${files.length} files of tests on the cluster.`);
// One file at a time: a small cluster has room for little else.
const { status } = spawnSync(
  process.execPath,
  [
    '--import',
    'tsx',
    '--test',
    '--test-concurrency=1',
    '--test-timeout=1800000',
    '--test-reporter=./scripts/node-test-reporter.mjs',
    ...files,
  ],
  {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, CHROME_PATH: chrome, LIVELEAF_TEST_COUNTS: counts },
  },
);
const result = existsSync(counts) ? JSON.parse(readFileSync(counts, 'utf8')) : { passed: 0, failed: 0 };
rmSync(scratch, { recursive: true });
const failed = result.failed || (status === 0 ? 0 : 1);
process.stdout.write(`${result.passed} passed, ${failed} failed\n`);
process.exit(failed === 0 ? 0 : 1);
