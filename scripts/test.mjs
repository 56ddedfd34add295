// `npm test`: all tests, from a fresh clone too. Ends with one line `N passed, N failed`.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureBuilt, ensureDependencies, ensurePython, fail, requireNode, root, run, say } from './prepare.mjs';

const HELP = `Usage: npm test [-- <part of a path> ...]

Runs all tests, or those whose path contains one of the given words:
  npm test                    everything
  npm test -- server/proxy    one folder
  npm test -- browser         what runs in Chromium
`;

const words = process.argv.slice(2);
if (words.includes('--help') || words.includes('-h')) {
  process.stdout.write(HELP);
  process.exit(0);
}

requireNode();
ensureDependencies();
await ensurePython();
ensureBuilt();
const { ensureBrowser } = await import('./install-browser.mjs');
const chrome = await ensureBrowser({ run, say }).catch((error) => fail(error.message));

const filesBelow = (folder) =>
  readdirSync(folder, { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory() ? filesBelow(`${folder}/${entry.name}`) : [`${folder}/${entry.name}`],
  );
const wanted = (file) => words.length === 0 || words.some((word) => file.includes(word));
const files = filesBelow('test').filter(wanted).sort();

const counts = { passed: 0, failed: 0 };
const scratch = mkdtempSync(join(tmpdir(), 'liveleaf-test-'));

/** Runs one runner and adds its counts; a runner that ends badly without naming a failure is one failure itself. */
const runTests = (name, args, env) => {
  const target = join(scratch, `${name}.json`);
  const { status } = spawnSync(process.execPath, args, {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, CHROME_PATH: chrome, LIVELEAF_TEST_COUNTS: target, ...env },
  });
  const result = existsSync(target) ? JSON.parse(readFileSync(target, 'utf8')) : { passed: 0, failed: 0 };
  counts.passed += result.passed;
  counts.failed += result.failed || (status === 0 ? 0 : 1);
  if (status !== 0 && result.failed === 0)
    say(`The ${name} tests ended with status ${status} and no failure of their own.`);
};

const nodeTests = files.filter((file) => file.endsWith('.test.ts'));
if (nodeTests.length > 0) {
  say(`Running ${nodeTests.length} files of tests in Node.`);
  runTests(
    'node',
    [
      '--import',
      'tsx',
      '--test',
      '--test-concurrency=2',
      '--test-timeout=600000',
      '--test-reporter=./scripts/node-test-reporter.mjs',
      ...nodeTests,
    ],
    {},
  );
}
const browserTests = files.filter((file) => file.endsWith('.browser.ts'));
if (browserTests.length > 0) {
  say(`Running ${browserTests.length} files of tests in Chromium.`);
  runTests('browser', ['--import', 'tsx', 'node_modules/@web/test-runner/dist/bin.js'], {
    LIVELEAF_BROWSER_TESTS: browserTests.join(','),
    LIVELEAF_TEST_REPORTER: 'plain',
  });
}
rmSync(scratch, { recursive: true });

if (counts.passed + counts.failed === 0) fail(`No test matches ${words.join(', ')}.`);
process.stdout.write(`${counts.passed} passed, ${counts.failed} failed\n`);
process.exitCode = counts.failed === 0 ? 0 : 1;
