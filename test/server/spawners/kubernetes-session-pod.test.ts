import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { RECEIVED_PARAMETER } from '../../../sdk/contract/index.ts';
import { isSessionName, podNameOf, sessionOfPod } from '../../../server/spawners/kubernetes-session-name.ts';
import {
  checkProfiles,
  profileFor,
  sessionPod,
  sizeOf,
  tokenDigestOf,
  type SessionPodRequest,
  type SessionPodSettings,
} from '../../../server/spawners/kubernetes-session-pod.ts';

const DNS_LABEL = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;
const sessionName = fc.stringMatching(/^[a-z2-7]{26}$/);

describe('the name of a session’s pod', () => {
  it('is a DNS label, and leads back to its session', () => {
    fc.assert(
      fc.property(sessionName, (session) => {
        const name = podNameOf(session);
        assert.match(name, DNS_LABEL);
        assert.equal(sessionOfPod(name), session);
      }),
    );
  });

  it('is never that of another session', () => {
    fc.assert(fc.property(sessionName, sessionName, (a, b) => (podNameOf(a) === podNameOf(b)) === (a === b)));
  });

  it('is never made of anything else, nor taken for one', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.stringMatching(/^session-[a-z2-7]{20,30}$/)), (text) => {
        if (!isSessionName(text)) assert.throws(() => podNameOf(text), TypeError);
        const session = sessionOfPod(text);
        if (session !== undefined) assert.equal(podNameOf(session), text);
      }),
    );
  });
});

const SETTINGS: SessionPodSettings = { baseImage: 'registry.example.org/base@sha256:0' };
const request = (change: Partial<SessionPodRequest> = {}): SessionPodRequest => ({
  name: 'a'.repeat(26),
  kernel: {
    prefix: '/srv/env',
    python: '/srv/env/bin/python',
    displayName: 'Python 3.11',
    path: 'a.ipynb',
    variables: { A: 'b' },
  },
  size: sizeOf('default', SETTINGS),
  tokenSha256: 'd'.repeat(64),
  tokenKey: 'k1',
  labels: { 'liveleaf/launch': 'l' },
  annotations: { 'liveleaf/record': '{}' },
  deadlineMs: 90_500,
  ...change,
});

describe('the pod of a session', () => {
  it('asks for no privilege that Pod Security restricted refuses', () => {
    const { spec } = sessionPod(request(), SETTINGS);
    const [container] = spec?.containers ?? [];
    assert.equal(spec?.containers.length, 1);
    assert.equal(spec?.initContainers, undefined);
    for (const key of ['hostNetwork', 'hostPID', 'hostIPC', 'shareProcessNamespace'] as const)
      assert.equal(spec?.[key], undefined);
    assert.equal(spec?.securityContext?.runAsNonRoot, true);
    assert.deepEqual(spec?.securityContext?.seccompProfile, { type: 'RuntimeDefault' });
    assert.deepEqual(container?.securityContext, {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    });
    for (const { hostPath, emptyDir } of spec?.volumes ?? []) {
      assert.equal(hostPath, undefined);
      assert.ok(emptyDir?.sizeLimit);
    }
    for (const { hostPort } of container?.ports ?? []) assert.equal(hostPort, undefined);
  });

  it('gives a session nothing of the cluster and nothing of the hub but its own digest', () => {
    const pod = sessionPod(request(), SETTINGS);
    assert.equal(pod.spec?.automountServiceAccountToken, false);
    assert.equal(pod.spec?.enableServiceLinks, false);
    assert.equal(tokenDigestOf(pod), 'd'.repeat(64));
    const [variable, ...others] = pod.spec?.containers[0]?.env ?? [];
    assert.deepEqual(others, []);
    assert.equal(variable?.name, 'LIVELEAF_SESSION');
    assert.deepEqual(JSON.parse(variable?.value ?? ''), {
      baseUrl: `/user/${'a'.repeat(26)}/`,
      tokenSha256: 'd'.repeat(64),
      features: { lab: true, terminals: false },
      limits: { contentBytes: 2 ** 31, contentEntries: 200_000 },
      received: RECEIVED_PARAMETER,
      kernel: request().kernel,
    });
  });

  it('ends by itself, is not begun again, and does not outlive its node for long', () => {
    const { spec } = sessionPod(request(), SETTINGS);
    assert.equal(spec?.activeDeadlineSeconds, 91);
    assert.equal(spec?.restartPolicy, 'Never');
    assert.deepEqual(
      spec?.tolerations?.map(({ key, tolerationSeconds }) => [key, tolerationSeconds]),
      [
        ['node.kubernetes.io/not-ready', 60],
        ['node.kubernetes.io/unreachable', 60],
      ],
    );
  });

  it('waits behind its gate without an image, and starts at once with one', () => {
    const gated = sessionPod(request(), SETTINGS);
    assert.deepEqual(gated.spec?.schedulingGates, [{ name: 'liveleaf/queue' }]);
    assert.equal(gated.spec?.containers[0]?.image, SETTINGS.baseImage);
    const open = sessionPod(request({ image: 'registry.example.org/env@sha256:1' }), SETTINGS);
    assert.equal(open.spec?.schedulingGates, undefined);
    assert.equal(open.spec?.containers[0]?.image, 'registry.example.org/env@sha256:1');
  });

  it('takes what the operator configures', () => {
    const settings: SessionPodSettings = {
      ...SETTINGS,
      serviceAccount: 'sessions',
      priorityClass: 'readers',
      runtimeClass: 'gvisor',
      imagePullSecret: 'pull',
      canary: '10.0.0.1:443',
    };
    const { spec } = sessionPod(request(), settings);
    assert.equal(spec?.serviceAccountName, 'sessions');
    assert.equal(spec?.priorityClassName, 'readers');
    assert.equal(spec?.runtimeClassName, 'gvisor');
    assert.deepEqual(spec?.imagePullSecrets, [{ name: 'pull' }]);
    assert.deepEqual(spec?.containers[0]?.env?.[1], { name: 'LIVELEAF_CANARY', value: '10.0.0.1:443' });
  });
});

describe('the size of a session', () => {
  const settings: SessionPodSettings = {
    ...SETTINGS,
    limits: { cpu: '2' },
    profiles: { large: { limits: { memory: '8Gi' } }, odd: { requests: { cpu: '1' } } },
    repositories: [
      { match: 'gh/big.data/*', profile: 'large' },
      { match: 'gh/*', profile: 'odd' },
    ],
  };

  it('is the default one where nobody says otherwise', () => {
    const size = sizeOf(profileFor({ repo: 'gl/a/b', profile: 'default' }, settings), settings);
    assert.deepEqual(size, {
      profile: 'default',
      requests: { cpu: '50m', memory: '256Mi', ephemeralStorage: '128Mi' },
      limits: { cpu: '2', memory: '1Gi', ephemeralStorage: '4Gi' },
    });
  });

  it('is its repository’s by the first pattern that fits, and the launch’s own before that', () => {
    const of = (repo: string, profile = 'default') => profileFor({ repo, profile }, settings);
    assert.equal(of('gh/big.data/book'), 'large');
    assert.equal(of('GH/Big.Data/book'), 'large');
    assert.equal(of('gh/bigxdata/book'), 'odd');
    assert.equal(of('gh/big.data/book', 'odd'), 'odd');
    assert.equal(sizeOf('large', settings).limits.memory, '8Gi');
    assert.equal(sizeOf('large', settings).limits.cpu, '2');
  });

  it('refuses a profile that there is not, in a launch and in the configuration', () => {
    assert.throws(() => sizeOf('huge', settings), { code: 'bad_spec', message: /default, large, odd/ });
    assert.throws(() => sizeOf('constructor', settings), { code: 'bad_spec' });
    checkProfiles(settings);
    assert.throws(
      () => checkProfiles({ ...settings, repositories: [{ match: 'gh/*', profile: 'huge' }] }),
      /"huge".*kubernetes\.profiles/,
    );
  });
});
