import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { setTimeout as delay } from 'node:timers/promises';
import { LOG_CUT_SHORT } from '../../../server/builders/build-log-follower.ts';
import type { BuildStatus } from '../../../server/builders/builder.ts';
import { createLocalBuilder } from '../../../server/builders/local-builder.ts';
import { environmentKey } from '../../../server/environments/environment-key.ts';
import type { PythonPlan } from '../../../server/environments/plan.ts';
import { EMPTY, openBench, type Bench } from '../../helpers/builder-bench.ts';

const open = async (context: TestContext, ...args: Parameters<typeof openBench>) => {
  const bench = await openBench(...args);
  context.after(bench.close);
  return bench;
};
const failed = (status: BuildStatus) => {
  if (status.state !== 'failed') assert.fail(`the build is ${status.state}`);
  return status.error;
};
const never = new AbortController().signal;

const until = async (holds: () => Promise<boolean>, what: string): Promise<void> => {
  for (let round = 0; round < 1600; round += 1) {
    if (await holds()) return;
    await delay(25);
  }
  assert.fail(`in vain waited until ${what}`);
};

/** A uv that first runs a shell script; `"$1"` is uv's command. */
const uvAfter = async (bench: Bench, script: string): Promise<string> => {
  const path = join(bench.root, 'uv-after');
  await writeFile(path, `#!/bin/sh\n${script}\nexec ${bench.options.uv} "$@"\n`);
  await chmod(path, 0o755);
  return path;
};

const startHub = async (context: TestContext, bench: Bench, plan: PythonPlan, uv: string) => {
  const { state, python, isolation, index } = bench.options;
  const options = { state, python, isolation, index, uv, plan, interpreter: bench.interpreter.path };
  const script = fileURLToPath(import.meta.resolve('../../helpers/start-build.ts'));
  const hub = spawn(process.execPath, ['--import', 'tsx', script, JSON.stringify(options)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  context.after(() => hub.kill('SIGKILL'));
  const [line] = (await once(hub.stdout, 'data')) as [Buffer];
  return { hub, generation: line.toString().trim() };
};

test('a build outlives the hub that is killed in its middle; another hub adopts it and sees every line once', async (t) => {
  const bench = await open(t, [{ name: 'alpha', version: '1.0' }]);
  const plan = bench.plan('alpha');
  const key = environmentKey(plan);
  const uv = await uvAfter(
    bench,
    'mkdir "$HOME/once" 2>/dev/null && for i in $(seq 1 40); do echo "step $i"; sleep 0.03; done',
  );
  const { hub, generation } = await startHub(t, bench, plan, uv);
  const seen: { line: number; message: string }[] = [];
  for await (const line of bench.builder.log(key, generation, { building: 0, pushing: 0 }, never)) {
    seen.push(line);
    if (line.message === 'step 5') {
      hub.kill('SIGKILL');
      await once(hub, 'exit');
      assert.deepEqual(await bench.builder.status(key), { state: 'running', generation });
      assert.equal(await bench.builder.start(key, plan, EMPTY), generation, 'starting again attaches');
    }
  }
  assert.deepEqual(
    seen.map(({ line }) => line),
    seen.map((_, at) => at + 1),
  );
  const steps = seen.filter(({ message }) => message.startsWith('step '));
  assert.deepEqual(
    steps.map(({ message }) => message),
    Array.from({ length: 40 }, (_, at) => `step ${at + 1}`),
  );
  assert.equal((await bench.builder.wait(key, generation, never)).state, 'built');
  assert.equal((await bench.log(key, generation, 10))[0]?.line, 11);
  assert.deepEqual(await readdir(bench.options.state.environment(key)), [generation]);
});

test('two hubs that start the same build at once make one', async (t) => {
  const bench = await open(t, [{ name: 'alpha', version: '1.0' }]);
  const plan = bench.plan('alpha');
  const hubs = await Promise.all([1, 2].map(() => startHub(t, bench, plan, bench.options.uv)));
  assert.deepEqual(
    hubs.map(({ generation }) => generation),
    ['000001', '000001'],
  );
  const key = environmentKey(plan);
  assert.equal((await bench.builder.wait(key, '000001', never)).state, 'built');
  assert.deepEqual(await readdir(bench.options.state.environment(key)), ['000001']);
});

test('a build whose hub dies between claim and process never was: the next hub begins it anew, and only once', async (t) => {
  const bench = await open(t);
  const plan = bench.plan();
  const key = environmentKey(plan);
  const uv = await uvAfter(bench, '');
  const { hub } = await startHub(t, bench, plan, uv);
  await bench.builder.wait(key, '000001', never);
  const folder = bench.options.state.generation(key, '000001');
  hub.kill('SIGKILL');
  await once(hub, 'exit');
  const { unlink } = await import('node:fs/promises');
  await unlink(join(folder, 'result.json'));
  await unlink(join(folder, 'record.json'));
  assert.deepEqual(await bench.builder.status(key), { state: 'absent' });
  assert.deepEqual(JSON.parse(await readFile(join(folder, 'record.json'), 'utf8')), { lost: true });
  assert.equal((await bench.build(plan)).generation, '000002');
});

test('a build whose process is killed is lost, its log says that it was cut short, and it can be started again', async (t) => {
  const bench = await open(t);
  const plan = bench.plan();
  const key = environmentKey(plan);
  const slow = createLocalBuilder({ ...bench.options, uv: await uvAfter(bench, 'sleep 30') });
  const generation = await slow.start(key, plan, EMPTY);
  const record = join(bench.options.state.generation(key, generation), 'record.json');
  await until(async () => (await bench.processes()).length > 1, 'it runs');
  process.kill((JSON.parse(await readFile(record, 'utf8')) as { pid: number }).pid, 'SIGKILL');
  const lines = await bench.log(key, generation);
  assert.equal(lines.at(-1)?.message, LOG_CUT_SHORT);
  assert.equal(failed(await slow.wait(key, generation, never)).code, 'build_lost');
  assert.equal((await bench.build(plan)).status.state, 'built');
});

for (const [how, limits, sentence] of [
  ['that says nothing', { silenceMs: 600 }, /said nothing for so long/],
  ['that takes too long', { deadlineMs: 900 }, /took longer than this hub allows/],
] as const)
  test(`a build ${how} is ended with build_timeout and leaves no process`, async (t) => {
    const bench = await open(t, [], { limits });
    const talk = 'setsid sh -c "sleep 60" & [ "$1" = venv ] && while true; do echo tick; sleep 0.2; done';
    const uv = await uvAfter(bench, 'silenceMs' in limits ? 'setsid sleep 60 & sleep 60' : talk);
    const builder = createLocalBuilder({ ...bench.options, uv });
    const plan = bench.plan();
    const key = environmentKey(plan);
    const generation = await builder.start(key, plan, EMPTY);
    const error = failed(await builder.wait(key, generation, never));
    assert.equal(error.code, 'build_timeout');
    assert.match(error.message, sentence);
    await until(async () => (await bench.processes()).length === 0, 'nothing of it runs');
  });

test('an index that never answers ends a build by its silence', async (t) => {
  const hang = () => undefined;
  const bench = await open(t, [{ name: 'alpha', version: '1.0', serve: hang }], { limits: { silenceMs: 1500 } });
  assert.equal(failed((await bench.build(bench.plan('alpha'))).status).code, 'build_timeout');
  await until(async () => (await bench.processes()).length === 0, 'nothing of it runs');
});

test('a flood of a hundred thousand lines is numbered without a gap, capped, said, and its last lines are kept', async (t) => {
  const logBytes = 2_000_000;
  const build = 'for i in range(100000): print("flood", i, "x" * 40)\nprint("y" * 100000)\nraise ValueError("the end")';
  const bench = await open(t, [{ name: 'alpha', version: '1.0', build }], { limits: { logBytes } });
  const plan = bench.plan('alpha');
  const { status, key, generation } = await bench.build(plan);
  failed(status);
  const lines = await bench.log(key, generation);
  assert.deepEqual(
    lines.map(({ line }) => line),
    lines.map((_, at) => at + 1),
  );
  assert.ok(lines.some(({ message }) => /lines were left out here/.test(message)));
  assert.ok(lines.slice(-20).some(({ message }) => message.includes('the end')));
  assert.ok(lines.every(({ message }) => Buffer.byteLength(message) <= 4096));
  const { size } = await stat(join(bench.options.state.generation(key, generation), 'log.ndjson'));
  assert.ok(size < logBytes + 200_000, `the log takes ${size} bytes`);
});

test('of a line that redraws itself only its last state is kept, and half a line at the end is a line', async (t) => {
  const bench = await open(t);
  const script = `mkdir "$HOME/once" 2>/dev/null && printf '10%%\\r50%%\\r100%%\\r\\nred \\033[31mhot\\033[0m\\nno end'`;
  const builder = createLocalBuilder({ ...bench.options, uv: await uvAfter(bench, script) });
  const plan = bench.plan();
  const key = environmentKey(plan);
  const generation = await builder.start(key, plan, EMPTY);
  const messages = (await bench.log(key, generation)).map(({ message }) => message);
  assert.deepEqual(messages.slice(1, 4), ['100%', 'red \u001b[31mhot\u001b[0m', 'no end']);
});

test('a build that fills its disk budget ends with disk_full and leaves only what tells of it', async (t) => {
  const build = [
    'import os, time',
    'for i in range(200):',
    '    open(os.path.join(os.environ["TMPDIR"], "fill%d" % i), "wb").write(b"x" * 1000000)',
    '    time.sleep(0.02)',
  ].join('\n');
  const bench = await open(t, [{ name: 'alpha', version: '1.0', build }], { limits: { diskBytes: 30_000_000 } });
  const { status, key, generation } = await bench.build(bench.plan('alpha'));
  const error = failed(status);
  assert.equal(error.code, 'disk_full');
  const left = await readdir(bench.options.state.generation(key, generation));
  for (const name of ['env', 'tmp', 'home']) assert.ok(!left.includes(name), `${name} is left`);
  await until(async () => (await bench.processes()).length === 0, 'nothing of it runs');
});

for (const isolated of [true, false])
  test(`a build that is cancelled ${isolated ? 'in namespaces' : 'without namespaces'} leaves no process, no file and no log`, async (t) => {
    const bench = await open(t);
    if (isolated) assert.ok(bench.options.isolation, 'this machine gives namespaces');
    const uv = await uvAfter(bench, 'setsid sleep 77 & sleep 78');
    const { isolation: _, ...rest } = bench.options;
    const builder = createLocalBuilder({ ...(isolated ? bench.options : rest), uv });
    const plan = bench.plan();
    const key = environmentKey(plan);
    const generation = await builder.start(key, plan, EMPTY);
    const waiting = builder.wait(key, generation, never);
    const reading = bench.log(key, generation);
    await until(async () => (await bench.processes()).length >= 3, 'all of it runs');
    await builder.cancel(key);
    await builder.cancel(key);
    assert.deepEqual(await bench.processes(), []);
    assert.deepEqual(await readdir(bench.options.state.environment(key)), []);
    assert.deepEqual(await waiting, { state: 'absent' });
    await reading;
    assert.deepEqual(await builder.status(key), { state: 'absent' });
    assert.equal((await bench.build(plan)).status.state, 'built');
  });

test('closing a builder ends the builds that run', async (t) => {
  const bench = await open(t);
  const builder = createLocalBuilder({ ...bench.options, uv: await uvAfter(bench, 'sleep 79') });
  const plan = bench.plan();
  await builder.start(environmentKey(plan), plan, EMPTY);
  await builder.close();
  assert.deepEqual(await bench.processes(), []);
  assert.deepEqual(await builder.status(environmentKey(plan)), { state: 'absent' });
});

test('a thousand readers of one log cost one reading, and one that leaves disturbs none', async (t) => {
  const bench = await open(t);
  const uv = await uvAfter(
    bench,
    'mkdir "$HOME/once" 2>/dev/null && for i in $(seq 1 20); do echo "step $i"; sleep 0.02; done',
  );
  const builder = createLocalBuilder({ ...bench.options, uv });
  const plan = bench.plan();
  const key = environmentKey(plan);
  const generation = await builder.start(key, plan, EMPTY);
  const leaving = new AbortController();
  const read = async (signal: AbortSignal) => {
    let lines = 0;
    for await (const { line } of builder.log(key, generation, { building: 0, pushing: 0 }, signal)) {
      lines += 1;
      assert.equal(line, lines);
      if (signal === leaving.signal && lines === 3) leaving.abort();
    }
    return lines;
  };
  const [left, ...counts] = await Promise.all([
    read(leaving.signal),
    ...Array.from({ length: 1000 }, () => read(never)),
  ]);
  assert.equal(left, 3);
  assert.equal(new Set(counts).size, 1);
  assert.ok((counts[0] ?? 0) > 20);
});
