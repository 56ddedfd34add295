// A reporter for @web/test-runner: names what failed and why, one line a file, and writes the counts where the caller asks.
import { writeFileSync } from 'node:fs';
import { relative } from 'node:path';

const testsBelow = (suite) => (suite ? [...suite.tests, ...suite.suites.flatMap(testsBelow)] : []);

/** @returns {import('@web/test-runner').Reporter} */
export const browserTestReporter = () => ({
  stop({ sessions }) {
    const counts = { passed: 0, failed: 0 };
    for (const session of [...sessions].sort((left, right) => left.testFile.localeCompare(right.testFile))) {
      const file = relative(process.cwd(), session.testFile);
      const tests = testsBelow(session.testResults);
      const passed = tests.filter((test) => test.passed).length;
      counts.passed += passed;
      for (const test of tests.filter((each) => !each.passed && !each.skipped)) {
        counts.failed += 1;
        process.stdout.write(`\nFAILED ${file} ${test.name}\n${test.error?.stack ?? test.error?.message ?? ''}\n`);
      }
      for (const error of session.errors) {
        counts.failed += 1;
        process.stdout.write(`\nFAILED ${file}\n${error.stack ?? error.message}\n`);
      }
      process.stdout.write(`${String(passed).padStart(5)} passed  ${file}\n`);
    }
    const target = process.env.LIVELEAF_TEST_COUNTS;
    if (target) writeFileSync(target, JSON.stringify(counts));
  },
});
