import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { ErrorCode } from '../../../sdk/contract/index.ts';
import type { CoreV1Event, V1Pod } from '../../../server/kubernetes/kubernetes-api.ts';
import { endedAt, lastWarning, podProblem } from '../../../server/spawners/kubernetes-pod-problem.ts';

interface Recorded {
  readonly pod: V1Pod;
  readonly events: readonly CoreV1Event[];
}

/** Pods of a real cluster (1.34, containerd 1.6) in which something went wrong. */
const recorded = JSON.parse(
  readFileSync(join(import.meta.dirname, '..', '..', 'fixtures', 'kubernetes-pods.json'), 'utf8'),
) as Record<string, Recorded>;

const take = (name: string): Recorded => {
  const found = recorded[name];
  assert.ok(found, name);
  return structuredClone(found);
};

const at = (pod: V1Pod): number => new Date(pod.metadata?.creationTimestamp ?? 0).getTime();

interface Row {
  readonly pod: string;
  /** Seconds after the pod was made. */
  readonly after: number;
  readonly code: ErrorCode;
  readonly isFinal: boolean;
  readonly says: RegExp;
  readonly hasLog?: boolean;
}

const ROWS: readonly Row[] = [
  { pod: 'crash', after: 3, code: 'session_crashed', isFinal: true, says: /exit code 3/, hasLog: true },
  { pod: 'noSuchProgram', after: 3, code: 'session_crashed', isFinal: true, says: /no such file or directory/ },
  { pod: 'exitZero', after: 3, code: 'session_lost', isFinal: true, says: /ended by itself/, hasLog: true },
  { pod: 'outOfMemory', after: 3, code: 'session_oom', isFinal: true, says: /memory/ },
  { pod: 'evicted', after: 60, code: 'session_lost', isFinal: true, says: /Usage of EmptyDir volume "tmp" exceeds/ },
  { pod: 'deadline', after: 20, code: 'expired', isFinal: true, says: /greatest age/ },
  { pod: 'endedByDeadlinePatch', after: 40, code: 'expired', isFinal: true, says: /greatest age/ },
  { pod: 'noSuchImage', after: 3, code: 'pull_failed', isFinal: true, says: /no-such-image:latest: not found/ },
  { pod: 'noSuchDigest', after: 3, code: 'pull_failed', isFinal: true, says: /not found/ },
  { pod: 'invalidImageName', after: 1, code: 'pull_failed', isFinal: true, says: /built again/ },
  { pod: 'registryRefuses', after: 5, code: 'registry_down', isFinal: false, says: /connection refused/ },
  { pod: 'registryRefuses', after: 25, code: 'registry_down', isFinal: true, says: /connection refused/ },
  {
    pod: 'missingConfiguration',
    after: 5,
    code: 'session_crashed',
    isFinal: false,
    says: /configmap "absent" not found/,
  },
  {
    pod: 'missingConfiguration',
    after: 25,
    code: 'session_crashed',
    isFinal: true,
    says: /configmap "absent" not found/,
  },
  { pod: 'unschedulable', after: 5, code: 'capacity', isFinal: false, says: /Insufficient memory/ },
  {
    pod: 'unschedulable',
    after: 65,
    code: 'capacity',
    isFinal: true,
    says: /\d nodes are available: 1 Insufficient memory/,
  },
  { pod: 'nodeLost', after: 75, code: 'session_lost', isFinal: true, says: /Taint manager/ },
];

describe('what is wrong with a pod', () => {
  for (const { pod: name, after, code, isFinal, says, hasLog = false } of ROWS)
    it(`${name} is ${code} after ${after} s${isFinal ? '' : ', but may pass'}`, () => {
      const { pod, events } = take(name);
      const found = podProblem(pod, events, at(pod) + after * 1_000);
      assert.ok(found);
      assert.deepEqual([found.code, found.isFinal, found.hasLog], [code, isFinal, hasLog]);
      assert.match(found.message, says);
    });

  it('tells the same of a pod whose events may not be read', () => {
    for (const { pod: name, after, code } of ROWS) {
      const { pod } = take(name);
      assert.equal(podProblem(pod, [], at(pod) + after * 1_000)?.code, code, name);
    }
  });

  it('finds nothing wrong with a pod behind its gate, nor with one that has just been made', () => {
    const { pod } = take('gated');
    assert.equal(podProblem(pod, [], at(pod) + 3_600_000), undefined);
    assert.equal(podProblem({ ...pod, status: { phase: 'Pending' } }, [], at(pod)), undefined);
  });

  it('counts the wait for a node from the moment at which the pod left its gate', () => {
    const { pod } = take('unschedulable');
    const openedAt = at(pod) + 600_000;
    assert.equal(podProblem(pod, [], openedAt + 30_000, openedAt)?.isFinal, false);
    assert.equal(podProblem(pod, [], openedAt + 61_000, openedAt)?.isFinal, true);
  });

  it('waits for a node that the cluster is about to add', () => {
    const { pod, events } = take('unschedulable');
    const grows = [
      ...events,
      { type: 'Normal', reason: 'TriggeredScaleUp', message: 'a node is added' } as CoreV1Event,
    ];
    assert.equal(podProblem(pod, grows, at(pod) + 200_000)?.isFinal, false);
  });

  it('gives a node that falls silent a minute', () => {
    const { pod } = take('nodeLost');
    delete pod.metadata?.deletionTimestamp;
    const conditions = pod.status?.conditions?.filter(({ type }) => type !== 'DisruptionTarget') ?? [];
    const silent = { ...pod, status: { ...pod.status, conditions } };
    const since = new Date(conditions.find(({ type }) => type === 'Ready')?.lastTransitionTime ?? 0).getTime();
    assert.deepEqual(
      [30_000, 61_000].map((waited) => podProblem(silent, [], since + waited)?.isFinal),
      [false, true],
    );
    assert.equal(podProblem(silent, [], since + 61_000)?.code, 'session_lost');
  });

  it('believes a registry that a pull is hopeless, and only a registry', () => {
    const { pod } = take('registryRefuses');
    const waiting = pod.status?.containerStatuses?.[0]?.state?.waiting;
    assert.ok(waiting);
    const CASES: readonly [string, ErrorCode][] = [
      ['ErrImagePull: failed to authorize: unexpected status: 401 Unauthorized', 'pull_failed'],
      ['ErrImagePull: pull access denied, repository does not exist', 'pull_failed'],
      ['ErrImagePull: no match for platform in manifest: not found', 'pull_failed'],
      ['ErrImagePull: unexpected status code: 503 Service Unavailable', 'registry_down'],
      ['ErrImagePull: manifest unknown: manifest unknown', 'pull_failed'],
      ['ErrImagePull: dial tcp: i/o timeout', 'registry_down'],
      ['ErrImagePull: tls: certificate signed by unknown authority', 'registry_down'],
      ['Back-off pulling image', 'registry_down'],
    ];
    for (const [message, code] of CASES) {
      waiting.message = message;
      assert.equal(podProblem(pod, [], at(pod) + 1_000)?.code, code, message);
    }
  });

  it('knows when a pod ended, and only of one that did', () => {
    for (const name of ['crash', 'outOfMemory', 'evicted', 'deadline', 'noSuchProgram']) {
      const { pod } = take(name);
      assert.ok((endedAt(pod) ?? 0) >= at(pod), name);
    }
    for (const name of ['gated', 'noSuchImage', 'unschedulable', 'nodeLost'])
      assert.equal(endedAt(take(name).pod), undefined, name);
  });

  it('says last what the cluster warned of', () => {
    assert.match(lastWarning(take('missingConfiguration').events) ?? '', /configmap "absent" not found/);
    assert.equal(lastWarning([]), undefined);
  });
});
