import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { HubError } from '../../../server/errors.ts';
import { baseInterpreters } from '../../../server/builders/kubernetes-base-image.ts';
import { createBuildImages } from '../../../server/builders/kubernetes-build-images.ts';
import { createImageUse } from '../../../server/builders/kubernetes-image-eviction.ts';
import { decodeArchive, encodeArchive } from '../../../server/builders/kubernetes-log-archive.ts';
import { createEnvironmentPlanner } from '../../../server/environments/python-environment-planner.ts';
import { fakeContent } from '../../helpers/fake-content.ts';
import { createSteeredClock } from '../../helpers/steered-clock.ts';
import { createMemoryRegistry } from './kubernetes-bench.ts';

const KEY = 'a'.repeat(52);
const REPOSITORY = `liveleaf/env-${KEY}`;
const URL_ = 'https://registry.example.org';

const open = () => {
  const registry = createMemoryRegistry();
  const clock = createSteeredClock();
  const parts = { registry, prefix: 'liveleaf/', clock };
  return {
    registry,
    clock,
    images: createBuildImages({ ...parts, url: URL_ }),
    use: createImageUse({ ...parts, origin: URL_ }),
  };
};

const code = (expected: string) => (error: unknown) => error instanceof HubError && error.code === expected;

test('the newest image of a key is found by its tag and named by its digest', async () => {
  const { registry, images } = open();
  assert.deepEqual(await images.known(KEY), { archives: [] });
  registry.push(REPOSITORY, '000002');
  const digest = registry.push(REPOSITORY, '000010', { 'liveleaf.python': '3.12.4' });
  registry.push(REPOSITORY, 'used');
  await images.writeArchive(KEY, '000011', { lines: [] });
  assert.deepEqual(await images.known(KEY), { image: '000010', archives: ['000011'], newest: '000011' });
  assert.deepEqual(await images.environment(KEY, '000010'), {
    key: KEY,
    generation: '000010',
    prefix: '/srv/env',
    python: '/srv/env/bin/python',
    displayName: 'Python 3.12',
    image: `registry.example.org/${REPOSITORY}@${digest}`,
  });
});

test('fifty questions at once are one, an image is believed for half a minute, its absence for a second', async () => {
  const { registry, clock, images } = open();
  await Promise.all(Array.from({ length: 50 }, () => images.known(KEY)));
  assert.equal(registry.calls.length, 1);
  registry.push(REPOSITORY, '000001');
  assert.equal((await images.known(KEY)).image, undefined);
  assert.equal((await images.known(KEY, true)).image, '000001');
  registry.calls.length = 0;
  await clock.advance(29_000);
  await images.known(KEY);
  assert.deepEqual(registry.calls, []);
  await clock.advance(2_000);
  await images.known(KEY);
  assert.deepEqual(registry.calls, ['tags']);
});

test('a registry that does not answer is an error each time and never “not found”, and is asked again at once', async () => {
  const { registry, images } = open();
  registry.push(REPOSITORY, '000001');
  registry.fault = 'registry_down';
  await assert.rejects(images.known(KEY), code('registry_down'));
  await assert.rejects(images.environment(KEY, '000001'), code('registry_down'));
  registry.fault = undefined;
  assert.equal((await images.known(KEY)).image, '000001');
  assert.ok(await images.environment(KEY, '000001'));
});

test('a kept log gives back lines and failure as they were, the same bytes for the same build, and garbage is no log', async () => {
  const lines = [
    { phase: 'building', line: 1, message: 'one \u001b[31mred\u001b[0m \r two' },
    { phase: 'pushing', line: 2_000_001, message: 'ünï "quoted"' },
  ] as const;
  const error = new HubError('build_failed', 'No such package.', {
    detail: { file: 'requirements.txt', line: 2, package: 'x' },
    logTail: ['one'],
    retryAfterMs: 5,
    cause: new Error('not kept'),
  });
  const content = await encodeArchive({ error, lines });
  assert.deepEqual(content, await encodeArchive({ error, lines }));
  const read = await decodeArchive(content);
  assert.deepEqual(read?.lines, lines);
  const { code: kept, message, detail, logTail, retryAfterMs } = read?.error ?? assert.fail('no error');
  assert.deepEqual(
    { kept, message, detail, logTail, retryAfterMs },
    { kept: 'build_failed', message: 'No such package.', detail: error.detail, logTail: ['one'], retryAfterMs: 5 },
  );
  assert.deepEqual(await decodeArchive(await encodeArchive({ lines: [] })), { lines: [] });
  for (const garbage of [Buffer.from('no'), gzipSync('{"format":99}\n'), gzipSync('no json')])
    assert.equal(await decodeArchive(garbage), undefined);
});

test('the base image is pinned by digest, with its interpreters newest first', async () => {
  const registry = createMemoryRegistry();
  const digest = registry.push('liveleaf/session', 'latest', {
    'liveleaf.python': '3.11.2 3.12.4 unknown',
    'liveleaf.uv': '0.9.1',
  });
  assert.deepEqual(await baseInterpreters(registry, 'registry.example.org/liveleaf/session', URL_), {
    image: `registry.example.org/liveleaf/session@${digest}`,
    digest,
    interpreters: [
      { version: '3.12.4', path: '/usr/bin/python3.12' },
      { version: '3.11.2', path: '/usr/bin/python3.11' },
    ],
    uvVersion: '0.9.1',
  });
  await assert.rejects(baseInterpreters(registry, 'registry.example.org/other'), code('unhealthy'));
  registry.push('plain', 'latest', {});
  await assert.rejects(baseInterpreters(registry, 'registry.example.org/plain'), /no label liveleaf\.python/);
  await assert.rejects(baseInterpreters(registry, 'https://registry/x'), code('bad_spec'));
  registry.fault = 'registry_down';
  await assert.rejects(baseInterpreters(registry, 'registry.example.org/plain'), code('registry_down'));
});

test('another base image makes another environment, and none keeps the keys of one machine', async () => {
  const keyOf = async (base?: string) => {
    const planner = createEnvironmentPlanner({
      interpreters: async () => [{ version: '3.11.2', path: '/usr/bin/python3.11' }],
      uvVersion: '0.9.1',
      platform: 'linux-x64',
      options: base === undefined ? {} : { base },
    });
    return planner.plan(fakeContent({ 'requirements.txt': 'numpy==2.0' }));
  };
  const local = await keyOf();
  assert.equal('base' in local.plan, false);
  assert.equal(local.key, '7trqsz7pzxcbyy7ec4bpoypuk7ffas5ox2krhjan6wwfa6t7bv4a');
  const [one, two] = [await keyOf('sha256:1'), await keyOf('sha256:2')];
  assert.equal(one.plan.base, 'sha256:1');
  assert.equal(new Set([local.key, one.key, two.key]).size, 3);
});

test('what was not used for long goes, then the longest unused until the rest fits; never what is in use', async () => {
  const { registry, clock, use } = open();
  const keys = ['a', 'b', 'c', 'd'].map((letter) => letter.repeat(52));
  const [a = '', b = '', c = '', d = ''] = keys;
  for (const [at, key] of keys.entries()) {
    registry.push(`liveleaf/env-${key}`, '000001', {}, 10_000 * (at + 1));
    await use.touch(key);
    await clock.advance(86_400_000);
  }
  registry.push('liveleaf/session', 'latest');
  registry.push('liveleaf/env-notakey', '000001');
  assert.deepEqual((await use.evict(new Set())).keys, []);
  // Layers that are shared count once: 1,000 of the base, beside four configurations, four layers and the times of use.
  const { bytes } = await use.evict(new Set());
  assert.ok(bytes > 101_000 && bytes < 103_000, String(bytes));
  assert.deepEqual((await use.evict(new Set([a]), { maxBytes: 95_000 })).keys, [b]);
  assert.deepEqual((await use.evict(new Set([c]), { maxAgeMs: 1.5 * 86_400_000 })).keys, [a]);
  assert.deepEqual(Object.keys(registry.held()).sort(), [
    `liveleaf/env-${c}`,
    `liveleaf/env-${d}`,
    'liveleaf/env-notakey',
    'liveleaf/session',
  ]);
});

test('a use is written once an hour, again after a failure, and by whichever hub', async () => {
  const { registry, clock, use } = open();
  registry.push(REPOSITORY, '000001');
  registry.fault = 'registry_down';
  await assert.rejects(use.touch(KEY), code('registry_down'));
  registry.fault = undefined;
  await use.touch(KEY);
  registry.calls.length = 0;
  await use.touch(KEY);
  assert.deepEqual(registry.calls, []);
  await clock.advance(3_600_000);
  await use.touch(KEY);
  assert.deepEqual(registry.calls, ['writeArtifact']);
});

test('an environment of unknown use is given its time from now on, and a registry without a catalogue is left alone', async () => {
  const { registry, clock, use } = open();
  registry.push(REPOSITORY, '000001');
  await clock.advance(365 * 86_400_000);
  assert.deepEqual((await use.evict(new Set())).keys, []);
  await clock.advance(31 * 86_400_000);
  registry.onCall = (verb) => {
    if (verb === 'repositories') throw new HubError('policy', 'It has no catalogue.');
  };
  assert.deepEqual((await use.evict(new Set())).keys, []);
  registry.onCall = undefined;
  assert.deepEqual((await use.evict(new Set())).keys, [KEY]);
});
