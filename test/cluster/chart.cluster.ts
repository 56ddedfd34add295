import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import {
  AuthorizationV1Api,
  CoreV1Api,
  KubeConfig,
  KubernetesObjectApi,
  PatchStrategy,
  SchedulingV1Api,
  type V1Secret,
} from '@kubernetes/client-node';
import { helm, CHART, renderChart, VALUES, valuesFile } from '../charts/render-chart.ts';
import { clusterImage, TEST_REGISTRY } from '../helpers/cluster-images.ts';
import { startProbes, type Probes } from '../helpers/cluster-probes.ts';
import { registryImage } from '../helpers/registry-image.ts';
import { until } from '../server/spawners/session-world.ts';

const kubeconfig = new KubeConfig();
kubeconfig.loadFromDefault();
const core = kubeconfig.makeApiClient(CoreV1Api);

const namespace = `chart-${randomBytes(3).toString('hex')}`;
const sessions = `${namespace}-sessions`;
const builds = `${namespace}-builds`;
const SANDBOXES = [sessions, builds];
const PRIORITY_CLASS = `${namespace}-liveleaf-sessions`;

/** What every release of this test sets; there is no hub to run yet where it has no replicas. */
const ARGS = ['--namespace', namespace].concat(
  ['--set', `config.kubernetes.sessionNamespace=${sessions}`],
  ['--set', `config.kubernetes.buildNamespace=${builds}`],
);
const install = (verb: 'install' | 'upgrade', ...more: string[]): void => {
  const set = (name: string, value: string) => ['--set', `${name}=${value}`];
  const { status, stderr } = helm([
    verb,
    'liveleaf',
    CHART,
    ...ARGS,
    '--wait',
    '--timeout',
    '120s',
    ...set('image', `${TEST_REGISTRY}/liveleaf-hub:none`),
    ...set('replicas', '0'),
    ...set('config.registry.url', `http://${TEST_REGISTRY}`),
    ...set('config.registry.allowHttp', 'true'),
    ...set('config.kubernetes.baseImage', `${TEST_REGISTRY}/liveleaf-session:none`),
    ...more,
  ]);
  if (status !== 0) throw new Error(stderr);
};

const secret = (name: string, where = namespace): Promise<V1Secret> =>
  core.readNamespacedSecret({ name, namespace: where });
const decoded = ({ data }: V1Secret, key: string): string => Buffer.from(data?.[key] ?? '', 'base64').toString();
const settings = async (): Promise<string> =>
  (await core.readNamespacedConfigMap({ name: 'liveleaf', namespace })).data?.['liveleaf.yaml'] ?? '';

describe('the chart on a cluster', { timeout: 600_000 }, () => {
  before(async () => {
    const labels = { 'pod-security.kubernetes.io/enforce': 'restricted' };
    await core.createNamespace({ body: { metadata: { name: namespace, labels } } });
    install('install');
  });
  after(async () => {
    helm(['uninstall', 'liveleaf', '--namespace', namespace, '--wait']);
    await core.deleteNamespace({ name: namespace });
  });

  it('is taken by the apiserver with every set of values, and its pods by Pod Security', async () => {
    const objects = KubernetesObjectApi.makeApiClient(kubeconfig);
    const hasType = (kind: string) => !['HTTPRoute', 'ServiceMonitor'].includes(kind);
    for (const name of VALUES) {
      const manifests = renderChart(['--values', valuesFile(name), ...ARGS], 'other');
      const pods = manifests.flatMap(({ kind, metadata, spec }) =>
        kind === 'Deployment' ? [{ apiVersion: 'v1', kind: 'Pod', metadata, spec: spec.template.spec }] : [],
      );
      for (const { kind, apiVersion, ...rest } of [...manifests, ...pods]) {
        if (!hasType(kind)) continue;
        // The accounts that these pods name would be made with them.
        const object = { kind, apiVersion, ...structuredClone(rest) };
        if (kind === 'Pod' && 'spec' in object)
          delete (object.spec as { serviceAccountName?: string }).serviceAccountName;
        const applied = objects.patch(object, undefined, 'All', 'test', true, PatchStrategy.ServerSideApply);
        await assert.doesNotReject(applied, `${kind}/${rest.metadata.name} of ${name}`);
      }
    }
  });

  it('makes what sessions and builds need, under "restricted"', async () => {
    for (const name of SANDBOXES) {
      const { metadata } = await core.readNamespace({ name });
      assert.equal(metadata?.labels?.['pod-security.kubernetes.io/enforce'], 'restricted');
      const account = await core.readNamespacedServiceAccount({ name: 'liveleaf-sandbox', namespace: name });
      assert.equal(account.automountServiceAccountToken, false);
    }
    const { spec } = await core.readNamespacedResourceQuota({ name: 'liveleaf', namespace: sessions });
    assert.deepEqual(spec?.hard, { pods: '121' });
  });

  it('keeps its keys over upgrades', async () => {
    const first = decoded(await secret('liveleaf-keys'), 'keys.json');
    assert.match(first, /^\{"keys":\[/);
    install('upgrade', '--set', 'config.quota.total=30');
    assert.equal(decoded(await secret('liveleaf-keys'), 'keys.json'), first);
    assert.match(await settings(), /total: 30/);
  });

  it('copies a login to where it is needed, and a changed one with the next upgrade', async () => {
    const login = (password: string) => JSON.stringify({ auths: { [TEST_REGISTRY]: { username: 'me', password } } });
    const data = (password: string) => ({ '.dockerconfigjson': Buffer.from(login(password)).toString('base64') });
    const type = 'kubernetes.io/dockerconfigjson';
    const metadata = { name: 'registry' };
    assert.throws(
      () => install('upgrade', '--set', 'registrySecret=registry'),
      /There is no Secret registry in the name/,
    );
    await core.createNamespacedSecret({ namespace, body: { metadata, type, data: data('first') } });
    install('upgrade', '--set', 'registrySecret=registry');
    await core.replaceNamespacedSecret({ namespace, name: 'registry', body: { metadata, type, data: data('second') } });
    install('upgrade', '--set', 'registrySecret=registry');
    assert.equal(decoded(await secret('liveleaf-push', builds), 'config.json'), login('second'));
    for (const where of SANDBOXES)
      assert.equal(decoded(await secret('liveleaf-pull', where), '.dockerconfigjson'), login('second'));
    assert.match(await settings(), /pushSecret: liveleaf-push/);
    install('upgrade');
    await assert.rejects(secret('liveleaf-push', builds), { code: 404 });
  });

  it('lets the hub do what it needs, and nothing else anywhere', async () => {
    const authorization = kubeconfig.makeApiClient(AuthorizationV1Api);
    const verbs = ['get', 'list', 'watch', 'create', 'update', 'patch', 'delete', 'deletecollection'];
    const pods = ['pods', 'pods/log', 'pods/exec', 'pods/attach', 'pods/portforward', 'pods/ephemeralcontainers'];
    const others = ['secrets', 'configmaps', 'events', 'services', 'serviceaccounts/token', 'nodes', 'namespaces'];
    const resources: readonly (readonly [string, string])[] = [
      ...pods.concat(others).map((resource) => ['', resource] as const),
      ['coordination.k8s.io', 'leases'],
      ['rbac.authorization.k8s.io', 'roles'],
      ['networking.k8s.io', 'networkpolicies'],
    ];
    const asked = [namespace, sessions, builds, 'kube-system'].flatMap((where) =>
      resources.flatMap(([group, name]) =>
        verbs.map(async (verb) => {
          const [resource, subresource] = name.split('/');
          const user = `system:serviceaccount:${namespace}:liveleaf`;
          const resourceAttributes = { namespace: where, group, resource, verb, ...(subresource && { subresource }) };
          const body = { spec: { user, groups: ['system:authenticated'], resourceAttributes } };
          const { status } = await authorization.createSubjectAccessReview({ body });
          return status?.allowed ? [`${where.slice(namespace.length)} ${name} ${verb}`] : [];
        }),
      ),
    );
    const may = (where: string, name: string, ...all: string[]) => all.map((verb) => `${where} ${name} ${verb}`);
    const sandbox = (where: string) => [
      ...may(where, 'pods', 'get', 'list', 'watch', 'create', 'patch', 'delete'),
      ...may(where, 'pods/log', 'get'),
      ...may(where, 'events', 'get', 'list'),
    ];
    assert.deepEqual(
      (await Promise.all(asked)).flat().toSorted(),
      [
        ...may('', 'leases', 'get', 'create', 'update'),
        ...sandbox('-sessions'),
        ...may('-sessions', 'secrets', 'create', 'delete'),
        ...sandbox('-builds'),
      ].toSorted(),
    );
  });

  describe('lets through the network', () => {
    const hubLabels = Object.fromEntries(
      ['name', 'instance', 'component'].map((name) => [
        `app.kubernetes.io/${name}`,
        name === 'component' ? 'hub' : 'liveleaf',
      ]),
    );
    let probes: Probes;
    let session: string;
    let hub: string;
    before(async () => {
      probes = startProbes(await clusterImage('session'));
      [session, hub] = await Promise.all([
        probes.listen(sessions, 'session', 8888),
        probes.listen(namespace, 'hub', 8585, hubLabels),
      ]);
    });
    after(() => probes.close());

    const targets = () => ({
      apiserver: 'kubernetes.default.svc:443',
      hub: `${hub}:8585`,
      session: `${session}:8888`,
      registry: TEST_REGISTRY,
    });

    it('nothing to a session but names', async () => {
      const reached = await probes.reached(sessions, 'from-session', targets());
      assert.deepEqual(reached, { names: true, apiserver: false, hub: false, session: false, registry: false });
    });

    it('the registry to a build, and names', async () => {
      const reached = await probes.reached(builds, 'from-build', targets());
      assert.deepEqual(reached, { names: true, apiserver: false, hub: false, session: false, registry: true });
    });

    it('the hub to a session, and no neighbour of the hub', async () => {
      const from = async (name: string, labels: Readonly<Record<string, string>>) =>
        (await probes.reached(namespace, name, { session: `${session}:8888` }, labels))['session'];
      assert.equal(await from('from-hub', hubLabels), true);
      assert.equal(await from('from-neighbour', {}), false);
    });
  });

  it('runs a registry that takes its own login alone', async () => {
    const nodePort = 31_000 + Math.floor(Math.random() * 1_000);
    const address = `${new URL(`http://${TEST_REGISTRY}`).hostname}:${nodePort}`;
    const values = { enabled: 'true', image: await registryImage(), nodePort: String(nodePort) };
    const args = Object.entries(values).flatMap(([name, value]) => ['--set', `inClusterRegistry.${name}=${value}`]);
    install('upgrade', '--set', `config.registry.url=http://${address}`, ...args);
    const { auths } = JSON.parse(decoded(await secret('liveleaf-push', builds), 'config.json')) as {
      auths: Record<string, { auth: string }>;
    };
    const status = async (method: string, path: string, auth?: string): Promise<number> => {
      const headers: Record<string, string> = auth === undefined ? {} : { authorization: `Basic ${auth}` };
      return (await fetch(`http://${address}${path}`, { method, headers })).status;
    };
    const auth = auths[address]?.auth;
    // A node's port opens a moment after its pod is ready.
    await until(() => status('GET', '/v2/').then(Boolean, () => false), 20_000);
    assert.equal(await status('GET', '/v2/'), 401);
    assert.equal(await status('GET', '/v2/', Buffer.from('liveleaf:wrong').toString('base64')), 401);
    assert.equal(await status('GET', '/v2/', auth), 200);
    assert.equal(await status('POST', '/v2/liveleaf/test/blobs/uploads/', auth), 202);
    // The same login after the next upgrade, though its text is made at random.
    install('upgrade', '--set', `config.registry.url=http://${address}`, ...args);
    assert.equal(await status('GET', '/v2/', auth), 200);
    install('upgrade');
  });

  it('leaves nothing behind', async () => {
    const { status, stderr } = helm(['uninstall', 'liveleaf', '--namespace', namespace, '--wait', '--timeout', '120s']);
    assert.equal(status, 0, stderr);
    for (const name of SANDBOXES) await assert.rejects(core.readNamespace({ name }), { code: 404 });
    const classes = kubeconfig.makeApiClient(SchedulingV1Api);
    await assert.rejects(classes.readPriorityClass({ name: PRIORITY_CLASS }), { code: 404 });
    const { items } = await core.listNamespacedSecret({ namespace });
    assert.deepEqual(
      items.map(({ metadata }) => metadata?.name),
      ['registry'],
    );
  });
});
