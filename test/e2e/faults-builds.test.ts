import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import { API, ERRORS, type ErrorDetail, type FailedEvent } from '../../sdk/contract/index.ts';
import { LiveleafError } from '../../sdk/index.ts';
import { assertNothingLeft } from '../helpers/e2e-traces.ts';
import { assertWhole, logOf, type Watcher } from '../helpers/e2e-watcher.ts';
import { startWorld, type E2eWorld } from '../helpers/e2e-world.ts';
import type { TestPackage } from '../helpers/package-index.ts';

const FLOOD = 'for i in range(100000): print("flood", i)\nraise ValueError("the end of the flood")';

const FILL = [
  'import os, time',
  'for i in range(400):',
  '    open(os.path.join(os.environ["TMPDIR"], "fill%d" % i), "wb").write(b"x" * 1000000)',
  '    time.sleep(0.02)',
].join('\n');

const PACKAGES: readonly TestPackage[] = [
  { name: 'alpha', version: '1.0' },
  { name: 'alpha', version: '2.0' },
  { name: 'needs-alpha', version: '1.0', requires: ['alpha>=2'] },
  { name: 'flood', version: '1.0', build: FLOOD },
  { name: 'fill', version: '1.0', build: FILL },
  { name: 'silent', version: '1.0', serve: () => undefined },
];

describe('a build that goes wrong', { timeout: 240_000 }, () => {
  let world: E2eWorld;
  before(async () => {
    world = await startWorld({
      packages: PACKAGES,
      config: { builder: { timeoutMs: 20_000, silenceMs: 4_000, maxBytes: 60_000_000 } },
    });
  });
  after(() => world.end());
  afterEach(() => assertNothingLeft(world.hub.stateDir, world.hub.pid));

  const failedOf = async (watcher: Watcher): Promise<FailedEvent> => {
    const events = await watcher.done;
    assertWhole(events);
    const last = events.at(-1);
    if (last?.phase !== 'failed') assert.fail(`it ended with ${JSON.stringify(last)}`);
    assert.deepEqual([last.retryable, last.phase], [ERRORS[last.code].retryable, 'failed']);
    return last;
  };

  /** Follows the launch by SDK and by BinderHub's address; both learn the same. */
  const bothFail = async (spec: string): Promise<{ failed: FailedEvent; events: Watcher['events'] }> => {
    const { launch, watcher } = world.launch(spec);
    const raw = world.build(spec);
    const [failed, old] = await Promise.all([failedOf(watcher), failedOf(raw)]);
    assert.equal(old.code, failed.code);
    assert.deepEqual(old.detail, failed.detail);
    assert.equal(old.message.trim(), failed.message);
    const error: unknown = await launch.server.catch((reason: unknown) => reason);
    assert.ok(LiveleafError.isInstance(error));
    assert.deepEqual([error.code, error.message, error.detail], [failed.code, failed.message, failed.detail]);
    assert.ok((error.logTail?.length ?? 0) > 0, 'the error has no tail of the log');
    return { failed, events: watcher.events };
  };

  for (const [what, requirements, sentence, detail] of [
    [
      'a misspelt requirement',
      ['alpha', '# numbers', 'nunpy==1.26'],
      /no package named “nunpy” in the package index \(requirements\.txt, line 3\)/,
      { file: 'requirements.txt', line: 3, package: 'nunpy' },
    ],
    [
      'a version that does not exist',
      ['', 'alpha==99.1'],
      /no version of alpha that fits “==99\.1” \(requirements\.txt, line 2\)/,
      { file: 'requirements.txt', line: 2, package: 'alpha' },
    ],
    [
      'requirements that contradict each other',
      ['needs-alpha==1.0', 'alpha==1.0'],
      /contradict each other: needs-alpha.* \(requirements\.txt, line 1\) needs alpha.*alpha==1\.0 \(requirements\.txt, line 2\)/,
      { file: 'requirements.txt', line: 2, package: 'alpha' },
    ],
  ] as const satisfies readonly (readonly [string, readonly string[], RegExp, ErrorDetail])[])
    it(`${what} is build_failed, and file, line and package are named`, async () => {
      const spec = await world.repo(`wrong-${what.replaceAll(' ', '-')}`, requirements);
      const { failed, events } = await bothFail(spec);
      assert.equal(failed.code, 'build_failed');
      assert.match(failed.message, sentence);
      assert.deepEqual(failed.detail, detail);
      assert.ok(logOf(events, 'building').some((line) => line.includes('No solution found')));
    });

  for (const [what, requirement] of [
    ['an option that reads a file of the hub', '-r /etc/passwd'],
    ['a variable of the hub', 'alpha @ https://example.org/${HOME}/x.whl'],
    ['a file address', 'alpha @ file:///etc/passwd'],
    ['an index of its own', '--index-url https://example.org/simple'],
  ] as const)
    it(`${what} in the requirements is refused before anything is built`, async () => {
      const spec = await world.repo(`refused-${what.replaceAll(' ', '-')}`, ['alpha', requirement]);
      const { watcher } = world.launch(spec);
      const failed = await failedOf(watcher);
      assert.equal(failed.code, 'policy');
      assert.equal(failed.detail?.file, 'requirements.txt');
      assert.equal(failed.detail?.line, 2);
      assert.deepEqual(logOf(watcher.events, 'building'), []);
    });

  it('a build that says nothing any more is ended with build_timeout', { timeout: 60_000 }, async () => {
    const { failed } = await bothFail(await world.repo('silent', ['silent']));
    assert.equal(failed.code, 'build_timeout');
    assert.match(failed.message, /said nothing for so long that it was ended; most likely it hangs/);
  });

  it('a build that talks for ever is ended with build_timeout', { timeout: 90_000 }, async () => {
    const { spec } = await world.pacedRepo('for-ever', { lines: 100_000, pauseS: 0.5 });
    const { failed, events } = await bothFail(spec);
    assert.equal(failed.code, 'build_timeout');
    assert.match(failed.message, /took longer than this hub allows and was ended/);
    assert.ok(logOf(events, 'building').includes('step 10'));
  });

  it(
    'a build that floods its log with 100,000 lines keeps every numbered line in order, and its reason',
    { timeout: 90_000 },
    async () => {
      const { failed, events } = await bothFail(await world.repo('flood', ['flood==1.0']));
      assert.equal(failed.code, 'build_failed');
      assert.match(failed.message, /flood \(requirements\.txt, line 1\) could not be built from source/);
      const log = logOf(events, 'building');
      const flood = log.filter((line) => /^\s*flood \d+$/.test(line)).map((line) => Number(line.trim().slice(6)));
      assert.ok(flood.length > 50_000, `${flood.length} lines came`);
      assert.deepEqual(
        flood,
        [...flood].sort((a, b) => a - b),
      );
      assert.ok(log.some((line) => line.includes('the end of the flood')));

      // Whoever asks later gets the same log, whole or from any line.
      const key = (await world.records()).find(({ spec }) => String(spec).includes('/flood/'))?.['environment'] as {
        key: string;
      };
      const address = world.hub.address.replace(/\/$/, '');
      const state = (await (await fetch(address + API.environment(key.key))).json()) as {
        state: string;
        error: { code: string };
      };
      assert.deepEqual([state.state, state.error.code], ['failed', 'build_failed']);
      const text = await (await fetch(address + API.environmentLog(key.key))).text();
      assert.deepEqual(
        text
          .trimEnd()
          .split('\n')
          .map((line) => line.trimEnd()),
        log,
      );
      const later = await (await fetch(`${address}${API.environmentLog(key.key)}?from=${log.length}`)).text();
      assert.equal(later.trim(), log.at(-1)?.trim());
    },
  );

  it(
    'a build that fills its disk budget is ended with disk_full, and the room is free again',
    { timeout: 60_000 },
    async () => {
      const { failed } = await bothFail(await world.repo('fill', ['fill==1.0']));
      assert.equal(failed.code, 'disk_full');
      assert.match(failed.message, /takes more room on disk than this hub allows for one/);
      const environments = join(world.hub.stateDir, 'environments');
      for (const key of (await readdir(environments)).filter((name) => !name.startsWith('.')))
        for (const generation of await readdir(join(environments, key)))
          for (const name of ['env', 'tmp', 'home', 'source'])
            assert.ok(!(await readdir(join(environments, key, generation))).includes(name), `${name} is left`);
    },
  );

  it('after all that a good build is built and runs', { timeout: 60_000 }, async () => {
    const { launch } = world.launch(await world.repo('good', ['alpha==2.0']));
    const server = await launch.server;
    assert.equal(await world.output(server, 'import alpha; print(alpha.version)'), '2.0');
    await world.stopAll();
  });
});
