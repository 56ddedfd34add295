import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import fc from 'fast-check';
import { createNumberedLog } from '../../../server/kubernetes/numbered-log.ts';
import { openBuildScripts } from './build-scripts.ts';

const scripts = await openBuildScripts();
after(scripts.close);

const LINE_BYTES = 4096;
const LOG_BYTES = 8 * 1024 * 1024;
/** What a node writes before each line: a time, the stream and a flag. */
const NODE_BYTES = '2026-11-25T10:00:00.123456789+00:00 stdout F '.length;

/** The texts of a log, which must be numbered without a gap and end with its mark. */
const textsOf = (stdout: Buffer): string[] => {
  assert.deepEqual(stdout, Buffer.from(stdout.toString()), 'the log is UTF-8');
  const rows = stdout.toString().split('\n');
  assert.equal(rows.pop(), '', 'the last line has an end');
  const mark = /^END (\d+) ([0-9a-f]{64})$/.exec(rows.pop() ?? '');
  assert.ok(mark, 'the last line is the mark');
  assert.equal(Number(mark[1]), rows.length);
  assert.equal(
    mark[2],
    createHash('sha256')
      .update(rows.map((row) => `${row}\n`).join(''))
      .digest('hex'),
  );
  return rows.map((row, at) => {
    assert.ok(row.startsWith(`${at + 1} `), row.slice(0, 40));
    return row.slice(`${at + 1} `.length);
  });
};

const shell = (script: string) => scripts.run('run_logged.py', ['--', 'sh', '-c', script]);

describe('The log’s wrapper', { concurrency: true }, () => {
  it('numbers the lines of output and errors, to the last one without an end', async () => {
    const { stdout, status } = await shell('echo one; echo two >&2; echo; printf "  three  "');
    assert.deepEqual(textsOf(stdout), ['one', 'two', '', '  three  ']);
    assert.equal(status, 0);
  });

  it('keeps a carriage return within a line, and of what is no text at least its place', async () => {
    const { stdout } = await shell(String.raw`printf 'a\rb\r\n\377\0x\342\202\n\342\202\254\n\033[31mred\033[0m\n'`);
    assert.deepEqual(textsOf(stdout), ['a\rb', '\ufffd\ufffdx\ufffd', '€', '\u001b[31mred\u001b[0m']);
  });

  it('says nothing but the mark where nothing was said, and takes the command with or without dashes before it', async () => {
    const { stdout } = await scripts.run('run_logged.py', ['true']);
    assert.deepEqual(textsOf(stdout), []);
  });

  it('writes what the hub’s reader takes for a whole log', async () => {
    const { stdout } = await shell('seq 1 3; printf "4 END\\nEND 1"');
    const log = createNumberedLog();
    const lines = stdout
      .toString()
      .trimEnd()
      .split('\n')
      .map((row) => log.accept(row)?.text);
    assert.deepEqual(lines, ['1', '2', '3', '4 END', 'END 1', undefined]);
    assert.ok(log.isWhole);
  });

  it('cuts a line at 4 KiB, at the end of a character, and says so with an ellipsis', async () => {
    const [fits, long, wide, huge, edge] = textsOf(
      (
        await shell(
          `python3 -c "
import sys
out = sys.stdout.buffer
for line in (b'a' * 4096, b'b' * 4097, 'é'.encode() * 4096, b'c' * 3000000, b'd' * 4096 + b'\\r' + b'e'):
    out.write(line + b'\\n')"`,
        )
      ).stdout,
    );
    assert.equal(fits, 'a'.repeat(4096));
    assert.equal(long, `${'b'.repeat(4093)}…`);
    assert.equal(wide, `${'é'.repeat(2046)}…`);
    assert.equal(huge, `${'c'.repeat(4093)}…`);
    assert.equal(edge, `${'d'.repeat(4093)}…`);
  });

  it('cuts any bytes into lines as they are, however they arrive', async () => {
    const piece = fc.oneof(
      fc.constantFrom('\n', '\r', '\r\n', '\0', 'a', '€', '\n\n'),
      fc.string({ unit: 'binary', maxLength: 30 }),
    );
    const samples = fc.sample(
      fc.array(piece, { maxLength: 3_000 }).map((parts) => parts.join('')),
      20,
    );
    const bytes = Buffer.concat(samples.map((text, at) => (at % 2 ? Buffer.from(text) : Buffer.from(text, 'latin1'))));
    const file = join(scripts.scratch, 'garbage');
    await writeFile(file, bytes);
    const { stdout } = await shell(`dd if=${file} bs=777 2>/dev/null`);

    const expected: string[] = [];
    for (let from = 0; from < bytes.length;) {
      const end = bytes.indexOf(10, from);
      const raw = bytes.subarray(from, end < 0 ? bytes.length : end);
      from = end < 0 ? bytes.length : end + 1;
      const text = Buffer.from(raw.toString('utf8').replaceAll('\0', '\ufffd').replace(/\r$/, ''));
      expected.push(text.length <= LINE_BYTES ? text.toString() : `${text.subarray(0, 4093).toString()}…`);
    }
    const found = textsOf(stdout);
    assert.equal(found.length, expected.length);
    for (const [at, text] of found.entries()) if (text.length < 1_000) assert.equal(text, expected[at]);
  });

  it('loses none of a hundred thousand lines', async () => {
    const texts = textsOf((await shell('seq 1 100000')).stdout);
    assert.equal(texts.length, 100_000);
    assert.ok(texts.every((text, at) => text === String(at + 1)));
  });

  it('keeps a log that is too long below the size at which a node begins a new file, and says how much it left out', async () => {
    for (const line of ['', 'a build that says a great deal and nothing new', 'x'.repeat(4000)]) {
      const count = line.length > 1_000 ? 20_000 : 300_000;
      const { stdout } = await shell(`yes '${line}' | head -n ${count}; echo the end`);
      const texts = textsOf(stdout);
      assert.ok(stdout.length + (texts.length + 1) * NODE_BYTES <= LOG_BYTES);
      assert.ok(stdout.length + (texts.length + 1) * NODE_BYTES > 0.9 * LOG_BYTES);
      const at = texts.length - 21;
      const omitted = /^… (\d+) lines omitted: the log is too long …$/.exec(texts[at] ?? '')?.[1];
      assert.equal(Number(omitted) + texts.length - 1, count + 1);
      assert.equal(texts.at(-1), 'the end');
    }
  });

  it('ends as the command ends', async () => {
    assert.equal((await shell('exit 3')).status, 3);
    assert.equal((await shell('kill -9 $$')).status, 128 + 9);
    const { status, stdout } = await scripts.run('run_logged.py', ['--', '/no/such/program']);
    assert.equal(status, 127);
    assert.match(textsOf(stdout)[0] ?? '', /\/no\/such\/program: No such file/);
    assert.notEqual((await scripts.run('run_logged.py')).status, 0);
  });

  it('passes signals on, and still ends the log', async () => {
    const running = scripts.start('run_logged.py', [
      '--', 'sh', '-c', 'trap "echo asked to end; exit 7" TERM; echo ready; while :; do sleep 0.05; done',
    ]); // prettier-ignore
    await running.said('ready');
    running.kill('SIGTERM');
    const { status, stdout } = await running.ended;
    assert.deepEqual(textsOf(stdout), ['ready', 'asked to end']);
    assert.equal(status, 7);
  });

  it('waits for the node to read the end, and not for what the command left behind', async () => {
    const startedAt = performance.now();
    const running = scripts.start('run_logged.py', ['--', 'sh', '-c', 'sleep 20 & echo gone']);
    await running.said('END');
    const saidAt = performance.now();
    const { stdout } = await running.ended;
    assert.deepEqual(textsOf(stdout), ['gone']);
    assert.ok(performance.now() - saidAt >= 900);
    assert.ok(performance.now() - startedAt < 15_000);
  });
});
