import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { V1Pod } from '../../../server/kubernetes/kubernetes-api.ts';
import {
  failureAnnotation,
  recordMetadata,
  recordOf,
  type AskedSession,
} from '../../../server/spawners/kubernetes-session-record.ts';
import { endPod, environment, runPod } from './kubernetes-session-world.ts';
import { newName, seed } from './session-world.ts';

const SETTINGS = { keepFailedMs: 60_000, startTimeoutMs: 120_000 };
const NOW = 1_800_000_000_000;

const asked = (change: Partial<AskedSession> = {}): AskedSession => ({
  ...seed({ launchId: newName(), createdAt: NOW - 1_000 }),
  name: 'a'.repeat(26),
  generation: 1,
  expiresAt: NOW + 3_600_000,
  warm: 'none',
  ...change,
});

/** A pod that carries a record, as the API would hold it. */
const podOf = (record: AskedSession, change: (pod: V1Pod) => void = () => undefined): V1Pod => {
  const pod: V1Pod = {
    metadata: { name: `session-${record.name}`, ...recordMetadata(record) },
    spec: { containers: [], schedulingGates: [{ name: 'liveleaf/queue' }] },
    status: { phase: 'Pending' },
  };
  change(pod);
  return pod;
};

const open = (pod: V1Pod, at = NOW): void => {
  if (pod.spec) pod.spec.schedulingGates = [];
  annotate(pod, 'liveleaf/opened', JSON.stringify({ at, environment: environment() }));
};
const annotate = (pod: V1Pod, name: string, value: string): void => {
  pod.metadata = { ...pod.metadata, annotations: { ...pod.metadata?.annotations, [name]: value } };
};
const stateOf = (pod: V1Pod, known = {}) => recordOf(pod, known, NOW, SETTINGS)?.state;

describe('a record that is a pod', () => {
  it('comes back as it was written, its plan unpacked on demand', () => {
    const written = asked({ fetchLog: ['Größe: “ok”'], path: 'a/b.ipynb' });
    const record = recordOf(podOf(written), {}, NOW, SETTINGS);
    assert.ok(record);
    assert.deepEqual(record.environment.plan, written.environment.plan);
    assert.deepEqual(
      { ...record, environment: { ...record.environment, plan: record.environment.plan } },
      { ...written, state: 'reserved', lastActivityAt: written.createdAt },
    );
  });

  it('has its state from the pod', () => {
    assert.equal(stateOf(podOf(asked())), 'reserved');
    assert.equal(stateOf(podOf(asked(), open)), 'starting');
    assert.equal(stateOf(podOf(asked(), (pod) => (open(pod), runPod(pod)))), 'starting');
    const ready = podOf(asked(), (pod) => {
      open(pod);
      runPod(pod);
      annotate(pod, 'liveleaf/ready', JSON.stringify({ kernelSession: { id: 'k', name: 'python3' } }));
    });
    assert.equal(stateOf(ready), 'ready');
    assert.deepEqual(recordOf(ready, {}, NOW, SETTINGS)?.kernelSession, { id: 'k', name: 'python3' });
  });

  it('is ready in the end where its server runs and the hub that started it never said so', () => {
    const pod = podOf(asked(), (each) => (open(each, NOW - 300_000), runPod(each)));
    assert.equal(stateOf(pod), 'ready');
    assert.equal(stateOf(podOf(asked(), (each) => open(each, NOW - 300_000))), 'starting');
  });

  it('waits for its place although a claimed session runs already', () => {
    const pod = podOf(asked({ warm: 'session' }), (each) => (open(each), runPod(each)));
    assert.equal(stateOf(pod), 'reserved');
    assert.equal(stateOf(pod, { state: 'starting' }), 'starting');
    assert.equal(stateOf(pod, { state: 'ready' }), 'ready');
  });

  it('has failed as somebody wrote, or as its pod shows', () => {
    const written = podOf(asked(), (pod) => {
      const error = { code: 'build_failed' as const, message: 'No.', logTail: ['a', 'b'] };
      annotate(pod, 'liveleaf/failed', failureAnnotation(error, NOW + 5));
    });
    const record = recordOf(written, {}, NOW, SETTINGS);
    assert.deepEqual([record?.state, record?.removeAt], ['failed', NOW + 5]);
    assert.deepEqual(record?.error, { code: 'build_failed', message: 'No.', logTail: ['a', 'b'] });

    const at = new Date(NOW - 10_000);
    const dead = recordOf(
      podOf(asked(), (pod) => (open(pod), endPod(pod, 137, 'OOMKilled', at))),
      {},
      NOW,
      SETTINGS,
    );
    assert.deepEqual([dead?.state, dead?.error?.code, dead?.removeAt], ['failed', 'session_oom', NOW + 50_000]);
  });

  it('takes the later of two activities, and the times that were changed', () => {
    const pod = podOf(asked(), (each) => {
      annotate(each, 'liveleaf/last-activity', String(NOW - 100));
      annotate(each, 'liveleaf/expires', String(NOW + 7));
    });
    const record = recordOf(pod, { lastActivityAt: NOW - 200 }, NOW, SETTINGS);
    assert.deepEqual([record?.lastActivityAt, record?.expiresAt], [NOW - 100, NOW + 7]);
    assert.equal(recordOf(pod, { lastActivityAt: NOW, expiresAt: NOW + 9 }, NOW, SETTINGS)?.expiresAt, NOW + 9);
  });

  it('is none where the annotation is missing, garbled or another session’s', () => {
    assert.equal(recordOf({ metadata: { name: `session-${'a'.repeat(26)}` } }, {}, NOW, SETTINGS), undefined);
    assert.equal(stateOf(podOf(asked(), (pod) => annotate(pod, 'liveleaf/record', '{'))), undefined);
    const moved = podOf(asked());
    moved.metadata = { ...moved.metadata, name: `session-${'b'.repeat(26)}` };
    assert.equal(stateOf(moved), undefined);
  });

  it('fits on a pod, or is refused with what to do', () => {
    const long = Array.from({ length: 30_000 }, () => Math.random().toString(36)).join('\n');
    const environmentOf = asked().environment;
    const plan = { ...environmentOf.plan, install: { from: 'uv-lock' as const, pyproject: '', lock: long } };
    assert.throws(() => recordMetadata(asked({ environment: { ...environmentOf, plan } })), {
      code: 'unsupported_environment',
      message: /KiB compressed.*shorter uv\.lock/,
    });
  });
});
