import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { after, afterEach, before, describe, it } from 'node:test';
import { CoreV1Api, KubeConfig } from '@kubernetes/client-node';
import type { BuiltEnvironment } from '../../server/builders/builder.ts';
import { baseInterpreters } from '../../server/builders/kubernetes-base-image.ts';
import { systemClock } from '../../server/clock.ts';
import { HubError } from '../../server/errors.ts';
import type { KubernetesApi, V1Pod } from '../../server/kubernetes/kubernetes-api.ts';
import { createPodWatch, type PodWatch } from '../../server/kubernetes/pod-watch.ts';
import { createRegistryClient } from '../../server/registry/registry-client.ts';
import { podNameOf, SESSION_SELECTOR } from '../../server/spawners/kubernetes-session-name.ts';
import { createKubernetesSpawner, type KubernetesSpawner } from '../../server/spawners/kubernetes-spawner.ts';
import type { KubernetesSpawnerOptions } from '../../server/spawners/kubernetes-spawner-options.ts';
import type { Launchable, SessionRecord, SessionSeed } from '../../server/spawners/spawner.ts';
import { clusterImage, TEST_REGISTRY } from '../helpers/cluster-images.ts';
import { clusterNamespace, type ClusterNamespace } from '../helpers/cluster-namespace.ts';
import { environmentImage, LAST_WORDS } from '../helpers/environment-image.ts';
import {
  askSession,
  filesContent,
  newName,
  runCode,
  seed as localSeed,
  until,
} from '../server/spawners/session-world.ts';

const LOG = { info: () => undefined, warn: () => undefined, error: () => undefined } as never;
const WRITES = ['createPod', 'patchPod', 'deletePod'] as const;

const tokenOf = (session: string): string => createHmac('sha256', 'a key').update(session).digest('base64url');

describe('sessions on a cluster', { timeout: 900_000 }, () => {
  let namespace: ClusterNamespace;
  let core: CoreV1Api;
  let base: string;
  let python: string;
  let environment: BuiltEnvironment;
  let alive: NodeJS.Timeout;
  const open: { readonly spawner: KubernetesSpawner; readonly watch: PodWatch }[] = [];

  before(async () => {
    // The clock's timers let a process end; a test must not.
    alive = setInterval(() => undefined, 1_000);
    const registry = createRegistryClient({ allowHttp: true, clock: systemClock, log: { warn: () => undefined } });
    const found = await baseInterpreters(registry, await clusterImage('session'), `http://${TEST_REGISTRY}`);
    await registry.close();
    base = found.image;
    python = found.interpreters[0]?.version ?? '';
    const [major, minor] = python.split('.');
    environment = {
      key: 'k'.repeat(52),
      generation: 'g1',
      prefix: '/srv/env',
      python: '/srv/env/bin/python',
      displayName: 'Python',
      image: await environmentImage('whole', `${major}.${minor}`),
    };
    namespace = await clusterNamespace('spawner');
    const kubeconfig = new KubeConfig();
    kubeconfig.loadFromDefault();
    core = kubeconfig.makeApiClient(CoreV1Api);
  });
  afterEach(async () => {
    for (const { spawner, watch } of open.splice(0)) {
      await spawner.close();
      await watch.close();
    }
    for (const pod of await pods()) await namespace.api.deletePod(namespace.name, pod.metadata?.name ?? '');
  });
  after(async () => {
    await namespace?.remove();
    clearInterval(alive);
  });

  const pods = async (): Promise<readonly V1Pod[]> => (await namespace.api.listPods(namespace.name, '')).items;

  const hub = async (change: Partial<KubernetesSpawnerOptions> = {}): Promise<KubernetesSpawner> => {
    const { api } = namespace;
    const watch = createPodWatch({
      api,
      namespace: namespace.name,
      labelSelector: SESSION_SELECTOR,
      clock: systemClock,
      log: LOG,
    });
    const spawner = await createKubernetesSpawner({
      api,
      namespace: namespace.name,
      watch,
      clock: systemClock,
      log: LOG,
      newName,
      upstreamTokens: { keyId: 'k1', of: tokenOf },
      variables: (given) => ({ BINDER_REF_URL: given.refUrl }),
      pod: { baseImage: base, requests: { cpu: '10m', memory: '32Mi' }, limits: { cpu: '1', memory: '512Mi' } },
      warmSessions: 0,
      ...change,
    });
    open.push({ spawner, watch });
    return spawner;
  };

  const seed = (change: Partial<SessionSeed> = {}): SessionSeed => {
    const plain = localSeed({
      launchId: newName(),
      profile: 'default',
      refUrl: 'the-ref',
      repo: 'gh/owner/book',
      ...change,
    });
    return { ...plain, environment: { ...plain.environment, plan: { ...plain.environment.plan, python } } };
  };
  const launchable = (change: Partial<BuiltEnvironment> = {}): Launchable => ({
    environment: { ...environment, ...change },
    content: filesContent({ 'hello.txt': 'hello', 'book/data.csv': 'a,b' }),
    variables: { BINDER_REF_URL: 'the-ref' },
  });
  const start = (spawner: KubernetesSpawner, name: string, what = launchable()): Promise<SessionRecord> =>
    spawner.start(name, what, () => undefined, new AbortController().signal);
  const launch = async (spawner: KubernetesSpawner, change: Partial<SessionSeed> = {}): Promise<SessionRecord> =>
    start(spawner, (await spawner.reserve(seed(change))).name);
  const runIn = (spawner: KubernetesSpawner, record: SessionRecord, code: string): Promise<string> =>
    runCode(record.name, spawner.upstream(record.name) ?? assert.fail(), record.kernelSession?.id ?? '', code);
  const failure = async (spawner: KubernetesSpawner, what: Launchable, change: Partial<SessionSeed> = {}) => {
    const { name } = await spawner.reserve(seed(change));
    const began = performance.now();
    const error = await start(spawner, name, what).then(
      () => assert.fail('it started'),
      (thrown: unknown) => thrown,
    );
    assert.ok(error instanceof HubError, String(error));
    return { name, error, tookMs: performance.now() - began };
  };
  /** An API that counts what is written through it. */
  const counting = () => {
    let writes = 0;
    const api: KubernetesApi = { ...namespace.api };
    for (const verb of WRITES)
      Object.assign(api, {
        [verb]: (...args: unknown[]) => (writes++, (namespace.api[verb] as (...all: unknown[]) => unknown)(...args)),
      });
    return { api, writes: () => writes };
  };

  it('run the repository’s code beside its files, in pods that enforce restricted, with two writes', async () => {
    const { api, writes } = counting();
    const spawner = await hub({ api });
    const record = await launch(spawner, { path: 'book/one.ipynb' });
    assert.equal(record.state, 'ready');
    assert.equal(writes(), 2);
    const code =
      'import os, sys; print(1 + 1, sys.prefix, os.listdir("."), open("../hello.txt").read(), os.environ["BINDER_REF_URL"])';
    assert.equal(await runIn(spawner, record, code), `2 /srv/env ['data.csv'] hello the-ref`);
    const probe = [
      'import os',
      'print(os.getuid(), os.path.exists("/var/run/secrets/kubernetes.io"), [n for n in os.environ if n.endswith("_SERVICE_HOST")])',
      'try: open("/srv/env/x", "w")',
      'except OSError as error: print(error.strerror)',
    ].join('\n');
    assert.equal(await runIn(spawner, record, probe), '1000 False []\nRead-only file system');
    const upstream = spawner.upstream(record.name) ?? assert.fail();
    const status = async (token?: string) =>
      (await askSession(record.name, upstream, 'api/status', token === undefined ? {} : { token })).status;
    assert.deepEqual([await status(), await status('wrong'), await status(tokenOf(newName()))], [200, 403, 403]);
    const [pod] = await pods();
    assert.ok(!JSON.stringify(pod).includes(tokenOf(record.name)));
  });

  it('are found and reached by any other hub, and stopped by it', async () => {
    const first = await hub();
    const record = await launch(first);
    const second = await hub();
    const lost: string[] = [];
    first.onLost((name) => lost.push(name));
    assert.deepEqual(second.upstream(record.name), first.upstream(record.name));
    const taken = await start(second, record.name);
    assert.deepEqual(taken.kernelSession, record.kernelSession);
    assert.equal(await runIn(second, taken, 'print(6 * 7)'), '42');
    await second.stop(record.name);
    await until(() => lost.length > 0);
    assert.deepEqual(lost, [record.name]);
    assert.equal(first.upstream(record.name), undefined);
    assert.equal(await first.findByLaunch(record.launchId), undefined);
  });

  it('keep what a reader did when another hub starts them again', async () => {
    const record = await launch(await hub());
    const second = await hub();
    assert.equal(await runIn(second, { ...record }, 'open("hello.txt", "w").write("mine"); print("done")'), 'done');
    const again = await start(second, record.name);
    assert.equal(await runIn(second, again, 'print(open("hello.txt").read())'), 'mine');
  });

  it('tell within 30 s that there is no image', async () => {
    const spawner = await hub();
    const image = `${environment.image?.split('@')[0]}@sha256:${'0'.repeat(64)}`;
    const { error, tookMs } = await failure(spawner, launchable({ image }));
    assert.equal(error.code, 'pull_failed');
    assert.match(error.message, /not found/);
    assert.ok(tookMs < 30_000, `${tookMs} ms`);
  });

  it('tell what their server said last', async () => {
    const [major, minor] = python.split('.');
    const image = await environmentImage('broken', `${major}.${minor}`);
    const { error } = await failure(await hub(), launchable({ image }));
    assert.equal(error.code, 'session_crashed');
    assert.deepEqual(error.logTail, [LAST_WORDS]);
  });

  it('tell that their memory was too little', async () => {
    const pod = { baseImage: base, profiles: { tiny: { requests: { memory: '12Mi' }, limits: { memory: '24Mi' } } } };
    const { error } = await failure(await hub({ pod }), launchable(), { profile: 'tiny' });
    assert.equal(error.code, 'session_oom', error.message);
  });

  it('tell that no node has room for them, in the scheduler’s words', async () => {
    const pod = { baseImage: base, profiles: { huge: { requests: { memory: '900Gi' }, limits: { memory: '900Gi' } } } };
    const { error } = await failure(await hub({ pod, patience: { unschedulableMs: 3_000 } }), launchable(), {
      profile: 'huge',
    });
    assert.equal(error.code, 'capacity');
    assert.match(error.message, /Insufficient memory/);
  });

  it('leave a record behind when they fail, and nothing that runs', async () => {
    const spawner = await hub({ keepFailedMs: 8_000, sweepMs: 1_000 });
    const record = await launch(spawner);
    await spawner.fail(record.name, { code: 'session_crashed', message: 'It broke.', logTail: ['the cause'] });
    assert.equal(spawner.upstream(record.name), undefined);
    const found = await (await hub()).findByLaunch(record.launchId);
    assert.deepEqual(found?.error, { code: 'session_crashed', message: 'It broke.', logTail: ['the cause'] });
    await until(async () => (await pods())[0]?.status?.phase === 'Failed', 8_000);
    await until(async () => (await pods()).length === 0, 20_000);
  });

  it('let exactly 10 of 50 in under a quota of 10, and give the place of a failed one to a reader', async () => {
    const quota = { metadata: { name: 'ten' }, spec: { hard: { pods: '10' } } };
    await core.createNamespacedResourceQuota({ namespace: namespace.name, body: quota });
    try {
      await until(async () => {
        const { status } = await core.readNamespacedResourceQuota({ name: 'ten', namespace: namespace.name });
        return status?.used?.['pods'] === '0';
      });
      const spawner = await hub();
      const results = await Promise.allSettled(Array.from({ length: 50 }, () => spawner.reserve(seed())));
      const refused = results.flatMap((result) => (result.status === 'rejected' ? [result.reason as HubError] : []));
      assert.equal(refused.length, 40);
      for (const error of refused) assert.equal(error.code, 'capacity', error.message);
      assert.equal((await pods()).length, 10);
      assert.equal((await spawner.list()).length, 10);
      const [one] = await spawner.list();
      await spawner.fail(one?.name ?? '', { code: 'build_failed', message: 'No.' });
      assert.equal((await spawner.reserve(seed())).state, 'reserved');
      assert.equal((await pods()).length, 10);
    } finally {
      await core.deleteNamespacedResourceQuota({ name: 'ten', namespace: namespace.name });
    }
  });

  it('are warm when an environment was just used: claimed with one write, and of any commit', async () => {
    const { api, writes } = counting();
    const spawner = await hub({ api, warmSessions: 1 });
    await launch(spawner);
    const isWarm = (pod: V1Pod) => pod.metadata?.labels?.['liveleaf/warm'] === 'ready';
    await until(async () => (await pods()).some(isWarm), 60_000);
    const warm = (await pods()).find(isWarm)?.metadata?.name;
    const before = writes();
    const record = await launch(spawner, {
      path: 'book/one.ipynb',
      environmentBefore: { state: 'built', generation: 'g1' },
    });
    assert.deepEqual([podNameOf(record.name), record.warm], [warm, 'session']);
    assert.equal(writes() - before, 1);
    const code = 'import os; print(os.getcwd(), os.environ["BINDER_REF_URL"], os.listdir("."))';
    assert.equal(await runIn(spawner, record, code), `/home/jovyan/content/book the-ref ['data.csv']`);
  });

  it('are lost with their pods, and leave a stranger’s alone', async () => {
    const spawner = await hub({ sweepMs: 1_000, keepFailedMs: 1 });
    const record = await launch(spawner);
    const [pod] = await pods();
    const other = newName();
    await namespace.api.createPod(namespace.name, {
      metadata: {
        name: podNameOf(other),
        labels: { ...pod?.metadata?.labels, 'liveleaf/session': other },
        annotations: pod?.metadata?.annotations ?? {},
      },
      spec: { ...pod?.spec, nodeName: undefined, schedulingGates: [{ name: 'liveleaf/queue' }] } as never,
    });
    const lost: [string, string][] = [];
    spawner.onLost((name, { code }) => lost.push([name, code]));
    await namespace.api.deletePod(namespace.name, podNameOf(record.name));
    await until(() => lost.length > 0);
    assert.deepEqual(lost, [[record.name, 'session_lost']]);
    await spawner.stop(other);
    assert.deepEqual(await spawner.list(), []);
    // Once the sweep has been here, what it leaves stays.
    const failed = await spawner.reserve(seed());
    await spawner.fail(failed.name, { code: 'build_failed', message: 'No.' });
    await until(async () => !(await pods()).some(({ metadata }) => metadata?.name === podNameOf(failed.name)));
    assert.deepEqual(
      (await pods()).map(({ metadata }) => metadata?.name),
      [podNameOf(other)],
    );
  });

  it('end by themselves at their greatest age, whatever becomes of the hub', async () => {
    const spawner = await hub({ maxAgeMs: 4_000, warmSessionIdleMs: 0, startTimeoutMs: 8_000 });
    const record = await launch(spawner);
    const lost: string[] = [];
    spawner.onLost((_, { code }) => lost.push(code));
    await until(() => lost.length > 0, 40_000);
    assert.deepEqual(lost, ['expired']);
    assert.equal((await spawner.get(record.name))?.error?.code, 'expired');
  });
});
