import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DEFAULT_BUILD_LIMITS } from '../../../server/builders/build-result.ts';
import { HubError } from '../../../server/errors.ts';
import type { PythonPlan } from '../../../server/environments/plan.ts';
import { buildPodName, recordOf, type BuildIdentity } from '../../../server/builders/kubernetes-build-identity.ts';
import {
  buildPod,
  checkVariables,
  planOf,
  sourceOf,
  type BuildPodSettings,
} from '../../../server/builders/kubernetes-build-pod.ts';

const PLAN: PythonPlan = {
  kind: 'python',
  python: '3.11.2',
  install: {
    from: 'requirements',
    lines: [{ text: 'numpy==2.0', file: 'requirements.txt', line: 1 }],
    options: [],
  },
  tools: { uv: '0.9', format: 1 },
  platform: 'linux-x64',
};
const IDENTITY: BuildIdentity = {
  key: 'a'.repeat(52),
  target: `registry.example.org/liveleaf/env-${'a'.repeat(52)}`,
};
const BASE = `registry.example.org/liveleaf/session@sha256:${'0'.repeat(64)}`;
const SETTINGS: BuildPodSettings = {
  namespace: 'builds',
  baseImage: BASE,
  registry: 'https://registry.example.org',
  requests: { cpu: '250m', memory: '512Mi' },
  limits: { cpu: '2', memory: '4Gi', ephemeralStorage: '10Gi' },
  bounds: { ...DEFAULT_BUILD_LIMITS, deadlineMs: 1_800_500 },
  pushSecret: 'push',
  canary: '10.0.0.1:443',
  egressConfigMaps: ['corporate-certs', 'corporate-env'],
};
const SOURCE = { kind: 'git', url: 'https://git.example.org/own/code', commit: 'c'.repeat(40) } as const;

const pod = (change: Partial<BuildPodSettings> = {}, source?: typeof SOURCE) =>
  buildPod(
    { identity: IDENTITY, generation: '000001', plan: PLAN, ...(source ? { source } : {}) },
    { ...SETTINGS, ...change },
  );

const containers = (made: ReturnType<typeof buildPod>) => [
  ...(made.spec?.initContainers ?? []),
  ...(made.spec?.containers ?? []),
];
const mounts = (made: ReturnType<typeof buildPod>, name: string) =>
  Object.fromEntries(
    (containers(made).find((each) => each.name === name)?.volumeMounts ?? []).map((mount) => [
      mount.mountPath,
      mount.readOnly ? `${mount.name} (read-only)` : mount.name,
    ]),
  );
const variables = (made: ReturnType<typeof buildPod>, name: string) =>
  Object.fromEntries(
    (containers(made).find((each) => each.name === name)?.env ?? []).map((variable) => [variable.name, variable.value]),
  );

test('a build pod keeps every rule of the restricted Pod Security level, and has a read-only root and no account', () => {
  const { spec } = pod({}, SOURCE);
  assert.equal(spec?.automountServiceAccountToken, false);
  assert.equal(spec?.enableServiceLinks, false);
  for (const host of ['hostNetwork', 'hostPID', 'hostIPC'] as const) assert.equal(spec?.[host], undefined);
  assert.equal(spec?.securityContext?.runAsNonRoot, true);
  assert.equal(spec?.securityContext?.runAsUser, 1000);
  assert.equal(spec?.securityContext?.seccompProfile?.type, 'RuntimeDefault');
  for (const { securityContext, resources, image } of containers(pod({}, SOURCE))) {
    assert.deepEqual(securityContext, {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    });
    assert.deepEqual(resources, {
      requests: { cpu: '250m', memory: '512Mi' },
      limits: { cpu: '2', memory: '4Gi', 'ephemeral-storage': '10Gi' },
    });
    assert.equal(image, BASE);
  }
  for (const volume of spec?.volumes ?? []) {
    const kinds = Object.keys(volume).filter((name) => name !== 'name');
    assert.ok(kinds.every((kind) => ['emptyDir', 'configMap', 'secret'].includes(kind)));
  }
  assert.equal(spec?.restartPolicy, 'Never');
  assert.equal(spec?.activeDeadlineSeconds, 1801);
});

test('the push alone sees credentials, and it sees the environment read-only and nothing of the repository', () => {
  const made = pod({}, SOURCE);
  assert.deepEqual(
    containers(made).map(({ name }) => name),
    ['canary', 'fetch', 'install', 'push'],
  );
  assert.deepEqual(mounts(made, 'canary'), { '/tmp': 'tmp-canary' });
  assert.deepEqual(mounts(made, 'fetch'), {
    '/tmp': 'tmp-fetch',
    '/build': 'work',
    '/etc/corporate-certs': 'egress-corporate-certs (read-only)',
  });
  assert.deepEqual(mounts(made, 'install'), {
    '/tmp': 'tmp-install',
    '/build': 'work',
    '/srv': 'srv',
    '/etc/corporate-certs': 'egress-corporate-certs (read-only)',
  });
  assert.deepEqual(mounts(made, 'push'), {
    '/tmp': 'tmp-push',
    '/srv': 'srv (read-only)',
    '/creds': 'creds (read-only)',
  });
  assert.deepEqual(JSON.parse(variables(made, 'push')['LIVELEAF_PUSH'] ?? ''), {
    registry: 'https://registry.example.org',
    repository: `liveleaf/env-${'a'.repeat(52)}`,
    tag: '000001',
    base: `liveleaf/session@sha256:${'0'.repeat(64)}`,
    config: '/creds/config.json',
    labels: { 'liveleaf.python': '3.11.2', 'liveleaf.key': 'a'.repeat(52) },
    maxBytes: DEFAULT_BUILD_LIMITS.diskBytes,
  });
  assert.deepEqual(variables(made, 'canary'), { LIVELEAF_CANARY: '10.0.0.1:443' });
  const open = pod({ pushSecret: undefined } as never);
  assert.equal((JSON.parse(variables(open, 'push')['LIVELEAF_PUSH'] ?? '') as { config: unknown }).config, null);
});

test('the repository’s own code is fetched only where it is installed', () => {
  assert.deepEqual(
    containers(pod()).map(({ name }) => name),
    ['canary', 'install', 'push'],
  );
  assert.deepEqual(
    containers(pod({ canary: undefined } as never)).map(({ name }) => name),
    ['install', 'push'],
    'and a canary waited for only where there is one',
  );
  assert.equal(sourceOf(pod()), undefined);
  assert.deepEqual(sourceOf(pod({}, SOURCE)), SOURCE);
});

test('another hub reads the plan back from a pod, byte for byte, and the same request gives the same pod', () => {
  assert.deepEqual(planOf(pod()), PLAN);
  assert.deepEqual(pod(), pod());
  const made = pod();
  assert.deepEqual(recordOf(made), {
    kind: 'build',
    ...IDENTITY,
    generation: '000001',
    attempt: 1,
    floor: 'building',
  });
});

test('a login in an index’s address is refused before it stands in a pod for all to read', () => {
  checkVariables({ UV_DEFAULT_INDEX: 'https://index.example.org/simple', UV_INDEX: 'a=https://b/@c https://d' });
  for (const value of ['https://user:secret@index.example.org/', 'https://ok/ https://token@index.example.org/'])
    assert.throws(
      () => checkVariables({ UV_INDEX: value }),
      (error) =>
        error instanceof HubError &&
        error.message.startsWith('UV_INDEX holds a login') &&
        !/secret/.test(error.message),
    );
});

test('a plan that no pod can carry is refused in words', () => {
  const lock = Array.from({ length: 120_000 }, (_, at) => `${Math.sin(at)}`).join('\n');
  const plan: PythonPlan = { ...PLAN, install: { from: 'uv-lock', pyproject: '', lock } };
  assert.throws(
    () => buildPod({ identity: IDENTITY, generation: '000001', plan }, SETTINGS),
    (error) =>
      error instanceof HubError && error.code === 'unsupported_environment' && /shorter uv\.lock/.test(error.message),
  );
});

test('names hold for any identity, differ for any difference, and a pod that merely has the name is no build', () => {
  const names = ['a'.repeat(52), 'b'.repeat(52), '', 'ü'.repeat(1_000)].map(buildPodName);
  for (const name of names) assert.match(name, /^build-[a-z2-7]{40}$/);
  assert.equal(new Set(names).size, names.length);
  const made = pod();
  assert.equal(recordOf({ ...made, metadata: { ...made.metadata, annotations: {} } }), undefined);
  assert.equal(recordOf({ ...made, metadata: { ...made.metadata, name: 'build-mine' } }), undefined);
  assert.equal(recordOf({ ...made, metadata: { ...made.metadata, labels: {} } }), undefined);
  const garbled = { ...made.metadata, annotations: { 'liveleaf/record': '{"kind":"build"' } };
  assert.equal(recordOf({ ...made, metadata: garbled }), undefined);
});
