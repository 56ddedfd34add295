// A reporter for node:test: names what failed and why, one line a file, and writes the counts where the caller asks.
import { writeFileSync } from 'node:fs';
import { relative } from 'node:path';

const isSuite = (event) => event.data.details?.type === 'suite';

const describeError = (error) => {
  const cause = error?.cause ?? error;
  return typeof cause === 'object' && cause !== null ? (cause.stack ?? cause.message ?? String(cause)) : String(cause);
};

export default async function* nodeTestReporter(source) {
  const counts = { passed: 0, failed: 0 };
  const files = new Map();
  for await (const event of source) {
    const { type, data } = event;
    if (type === 'test:stderr' || type === 'test:stdout') continue;
    if (type !== 'test:pass' && type !== 'test:fail') continue;
    const file = data.file ? relative(process.cwd(), data.file) : '';
    // A test that only holds others counts through them; a file that failed to load is a failure of its own.
    const holdsOthers = isSuite(event) || (data.nesting === 0 && data.name === data.file);
    if (type === 'test:pass' && !holdsOthers) {
      counts.passed += 1;
      files.set(file, (files.get(file) ?? 0) + 1);
    }
    if (type === 'test:fail') {
      const onlySubtests = data.details?.error?.failureType === 'subtestsFailed';
      if (onlySubtests) continue;
      counts.failed += 1;
      yield `\nFAILED ${file}:${data.line ?? 0} ${data.name}\n${describeError(data.details?.error)}\n`;
    }
  }
  for (const [file, passed] of [...files].sort()) yield `${String(passed).padStart(5)} passed  ${file}\n`;
  const target = process.env.LIVELEAF_TEST_COUNTS;
  if (target) writeFileSync(target, JSON.stringify(counts));
}
