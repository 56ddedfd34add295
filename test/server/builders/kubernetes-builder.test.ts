import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import type { BuildLogLine, BuildStatus } from '../../../server/builders/builder.ts';
import type { KubernetesBuilder } from '../../../server/builders/kubernetes-builder.ts';
import { HubError } from '../../../server/errors.ts';
import { KubernetesError } from '../../../server/kubernetes/kubernetes-error.ts';
import { fakeContent } from '../../helpers/fake-content.ts';
import { settle } from '../../helpers/steered-clock.ts';
import { openKubernetesBench, PLAN, REGISTRY_URL } from './kubernetes-bench.ts';

const never = new AbortController().signal;
const CONTENT = fakeContent({});

const open = async (t: TestContext, ...args: Parameters<typeof openKubernetesBench>) => {
  const bench = openKubernetesBench(...args);
  t.after(bench.close);
  const builder = await bench.open();
  const start = (one: KubernetesBuilder = builder) => one.start(bench.key, PLAN, CONTENT);
  const pod = (at = 0): string => bench.pods()[at] ?? assert.fail(`there are ${bench.pods().length} pods`);
  return { ...bench, builder, start, pod };
};

const failed = (status: BuildStatus): HubError =>
  status.state === 'failed' ? status.error : assert.fail(`the build is ${status.state}`);
const code = (expected: string) => (error: unknown) => error instanceof HubError && error.code === expected;

const START = { building: 0, pushing: 0 };
const collect = async (lines: AsyncIterable<BuildLogLine>): Promise<BuildLogLine[]> => {
  const all: BuildLogLine[] = [];
  for await (const line of lines) all.push(line);
  return all;
};
const spelled = (lines: readonly BuildLogLine[]): string[] =>
  lines.map(({ phase, line, message }) => `${phase} ${line} ${message}`);

test('a build goes from absent to running to built, and is launched by digest', async (t) => {
  const { builder, key, start, pod, kubelet, registry, settleAll, driven } = await withSettle(t);
  assert.deepEqual(await builder.status(key), { state: 'absent' });
  const generation = await driven(start());
  assert.equal(generation, '000001');
  assert.deepEqual(await builder.status(key), { state: 'running', generation });
  const waiting = builder.wait(key, generation, never);
  kubelet.build(pod());
  await settleAll();
  const status = await driven(waiting);
  assert.equal(status.state, 'built');
  const { image, prefix, python } = status.state === 'built' ? status.environment : assert.fail();
  const digest = await registry.manifest({ registry: REGISTRY_URL, repository: `liveleaf/env-${key}` }, '000001');
  assert.equal(image, `registry.example.org/liveleaf/env-${key}@${digest?.digest}`);
  assert.deepEqual([prefix, python], ['/srv/env', '/srv/env/bin/python']);
  assert.equal(await driven(start()), generation, 'a built key keeps its generation');
});

/** A bench whose clock can be moved until nothing more happens. */
async function withSettle(t: TestContext, ...args: Parameters<typeof openKubernetesBench>) {
  const bench = await open(t, ...args);
  /** Lets time pass, and threads work, until a promise is settled. */
  const driven = async <T>(promise: Promise<T>): Promise<T> => {
    let isSettled = false;
    const settled = () => (isSettled = true);
    promise.then(settled, settled);
    for (let round = 0; !isSettled && round < 2_000; round += 1) {
      await bench.clock.advance(50);
      if (round % 4 === 3) await new Promise((resolve) => setTimeout(resolve, 1));
    }
    assert.ok(isSettled, 'it is still pending');
    return promise;
  };
  /** Lets time pass, and threads work, until something holds. */
  const eventually = async (check: () => void | Promise<void>): Promise<void> => {
    for (let round = 0; ; round += 1) {
      try {
        return await check();
      } catch (error) {
        if (round === 500) throw error;
        await bench.clock.advance(50);
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    }
  };
  return { ...bench, settleAll: () => bench.clock.advance(5_000), driven, eventually };
}

test('a hundred starts through two hubs are one pod, and the second hub attaches', async (t) => {
  const { builder, open: openOther, key, pods } = await withSettle(t);
  const other = await openOther();
  const starts = Array.from({ length: 100 }, (_, at) => (at % 2 ? builder : other).start(key, PLAN, CONTENT));
  assert.deepEqual([...new Set(await Promise.all(starts))], ['000001']);
  assert.equal(pods().length, 1);
  for (const each of [builder, other]) assert.equal((await each.status(key)).state, 'running');
});

test('the log is numbered on over the containers of a phase, and resumed by line from another hub', async (t) => {
  const { builder, open: openOther, key, start, pod, kubelet, settleAll, driven } = await withSettle(t);
  const generation = await driven(start());
  const following = collect(builder.log(key, generation, START, never));
  const name = pod();
  kubelet.run(name, 'canary', ['refused']);
  kubelet.start(name, 'install');
  kubelet.say(name, 'install', 'one', 'two');
  await settleAll();
  const other = await openOther();
  const resumed = collect(other.log(key, generation, { building: 2, pushing: 0 }, never));
  kubelet.say(name, 'install', 'three');
  kubelet.end(name, 'install', 0);
  kubelet.run(name, 'push', ['layer', 'manifest']);
  kubelet.phase(name, 'Succeeded');
  await settleAll();
  assert.deepEqual(spelled(await driven(following)), [
    'building 1 refused',
    'building 2 one',
    'building 3 two',
    'building 4 three',
    'pushing 1 layer',
    'pushing 2 manifest',
  ]);
  assert.deepEqual(spelled(await driven(resumed)), [
    'building 3 two',
    'building 4 three',
    'pushing 1 layer',
    'pushing 2 manifest',
  ]);
});

test('a log without its end says so, and a gap in it is told with its size', async (t) => {
  const { builder, key, start, pod, kubelet, api, settleAll, driven } = await withSettle(t);
  const generation = await driven(start());
  const name = pod();
  kubelet.run(name, 'canary', []);
  kubelet.start(name, 'install');
  api.write('builds', name, 'install', ['1 one', '5 five']);
  kubelet.end(name, 'install', 1, { code: 'build_failed' }, false);
  kubelet.phase(name, 'Failed');
  const log = collect(builder.log(key, generation, START, never));
  for (let round = 0; round < 10; round += 1) await settleAll();
  const lines = spelled(await driven(log));
  assert.deepEqual(lines.slice(0, 3), [
    'building 1 one',
    'building 4 … 3 lines are missing here: the cluster lost them …',
    'building 5 five',
  ]);
  assert.match(lines[3] ?? '', /^building 6 The log ends here/);
  assert.equal(lines.length, 4);
});

test('an ended build’s log and failure are kept beside its image, and read when its pod is gone', async (t) => {
  const {
    builder,
    key,
    start,
    pod,
    kubelet,
    registry,
    clock,
    open: openOther,
    pods,
    settleAll,
    driven,
    eventually,
  } = await withSettle(t);
  const generation = await driven(start());
  const output = ['Because nmupy was not found in the package registry and you require nmupy,'];
  kubelet.run(pod(), 'canary', []);
  kubelet.run(pod(), 'install', ['one', 'two'], 1, { code: 'build_failed', step: 'install', output });
  await settleAll();
  const error = failed(await driven(builder.wait(key, generation, never)));
  assert.deepEqual(error.detail, { file: 'requirements.txt', line: 2, package: 'nmupy' });
  await eventually(() => assert.deepEqual(registry.held()[`liveleaf/env-${key}`], ['000001.log']));
  await clock.advance(6 * 3_600_000 + 60_000);
  await eventually(() => assert.deepEqual(pods(), []));
  for (const each of [builder, await openOther()]) {
    const status = await each.status(key);
    assert.equal(failed(status).message, error.message);
    assert.deepEqual(failed(status).detail, error.detail);
    assert.deepEqual(spelled(await collect(each.log(key, generation, { building: 1, pushing: 0 }, never))), [
      'building 2 two',
    ]);
  }
  assert.equal(await driven(start()), '000002', 'a failed build is begun anew');
});

test('a registry that is down is an error of status and start, never an absent environment', async (t) => {
  const { builder, key, start, registry, pods, pod, kubelet, settleAll, clock, driven } = await withSettle(t);
  registry.fault = 'registry_down';
  await assert.rejects(builder.status(key), code('registry_down'));
  await assert.rejects(start(), code('registry_down'));
  assert.deepEqual(pods(), []);
  registry.fault = undefined;
  const generation = await driven(start());
  const waiting = builder.wait(key, generation, never);
  kubelet.build(pod());
  registry.fault = 'registry_down';
  await settleAll();
  registry.fault = undefined;
  await settleAll();
  assert.equal((await driven(waiting)).state, 'built', 'a short failure is borne by those who wait');
  registry.fault = 'registry_down';
  await clock.advance(40_000);
  const patience = assert.rejects(builder.wait(key, generation, never), code('registry_down'));
  await clock.advance(70_000);
  await driven(patience);
});

test('a push that says it is done and left no image in the registry is a failed push', async (t) => {
  const { builder, key, start, pod, kubelet, settleAll, driven } = await withSettle(t);
  const generation = await driven(start());
  kubelet.run(pod(), 'canary', []);
  kubelet.run(pod(), 'install', []);
  kubelet.run(pod(), 'push', ['done'], 0, { ok: true, digest: 'sha256:0' });
  kubelet.phase(pod(), 'Succeeded');
  await settleAll();
  assert.equal(failed(await driven(builder.wait(key, generation, never))).code, 'push_failed');
});

test('a pod with a build’s name that is no build of this hub is refused, not used', async (t) => {
  const { builder, key, start, api, pods, driven } = await withSettle(t);
  await driven(start());
  const [name = ''] = pods();
  await builder.cancel(key);
  await api.createPod('builds', { metadata: { name }, spec: { containers: [{ name: 'theirs' }] } });
  await assert.rejects(start(), (error) => code('unhealthy')(error) && (error as Error).message.includes(name));
  assert.deepEqual(pods(), [name]);
  assert.deepEqual(await builder.status(key), { state: 'absent' });
});

test('a cancelled build is gone at once and for every hub, its waiters are told, and it can be begun anew', async (t) => {
  const { builder, open: openOther, key, start, pod, pods, kubelet, settleAll, driven } = await withSettle(t);
  const other = await openOther();
  const generation = await driven(start());
  kubelet.run(pod(), 'canary', []);
  kubelet.start(pod(), 'install');
  kubelet.say(pod(), 'install', 'one');
  const waiting = other.wait(key, generation, never);
  const log = collect(other.log(key, generation, START, never));
  await settleAll();
  await builder.cancel(key);
  assert.deepEqual(await builder.status(key), { state: 'absent' });
  await settleAll();
  assert.deepEqual(await driven(waiting), { state: 'absent' });
  assert.match(spelled(await driven(log)).at(-1) ?? '', /The log ends here/);
  assert.deepEqual(pods(), []);
  await builder.cancel(key);
  assert.equal((await driven(start(other))).length, 6);
  assert.equal(pods().length, 1);
});

test('a build that the cluster takes away is begun once more and goes on in the same log; a second time it is lost', async (t) => {
  const {
    builder,
    key,
    start,
    pod,
    pods,
    kubelet,
    registry,
    api,
    open: openOther,
    settleAll,
    driven,
    eventually,
  } = await withSettle(t);
  const generation = await driven(start());
  const log = collect(builder.log(key, generation, START, never));
  const waiting = builder.wait(key, generation, never);
  const uid = () => api.pods('builds').get(pod())?.metadata?.uid;
  const evict = () =>
    kubelet.phase(pod(), 'Failed', { reason: 'Evicted', message: 'The node was low on resource: memory.' });
  const first = uid();
  kubelet.run(pod(), 'canary', []);
  kubelet.start(pod(), 'install');
  kubelet.say(pod(), 'install', 'one');
  kubelet.end(pod(), 'install', 137, {}, false);
  evict();
  await eventually(() => {
    assert.notEqual(uid(), first);
  });
  assert.equal(pods().length, 1);
  assert.deepEqual(await builder.status(key), { state: 'running', generation });
  const other = await openOther();
  const resumed = collect(other.log(key, generation, { building: 1, pushing: 0 }, never));
  kubelet.forget(pod());
  kubelet.run(pod(), 'canary', []);
  kubelet.start(pod(), 'install');
  kubelet.say(pod(), 'install', 'one', 'two');
  await settleAll();
  kubelet.end(pod(), 'install', 137, {}, false);
  evict();
  for (let round = 0; round < 10; round += 1) await settleAll();
  assert.equal(failed(await driven(waiting)).code, 'build_lost');
  const expected = [
    'building 1 one',
    'building 2 The …',
    'building 2000000 The …',
    'building 2000001 one',
    'building 2000002 two',
    'building 2000003 The …',
  ];
  const short = (lines: readonly BuildLogLine[]) => spelled(lines).map((line) => line.replace(/ The .*$/, ' The …'));
  assert.deepEqual(short(await driven(log)), expected);
  assert.deepEqual(
    short(await driven(resumed)),
    expected.slice(1),
    'another hub has the first attempt from the registry',
  );
  assert.equal(api.calls.filter(({ verb }) => verb === 'createPod').length, 2, 'there is no third attempt');
  await eventually(() => assert.deepEqual(registry.held()[`liveleaf/env-${key}`], ['000001.1.log', '000001.log']));
  assert.equal(await driven(start()), '000002');
});

test('a push that the registry was cut from is tried in a second pod, whose log goes on in the phase of pushing', async (t) => {
  const { builder, key, start, pod, kubelet, api, settleAll, driven, eventually } = await withSettle(t);
  const generation = await driven(start());
  const log = collect(builder.log(key, generation, START, never));
  const uid = () => api.pods('builds').get(pod())?.metadata?.uid;
  const first = uid();
  kubelet.run(pod(), 'canary', []);
  kubelet.run(pod(), 'install', ['installed']);
  kubelet.run(pod(), 'push', ['cut'], 1, { code: 'registry_down', reason: 'reset' });
  await eventually(() => {
    assert.notEqual(uid(), first);
  });
  kubelet.forget(pod());
  kubelet.build(pod());
  await settleAll();
  assert.equal((await driven(builder.wait(key, generation, never))).state, 'built');
  const lines = spelled(await driven(log));
  assert.equal(lines[0], 'building 1 installed');
  assert.equal(lines[1], 'pushing 1 cut');
  assert.match(lines[2] ?? '', /^pushing 2000000 /);
  assert.deepEqual(lines.slice(3), [
    'pushing 2000001 installing',
    'pushing 2000002 installed',
    'pushing 2000003 pushing',
  ]);
});

test('a build that is cancelled between two attempts leaves nothing, and one that is never begun again is absent', async (t) => {
  const { builder, key, start, pod, pods, kubelet, registry, api, clock, settleAll, driven, eventually } =
    await withSettle(t);
  const generation = await driven(start());
  const waiting = builder.wait(key, generation, never);
  const first = api.pods('builds').get(pod())?.metadata?.uid;
  const evict = () => kubelet.phase(pod(), 'Failed', { reason: 'Evicted', message: 'The node was low on resource.' });
  evict();
  await eventually(() => {
    assert.notEqual(api.pods('builds').get(pod())?.metadata?.uid, first);
  });
  await builder.cancel(key);
  assert.deepEqual(registry.held(), {});
  assert.deepEqual(await builder.status(key), { state: 'absent' });
  await settleAll();
  assert.deepEqual(await driven(waiting), { state: 'absent' });

  await driven(start());
  let broken = true;
  api.onCall = ({ verb }) => {
    if (verb === 'createPod' && broken) throw new KubernetesError(403, 'Forbidden', 'exceeded quota');
  };
  const again = builder.wait(key, generation, never);
  evict();
  await eventually(() => {
    assert.deepEqual(pods(), []);
  });
  await eventually(async () =>
    assert.equal((await builder.status(key)).state, 'running', 'the next attempt may come at any moment'),
  );
  await clock.advance(30_000);
  assert.deepEqual(await driven(again), { state: 'absent' });
  assert.deepEqual(await builder.status(key), { state: 'absent' });
  broken = false;
  assert.equal(await driven(start()), '000002');
});

test('a build that says nothing is ended by whichever hub sees it, with its log kept', async (t) => {
  const { builder, key, start, pod, kubelet, api, clock, settleAll, driven } = await withSettle(t, {
    limits: { silenceMs: 600_000 },
  });
  const generation = await driven(start());
  const name = pod();
  kubelet.run(name, 'canary', []);
  kubelet.start(name, 'install');
  for (let minute = 0; minute < 30; minute += 1) {
    kubelet.say(name, 'install', `minute ${minute}`);
    await clock.advance(60_000);
  }
  assert.equal((await builder.status(key)).state, 'running', 'it spoke now and then');
  await clock.advance(700_000);
  const { metadata, spec } = api.pods('builds').get(name) ?? assert.fail();
  assert.equal(spec?.activeDeadlineSeconds, 1);
  assert.match(metadata?.annotations?.['liveleaf/end'] ?? '', /silence/);
  kubelet.end(name, 'install', 143);
  kubelet.phase(name, 'Failed', { reason: 'DeadlineExceeded' });
  await settleAll();
  const error = failed(await driven(builder.wait(key, generation, never)));
  assert.equal(error.code, 'build_timeout');
  assert.match(error.message, /said nothing/);
  assert.equal(error.logTail?.at(-1), 'minute 29');
});

test('what a node cannot pull or make fails soon, with the kubelet’s own words', async (t) => {
  for (const [reason, expected] of [
    ['ImagePullBackOff', 'pull_failed'],
    ['InvalidImageName', 'pull_failed'],
    ['CreateContainerConfigError', 'unhealthy'],
  ] as const) {
    const { builder, key, start, pod, kubelet, clock, settleAll, driven } = await withSettle(t);
    const generation = await driven(start());
    kubelet.wait(pod(), 'canary', reason, 'it is not there');
    await clock.advance(30_000);
    assert.equal((await builder.status(key)).state, 'running');
    await clock.advance(60_000);
    kubelet.phase(pod(), 'Failed', { reason: 'DeadlineExceeded' });
    await settleAll();
    const error = failed(await driven(builder.wait(key, generation, never)));
    assert.equal(error.code, expected);
    assert.match(error.logTail?.join('\n') ?? '', /it is not there/);
  }
});

test('a build that no node has room for is given up, remembered and cleared away', async (t) => {
  const { builder, key, start, pods, clock, registry, driven, eventually } = await withSettle(t);
  const generation = await driven(start());
  const log = collect(builder.log(key, generation, START, never));
  await clock.advance(700_000);
  const error = failed(await builder.status(key));
  assert.equal(error.code, 'capacity');
  assert.ok(error.retryAfterMs);
  await eventually(() => assert.deepEqual(pods(), []));
  assert.deepEqual(registry.held()[`liveleaf/env-${key}`], ['000001.log']);
  assert.equal(failed(await builder.status(key)).code, 'capacity');
  await clock.advance(60_000);
  assert.ok((await driven(log)).length <= 1);
});

test('what the cluster refuses is told as what it is: a quota to wait for, a permission to be given, a bug, an absence', async (t) => {
  const { start, api, pods, driven } = await withSettle(t);
  const cases = [
    [new KubernetesError(403, 'Forbidden', 'pods "x" is forbidden: exceeded quota: builds'), 'capacity'],
    [new KubernetesError(403, 'Forbidden', 'pods is forbidden: User "hub" cannot create'), 'unhealthy'],
    [new KubernetesError(404, 'NotFound', 'namespaces "builds" not found'), 'unhealthy'],
    [new KubernetesError(422, 'Invalid', 'spec.containers: Required value'), 'internal'],
    [new KubernetesError(0, 'Unreachable', 'connect ECONNREFUSED'), 'capacity'],
    [new KubernetesError(503, 'ServiceUnavailable', 'later'), 'capacity'],
  ] as const;
  for (const [thrown, expected] of cases) {
    api.onCall = ({ verb }) => {
      if (verb === 'createPod') throw thrown;
    };
    await assert.rejects(start(), code(expected), thrown.message);
    assert.deepEqual(pods(), []);
  }
  api.onCall = undefined;
  assert.equal(await driven(start()), '000001');
});

test('a create whose answer is lost is one build when it is tried again', async (t) => {
  const { start, api, pods, builder, key, driven } = await withSettle(t);
  let lose = true;
  api.onAnswer = ({ verb }) => {
    if (verb === 'createPod' && lose) throw new KubernetesError(0, 'Cut', 'the connection was cut');
  };
  await assert.rejects(start(), code('capacity'));
  lose = false;
  assert.equal(await driven(start()), '000001');
  assert.equal(pods().length, 1);
  assert.equal((await builder.status(key)).state, 'running');
});

test('a build that someone deletes is lost to those who wait for it, and nothing is begun again unasked', async (t) => {
  const { builder, key, start, pod, pods, api, kubelet, settleAll, driven } = await withSettle(t);
  const generation = await driven(start());
  kubelet.run(pod(), 'canary', []);
  kubelet.start(pod(), 'install');
  const waiting = builder.wait(key, generation, never);
  await settleAll();
  api.remove('builds', pod());
  await settleAll();
  assert.deepEqual(await driven(waiting), { state: 'absent' });
  assert.deepEqual(pods(), []);
});

test('a hub that closes leaves its builds alone, and the next one keeps their logs', async (t) => {
  const {
    builder,
    key,
    start,
    pod,
    pods,
    kubelet,
    registry,
    open: openOther,
    settleAll,
    driven,
    eventually,
  } = await withSettle(t);
  const generation = await driven(start());
  await builder.close();
  assert.equal(pods().length, 1);
  kubelet.build(pod());
  const next = await openOther();
  await settleAll();
  assert.equal((await driven(next.wait(key, generation, never))).state, 'built');
  await eventually(() => assert.deepEqual(registry.held()[`liveleaf/env-${key}`], ['000001', '000001.log']));
});

test('own code needs a git host', async (t) => {
  const { builder, key } = await withSettle(t);
  const plan = { ...PLAN, ownCode: { commit: 'f'.repeat(64), subfolder: '' } };
  const content = { ...CONTENT, source: { kind: 'dir', folder: '/x', digest: 'f'.repeat(64) } } as const;
  await assert.rejects(builder.start(key, plan, content), code('unsupported_environment'));
});

test('a watch that is stale is not believed: the cluster is asked', async (t) => {
  const { builder, key, start, api, clock, open: openOther, driven } = await withSettle(t);
  await driven(start());
  const other = await openOther();
  api.onCall = ({ verb }) => {
    if (verb === 'watchPods') throw new KubernetesError(0, 'Unreachable', 'no watch');
  };
  api.cut(new KubernetesError(0, 'Cut', 'cut'));
  await clock.advance(120_000);
  const before = api.calls.length;
  for (const each of [builder, other]) assert.equal((await each.status(key)).state, 'running');
  assert.ok(api.calls.slice(before).some(({ verb }) => verb === 'listPods') || other.watch.list().isFresh);
  await settle();
});
