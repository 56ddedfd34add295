import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PythonPlan } from '../../../server/environments/plan.ts';
import type { V1Pod } from '../../../server/kubernetes/kubernetes-api.ts';
import { failureError, outcomeOf, type BuildFailure } from '../../../server/builders/kubernetes-build-outcome.ts';

type Status = NonNullable<V1Pod['status']>;

const pod = (status: Status, metadata: V1Pod['metadata'] = {}): V1Pod => ({ metadata, status });

/** A pod that failed in a container, as the kubelet tells it. */
const failedIn = (name: string, exitCode: number, message: unknown = '', reason = 'Error'): V1Pod => {
  const text = typeof message === 'string' ? message : JSON.stringify(message);
  const status = { name, state: { terminated: { exitCode, reason, message: text } } } as never;
  return pod({ phase: 'Failed', [name === 'push' ? 'containerStatuses' : 'initContainerStatuses']: [status] });
};

const disrupted = (reason: string, status: Status = { phase: 'Running' }): V1Pod =>
  pod({ ...status, conditions: [{ type: 'DisruptionTarget', status: 'True', reason }] });

const failure = (given: V1Pod): BuildFailure => {
  const outcome = outcomeOf(given);
  if (outcome.state !== 'failed') assert.fail(`the build is ${outcome.state}`);
  return outcome.failure;
};

test('every end of a pod has its code, and one more attempt is made only for what was not the repository’s doing', () => {
  const table: readonly (readonly [string, V1Pod, string, boolean])[] = [
    ['a step of the install', failedIn('install', 1, { ok: false, code: 'build_failed', step: 'install' }), 'build_failed', false],
    ['an install that leaves no word', failedIn('install', 2), 'build_failed', false],
    ['an install out of memory', failedIn('install', 137, '', 'OOMKilled'), 'build_oom', false],
    ['a killed child of the install', failedIn('install', 1, { code: 'build_oom', reason: 'killed' }), 'build_oom', false],
    ['an install killed without a word', failedIn('install', 137), 'build_oom', false],
    ['an install that filled its disk', failedIn('install', 1, { code: 'disk_full', reason: 'budget' }), 'disk_full', false],
    ['a push out of memory', failedIn('push', 137, '', 'OOMKilled'), 'build_oom', false],
    ['a push that is refused', failedIn('push', 1, { code: 'push_failed', reason: '401' }), 'push_failed', false],
    ['a push cut off', failedIn('push', 1, { code: 'registry_down', reason: 'reset' }), 'registry_down', true],
    ['a push to a full registry', failedIn('push', 1, { code: 'disk_full', reason: '507' }), 'disk_full', false],
    ['a push with a code that is not its own', failedIn('push', 1, { code: 'banned' }), 'push_failed', false],
    ['a push that leaves no word', failedIn('push', 1, 'Traceback'), 'push_failed', false],
    ['a fetch of a commit that is gone', failedIn('fetch', 1, { code: 'ref_not_found' }), 'ref_not_found', false],
    ['a fetch that leaves no word', failedIn('fetch', 1), 'host_down', false],
    ['a network without policy', failedIn('canary', 1), 'unhealthy', false],
    ['the deadline', pod({ phase: 'Failed', reason: 'DeadlineExceeded' }), 'build_timeout', false],
    ['an eviction for the node’s sake', pod({ phase: 'Failed', reason: 'Evicted', message: 'The node was low on resource: memory.' }), 'build_lost', true],
    ['an eviction for its own disk', pod({ phase: 'Failed', reason: 'Evicted', message: 'Pod ephemeral local storage usage exceeds the total limit of containers 10Gi.' }), 'disk_full', false],
    ['a full volume', pod({ phase: 'Failed', reason: 'Evicted', message: 'Usage of EmptyDir volume "srv" exceeds the limit "1Gi".' }), 'disk_full', false],
    ['a drained node', disrupted('EvictionByEvictionAPI'), 'build_lost', true],
    ['a lost node', disrupted('DeletionByTaintManager'), 'build_lost', true],
    ['a preemption', disrupted('PreemptionByScheduler', { phase: 'Failed' }), 'build_lost', true],
    ['a node that was shut down', pod({ phase: 'Failed', reason: 'Terminated' }), 'build_lost', true],
    ['a container that its node forgot', failedIn('install', 137, '', 'ContainerStatusUnknown'), 'build_lost', true],
    ['a deletion by someone', pod({ phase: 'Running' }, { deletionTimestamp: new Date() }), 'build_lost', false],
    ['a failure without a container', pod({ phase: 'Failed' }), 'build_lost', true],
  ]; // prettier-ignore
  for (const [name, given, code, retry] of table) {
    const found = failure(given);
    assert.equal(found.code, code, name);
    assert.equal(found.retry, retry, name);
    const { message } = failureError(found, undefined, []);
    assert.match(message, /^[A-Z].+\.$/, name);
    assert.doesNotMatch(message, /made a mistake/, name);
  }
});

test('what the hub decided about a build outweighs what its pod then shows', () => {
  const annotations = { 'liveleaf/end': JSON.stringify({ code: 'build_timeout', reason: 'silence' }) };
  const found = failure(pod({ phase: 'Failed', reason: 'DeadlineExceeded' }, { annotations }));
  assert.deepEqual(found, { code: 'build_timeout', reason: 'silence', retry: false });
  assert.match(failureError(found, undefined, []).message, /said nothing for so long/);
});

test('a pod that has not ended is running, and one that has pushed tells the digest', () => {
  assert.deepEqual(outcomeOf(pod({ phase: 'Pending' })), { state: 'running' });
  assert.deepEqual(outcomeOf(pod({ phase: 'Running' })), { state: 'running' });
  const terminated = { exitCode: 0, message: JSON.stringify({ ok: true, digest: 'sha256:1' }) };
  const containerStatuses = [{ name: 'push', state: { terminated } }] as never;
  assert.deepEqual(outcomeOf(pod({ phase: 'Succeeded', containerStatuses })), { state: 'pushed', digest: 'sha256:1' });
});

test('a failed install is told with file, line and package, from its result or from the end of its log', () => {
  const plan: PythonPlan = {
    kind: 'python',
    python: '3.11.2',
    install: {
      from: 'requirements',
      lines: [
        { text: 'numpy', file: 'requirements.txt', line: 1 },
        { text: 'nmupy', file: 'requirements.txt', line: 2 },
      ],
      options: [],
    },
    tools: { uv: '0', format: 1 },
    platform: 'test',
  };
  const output = [
    '  × No solution found',
    '  ╰─▶ Because nmupy was not found in the package registry and you require nmupy,',
  ];
  const said = failure(failedIn('install', 1, { code: 'build_failed', step: 'install', reason: 'status', output }));
  const unsaid = failure(failedIn('install', 1, { code: 'build_failed', step: 'install', reason: 'status' }));
  for (const error of [failureError(said, plan, []), failureError(unsaid, plan, output)]) {
    assert.equal(error.code, 'build_failed');
    assert.deepEqual(error.detail, { file: 'requirements.txt', line: 2, package: 'nmupy' });
    assert.deepEqual(error.logTail, output);
  }
});
