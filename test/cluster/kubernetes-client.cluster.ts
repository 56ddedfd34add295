import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { CoreV1Api, KubeConfig, RbacAuthorizationV1Api } from '@kubernetes/client-node';
import pino from 'pino';
import { systemClock } from '../../server/clock.ts';
import { createInClusterAccess } from '../../server/kubernetes/in-cluster-access.ts';
import { createKubeconfigAccess } from '../../server/kubernetes/kubeconfig-access.ts';
import type { V1Pod } from '../../server/kubernetes/kubernetes-api.ts';
import { createKubernetesClient, type KubernetesClient } from '../../server/kubernetes/kubernetes-client.ts';
import { KubernetesError } from '../../server/kubernetes/kubernetes-error.ts';
import { createLeaderLease, type LeaderLease } from '../../server/kubernetes/lease.ts';
import { followPodLog, type PodLogEnd } from '../../server/kubernetes/pod-log.ts';
import { createPodWatch } from '../../server/kubernetes/pod-watch.ts';
import { clusterImage } from '../helpers/cluster-images.ts';
import { clusterNamespace, type ClusterNamespace } from '../helpers/cluster-namespace.ts';
import { startTunnelProxy, type TunnelProxy } from '../helpers/fake-apiserver-proxy.ts';

const log = pino({ level: 'silent' });
const signal = () => AbortSignal.timeout(120_000);
const is =
  (status: number, message = /./) =>
  (error: unknown) =>
    KubernetesError.is(error, status) && message.test(error.message);

const until = async (isSo: () => boolean | Promise<boolean>, what: string, withinMs = 60_000) => {
  const deadline = performance.now() + withinMs;
  while (!(await isSo())) {
    assert.ok(performance.now() < deadline, what);
    await systemClock.sleep(50);
  }
};

describe('the client of a real cluster', { timeout: 600_000 }, () => {
  let namespace: ClusterNamespace;
  let api: KubernetesClient;
  let proxy: TunnelProxy;
  /** The same API behind a network that breaks. */
  let distant: KubernetesClient;
  let image: string;
  let core: CoreV1Api;
  let ns = '';

  before(async () => {
    image = await clusterImage('session');
    namespace = await clusterNamespace('liveleaf-client');
    ({ api, name: ns } = namespace);
    const kubeconfig = new KubeConfig();
    kubeconfig.loadFromDefault();
    core = kubeconfig.makeApiClient(CoreV1Api);
    proxy = await startTunnelProxy();
    const access = await createKubeconfigAccess({});
    const timeouts = { callTimeoutMs: 2_000, totalTimeoutMs: 3_000, watchGraceMs: 1_000 };
    distant = await createKubernetesClient({ access: { ...access, proxyUrl: proxy.url }, timeouts });
  });
  after(async () => {
    await distant?.close();
    await proxy?.close();
    await namespace?.remove();
  });

  const pod = (name: string, script = 'true', labels: Record<string, string> = {}): V1Pod => ({
    metadata: { name, labels },
    spec: {
      restartPolicy: 'Never',
      terminationGracePeriodSeconds: 0,
      automountServiceAccountToken: false,
      securityContext: { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: 'RuntimeDefault' } },
      containers: [
        {
          name: 'main',
          image,
          command: ['sh', '-c', script],
          resources: { requests: { cpu: '10m', memory: '32Mi' }, limits: { memory: '128Mi' } },
          securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
        },
      ],
    },
  });
  const gated = (name: string, labels: Record<string, string> = {}): V1Pod => {
    const { metadata, spec } = pod(name, 'sleep 60', labels);
    return { metadata: metadata!, spec: { ...spec!, schedulingGates: [{ name: 'liveleaf/environment' }] } };
  };

  it('knows its version, and finds itself allowed what an administrator is', async () => {
    assert.match(await api.version(), /^v1\.\d+\.\d+/);
    assert.equal(await api.may({ namespace: ns, verb: 'get', resource: 'pods', subresource: 'log' }), true);
    assert.equal(await api.may({ namespace: ns, verb: 'update', resource: 'leases' }), true);
  });

  it('makes pods, refuses a second one of the name, and deletes only the one that was meant', async () => {
    const tried = await api.createPod(ns, gated('made'), { dryRun: true });
    assert.equal(tried.metadata?.name, 'made');
    const made = await api.createPod(ns, gated('made', { kind: 'made' }));
    assert.ok(made.metadata?.creationTimestamp instanceof Date);
    await assert.rejects(api.createPod(ns, gated('made')), is(409, /already exists/));
    const { items } = await api.listPods(ns, 'kind=made');
    assert.deepEqual(
      items.map(({ metadata }) => metadata?.uid),
      [made.metadata.uid],
    );
    await assert.rejects(api.deletePod(ns, 'made', { uid: '00000000-0000-0000-0000-000000000000' }), is(409));
    assert.equal(await api.deletePod(ns, 'made', { uid: made.metadata.uid! }), true);
    await assert.rejects(api.getPod(ns, 'made'), is(404));
    assert.equal(await api.deletePod(ns, 'made'), false);
  });

  it('is told what the namespace does not allow', async () => {
    const loose = pod('loose');
    delete loose.spec!.containers[0]!.securityContext;
    await assert.rejects(api.createPod(ns, loose), is(403, /violates PodSecurity/));
    await assert.rejects(api.createPod(ns, { metadata: { name: 'Bad_Name' }, spec: loose.spec! }), is(422));
  });

  it('opens a gated pod with its image in one patch, and not from a stale version', async () => {
    const waiting = await api.createPod(ns, gated('gated'));
    const noted = await api.patchPod(ns, 'gated', { metadata: { annotations: { 'liveleaf/record': '{}' } } });
    const open = (resourceVersion: string | undefined) =>
      api.patchPod(ns, 'gated', [
        { op: 'test', path: '/metadata/resourceVersion', value: resourceVersion },
        { op: 'remove', path: '/spec/schedulingGates' },
        { op: 'replace', path: '/spec/containers/0/image', value: image },
      ]);
    await assert.rejects(open(waiting.metadata?.resourceVersion), is(422));
    await assert.rejects(
      api.patchPod(ns, 'gated', {
        metadata: { resourceVersion: waiting.metadata?.resourceVersion, labels: { a: 'b' } },
      }),
      is(409),
    );
    await open(noted.metadata?.resourceVersion);
    await until(async () => (await api.getPod(ns, 'gated')).status?.phase === 'Running', 'the pod runs');
    const events = await api.podEvents(ns, 'gated');
    assert.ok(events.some(({ reason }) => reason === 'Scheduled'));
    await api.deletePod(ns, 'gated');
  });

  it('gets exactly as many pods as the quota has room for', async () => {
    await core.createNamespacedResourceQuota({
      namespace: ns,
      body: { metadata: { name: 'pods' }, spec: { hard: { pods: '3' } } },
    });
    const quota = async () => (await core.readNamespacedResourceQuota({ namespace: ns, name: 'pods' })).status;
    await until(async () => (await quota())?.hard?.['pods'] === '3', 'the quota counts');
    const names = Array.from({ length: 12 }, (_, index) => `counted-${index}`);
    const results = await Promise.allSettled(names.map((name) => api.createPod(ns, gated(name))));
    const refused = results.flatMap((result) => (result.status === 'rejected' ? [result.reason as unknown] : []));
    assert.equal(results.length - refused.length, 3);
    for (const error of refused) assert.ok(is(403, /exceeded quota/)(error), String(error));
    await core.deleteNamespacedResourceQuota({ namespace: ns, name: 'pods' });
    await Promise.all(names.map((name) => api.deletePod(ns, name)));
  });

  describe('with a pod’s own account', () => {
    let folder = '';
    let own: KubernetesClient;
    before(async () => {
      folder = await mkdtemp(join(tmpdir(), 'liveleaf-account-'));
      await core.createNamespacedServiceAccount({ namespace: ns, body: { metadata: { name: 'hub' } } });
      const { status } = await core.createNamespacedServiceAccountToken({
        namespace: ns,
        name: 'hub',
        body: { spec: { audiences: [], expirationSeconds: 600 } } as never,
      });
      const { server, credentials } = await createKubeconfigAccess({});
      await writeFile(join(folder, 'token'), status?.token ?? '');
      await writeFile(join(folder, 'ca.crt'), (await credentials(false)).tls.ca ?? '');
      const { hostname, port } = new URL(server);
      const env = { KUBERNETES_SERVICE_HOST: hostname, KUBERNETES_SERVICE_PORT: port || '443' };
      const access = await createInClusterAccess({ env, folder });
      assert.ok(access);
      own = await createKubernetesClient({ access });
    });
    after(async () => {
      await own?.close();
      await rm(folder, { recursive: true });
    });

    it('may do what its role says, and nothing else', async () => {
      const may = (verb: string, resource: string, subresource?: string) =>
        own.may({ namespace: ns, verb, resource, ...(subresource === undefined ? {} : { subresource }) });
      assert.deepEqual(await Promise.all([may('list', 'pods'), may('get', 'pods', 'log'), may('get', 'leases')]), [
        false,
        false,
        false,
      ]);
      await assert.rejects(own.listPods(ns, ''), is(403, /cannot list resource "pods"/));
      assert.deepEqual(await own.podEvents(ns, 'any'), []);
      const kubeconfig = new KubeConfig();
      kubeconfig.loadFromDefault();
      const rbac = kubeconfig.makeApiClient(RbacAuthorizationV1Api);
      await rbac.createNamespacedRole({
        namespace: ns,
        body: {
          metadata: { name: 'hub' },
          rules: [
            { apiGroups: [''], resources: ['pods'], verbs: ['list'] },
            { apiGroups: ['coordination.k8s.io'], resources: ['leases'], verbs: ['get'] },
          ],
        },
      });
      await rbac.createNamespacedRoleBinding({
        namespace: ns,
        body: {
          metadata: { name: 'hub' },
          roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'hub' },
          subjects: [{ kind: 'ServiceAccount', name: 'hub', namespace: ns }],
        },
      });
      await until(() => may('list', 'pods'), 'the role holds');
      assert.deepEqual(await Promise.all([may('get', 'pods', 'log'), may('get', 'leases')]), [false, true]);
      assert.ok((await own.listPods(ns, '')).resourceVersion);
      await assert.rejects(own.getPod(ns, 'any'), is(403));
    });

    it('reads its token anew where the one it has is refused', async () => {
      const { readFile } = await import('node:fs/promises');
      const token = await readFile(join(folder, 'token'), 'utf8');
      const { server } = await createKubeconfigAccess({});
      const { hostname, port } = new URL(server);
      const env = { KUBERNETES_SERVICE_HOST: hostname, KUBERNETES_SERVICE_PORT: port || '443' };
      await writeFile(join(folder, 'token'), 'expired');
      const access = await createInClusterAccess({ env, folder });
      const client = await createKubernetesClient({ access: access! });
      await assert.rejects(client.listPods(ns, ''), is(401));
      await writeFile(join(folder, 'token'), token);
      assert.ok((await client.listPods(ns, '')).resourceVersion);
      await client.close();
    });
  });

  describe('following a log', () => {
    const RUN_LOGGED = '/opt/liveleaf/build/run_logged.py';
    const LINES = 100_000;

    it('gives a hundred thousand lines once and in order, whatever the network does', async () => {
      // Shorter lines than the cap on a whole log allows.
      const command = `exec python3 -I -S ${RUN_LOGGED} -- python3 -c 'for n in range(${LINES}): print(n)'`;
      await api.createPod(ns, pod('long', command));
      const options = { api: distant, namespace: ns, pod: 'long', container: 'main', clock: systemClock };
      let next = 1;
      let end: PodLogEnd | undefined;
      let resets = 0;
      const breaking = setInterval(() => {
        if (resets < 8) resets += proxy.faults.reset() > 0 ? 1 : 0;
      }, 250);
      try {
        for await (const item of followPodLog(options, 1, signal())) {
          if (item.kind === 'end') end = item;
          else {
            assert.equal(item.line, next);
            assert.equal(item.text, String(next - 1));
            next += 1;
          }
        }
      } finally {
        clearInterval(breaking);
      }
      assert.deepEqual(end, { kind: 'end', reason: 'complete', isTruncated: false, lines: LINES, missing: 0 });
      assert.ok(resets > 2, `${resets} resets`);
      await api.deletePod(ns, 'long');
    });

    it('bears a container that is silent for long, and a connection that dies meanwhile', async () => {
      const script = `exec python3 -I -S ${RUN_LOGGED} -- sh -c 'echo one; sleep 6; echo two'`;
      await api.createPod(ns, pod('quiet', script));
      const options = {
        api: distant,
        namespace: ns,
        pod: 'quiet',
        container: 'main',
        clock: systemClock,
        silenceMs: 2_000,
      };
      const texts: string[] = [];
      for await (const item of followPodLog(options, 1, signal())) {
        texts.push(item.kind === 'line' ? item.text : item.reason);
        if (texts.length === 1) proxy.faults.freeze();
      }
      assert.deepEqual(texts, ['one', 'two', 'complete']);
      await api.deletePod(ns, 'quiet');
    });

    it('says that it is truncated where its container ended without a mark', async () => {
      await api.createPod(ns, pod('killed', `echo '1 one'; echo 'no line of it'; echo '2 two'; exit 137`));
      const options = { api, namespace: ns, pod: 'killed', container: 'main', clock: systemClock };
      const items: string[] = [];
      for await (const item of followPodLog(options, 1, signal()))
        items.push(item.kind === 'line' ? item.text : `${item.reason} ${item.lines}`);
      assert.deepEqual(items, ['one', 'two', 'unfinished 2']);
      await api.deletePod(ns, 'killed');
    });

    it('says that it is gone where its pod was deleted', async () => {
      await api.createPod(ns, pod('deleted', `echo '1 one'; sleep 60`));
      const options = { api, namespace: ns, pod: 'deleted', container: 'main', clock: systemClock };
      const items: string[] = [];
      for await (const item of followPodLog(options, 1, signal())) {
        items.push(item.kind === 'line' ? item.text : item.reason);
        if (item.kind === 'line') await api.deletePod(ns, 'deleted');
      }
      assert.deepEqual(items, ['one', 'gone']);
    });
  });

  describe('watching pods', () => {
    it('knows them in the end, whatever the network does, and says when it does not', async () => {
      const watch = createPodWatch({
        api: distant,
        namespace: ns,
        labelSelector: 'kind=watched',
        clock: systemClock,
        log,
        watchSeconds: 2,
        maxAgeMs: 4_000,
      });
      const known = new Set<string>();
      watch.onChange(({ type, pod: { metadata } }) => {
        const name = metadata?.name ?? '';
        if (type === 'added') assert.ok(!known.has(name), `${name} was added twice`);
        if (type === 'deleted') known.delete(name);
        else known.add(name);
      });
      const converge = (...names: string[]) =>
        until(() => watch.list().isFresh && [...known].sort().join() === names.join(), `${[...known]} is not ${names}`);
      try {
        const seen = watch.waitFor('w0', ({ status }) => status?.phase === 'Pending', signal());
        await api.createPod(ns, gated('w0', { kind: 'watched' }));
        await api.createPod(ns, gated('unwatched'));
        assert.equal((await seen).metadata?.name, 'w0');
        proxy.faults.reset();
        await api.createPod(ns, gated('w1', { kind: 'watched' }));
        await converge('w0', 'w1');
        proxy.faults.freeze();
        await api.deletePod(ns, 'w0');
        await converge('w1');
        proxy.faults.refuse();
        proxy.faults.reset();
        await api.createPod(ns, gated('w2', { kind: 'watched' }));
        await api.deletePod(ns, 'w1');
        await until(() => !watch.list().isFresh, 'it says that it is stale');
        proxy.faults.accept();
        await converge('w2');
        // What no longer has the label is gone for those who watch by it.
        await api.patchPod(ns, 'w2', { metadata: { labels: { kind: null } } });
        await converge();
        // Nothing happens for longer than several watches, and yet it is known that nothing does.
        const quietUntil = performance.now() + 9_000;
        while (performance.now() < quietUntil) {
          assert.ok(watch.list().isFresh, `${watch.list().ageMs} ms`);
          await systemClock.sleep(100);
        }
      } finally {
        await watch.close();
      }
      for (const name of ['w2', 'unwatched']) await api.deletePod(ns, name);
    });

    it('is told that it is too late where the API has forgotten', async () => {
      const from = { labelSelector: '', resourceVersion: '1', timeoutSeconds: 5 };
      const watching = async () => {
        for await (const event of api.watchPods(ns, from, signal())) assert.ok(event);
      };
      await assert.rejects(watching(), is(410));
    });
  });

  describe('leading by a lease', () => {
    const ask = (client: KubernetesClient, identity: string): LeaderLease =>
      createLeaderLease({
        api: client,
        namespace: ns,
        name: 'queue',
        identity,
        clock: systemClock,
        log,
        durationMs: 3_000,
      });

    it('has one leader, and the next one at once where it closes, and in time where it is cut off', async () => {
      const leases = [ask(distant, 'distant')];
      await until(() => leases[0]!.isLeader(), 'the first who asks leads');
      leases.push(ask(api, 'near-1'), ask(api, 'near-2'));
      const leaders = () => leases.filter((lease) => lease.isLeader());
      const pass = async (isSo: () => boolean, what: string) =>
        until(() => {
          assert.ok(leaders().length <= 1, 'two lead');
          return isSo();
        }, what);
      try {
        await systemClock.sleep(4_000);
        assert.deepEqual(leaders(), [leases[0]]);
        proxy.faults.stall();
        await pass(() => leaders().length === 1 && leaders()[0] !== leases[0], 'another takes over');
        proxy.faults.resume();
        const [leader] = leaders();
        const startedAt = performance.now();
        await leader!.close();
        await pass(() => leaders().length === 1, 'the next one takes over');
        assert.ok(performance.now() - startedAt < 2_500, `${performance.now() - startedAt} ms`);
        const { spec } = await api.getLease(ns, 'queue');
        assert.equal(spec?.leaseTransitions, 2);
        assert.ok(spec?.renewTime instanceof Date);
      } finally {
        await Promise.all(leases.map((lease) => lease.close()));
      }
      assert.equal((await api.getLease(ns, 'queue')).spec?.holderIdentity, '');
    });

    it('has one leader of many who ask at the same moment', async () => {
      const leases = Array.from({ length: 6 }, (_, index) =>
        createLeaderLease({
          api,
          namespace: ns,
          name: 'race',
          identity: `hub-${index}`,
          clock: systemClock,
          log,
          durationMs: 3_000,
        }),
      );
      await until(() => leases.some((lease) => lease.isLeader()), 'one leads');
      for (let look = 0; look < 40; look += 1) {
        assert.equal(leases.filter((lease) => lease.isLeader()).length, 1);
        await systemClock.sleep(50);
      }
      await Promise.all(leases.map((lease) => lease.close()));
    });
  });
});
