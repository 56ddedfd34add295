import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { CoreV1Api, KubeConfig, NetworkingV1Api } from '@kubernetes/client-node';
import { systemClock } from '../../server/clock.ts';
import type { PythonPlan } from '../../server/environments/plan.ts';
import type { V1Pod } from '../../server/kubernetes/kubernetes-api.ts';
import { createNumberedLog } from '../../server/kubernetes/numbered-log.ts';
import { locateImage, parseImageReference, wantedOf } from '../../server/registry/image-reference.ts';
import { createRegistryClient } from '../../server/registry/registry-client.ts';
import { clusterImage, TEST_REGISTRY } from '../helpers/cluster-images.ts';
import { clusterNamespace, type ClusterNamespace } from '../helpers/cluster-namespace.ts';
import { BASE_PACKAGES } from '../helpers/package-index.ts';
import { packageIndexFiles, type PackageIndexFiles } from '../helpers/package-index-files.ts';
import { restricted, restrictedPod } from '../helpers/restricted-pod.ts';
import { describeRegistry } from '../server/registry/describe-registry.ts';

const URL_OF_REGISTRY = `http://${TEST_REGISTRY}`;
const START_TIMEOUT_MS = 120_000;

describeRegistry('The cluster’s registry', async () => ({ url: URL_OF_REGISTRY, options: {} }));

describe('A build pod on the cluster', { timeout: 600_000 }, () => {
  let namespace: ClusterNamespace;
  let base: { image: string; repository: string; digest: string; python: string };
  let index: PackageIndexFiles;
  const repository = `liveleaf-test-${randomBytes(6).toString('hex')}/env`;
  const client = createRegistryClient({ allowHttp: true, clock: systemClock, log: { warn: () => undefined } });

  before(async () => {
    namespace = await clusterNamespace('registry');
    const reference = parseImageReference(await clusterImage('session'));
    const image = locateImage(reference, URL_OF_REGISTRY);
    const manifest = await client.manifest(image, wantedOf(reference));
    assert.ok(manifest);
    const { labels } = await client.config(image, manifest);
    base = {
      image: `${reference.host}/${image.repository}@${manifest.digest}`,
      repository: image.repository,
      digest: manifest.digest,
      python: labels['liveleaf.python'] ?? '',
    };
    index = await packageIndexFiles([...BASE_PACKAGES, { name: 'alpha', version: '1.0' }]);
    await namespace.api.createSecret(namespace.name, { metadata: { name: 'index' }, data: index.data });
  });
  after(async () => {
    for (const tag of await client.tags({ registry: URL_OF_REGISTRY, repository })) {
      const manifest = await client.manifest({ registry: URL_OF_REGISTRY, repository }, tag);
      if (manifest) await client.delete({ registry: URL_OF_REGISTRY, repository }, manifest.digest);
    }
    await client.close();
    await namespace.remove();
  });

  /** Runs a pod to its end. */
  const run = async (pod: V1Pod): Promise<V1Pod> => {
    const name = pod.metadata?.name ?? '';
    await namespace.api.createPod(namespace.name, pod);
    const until = Date.now() + START_TIMEOUT_MS;
    for (;;) {
      const now = await namespace.api.getPod(namespace.name, name);
      if (now.status?.phase === 'Succeeded' || now.status?.phase === 'Failed') return now;
      assert.ok(Date.now() < until, JSON.stringify(now.status));
      await delay(200);
    }
  };

  const logOf = async (pod: string, container: string): Promise<string> => {
    let text = '';
    const options = { container, follow: false };
    for await (const piece of namespace.api.podLog(namespace.name, pod, options, AbortSignal.timeout(30_000)))
      text += piece;
    return text;
  };

  /** The texts of a container's log, which must be whole. */
  const textsOf = async (pod: string, container: string): Promise<string[]> => {
    const log = createNumberedLog();
    const rows = (await logOf(pod, container)).split('\n');
    const texts = rows.flatMap((row) => log.accept(row)?.text ?? []);
    assert.ok(log.isWhole, rows.slice(-3).join('\n'));
    return texts;
  };

  const endOf = (pod: V1Pod, container: string) => {
    const statuses = [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])];
    const message = statuses.find(({ name }) => name === container)?.state?.terminated?.message ?? '';
    return JSON.parse(message) as { ok: boolean; digest?: string; code?: string; output?: string[] };
  };

  const build = (name: string, tag: string, requirement: string): V1Pod => {
    const plan: PythonPlan = {
      kind: 'python',
      python: base.python,
      install: {
        from: 'requirements',
        lines: [{ text: requirement, file: 'requirements.txt', line: 1 }],
        options: [],
      },
      tools: { uv: '0', format: 1 },
      platform: 'linux-x64',
    };
    const order = {
      registry: URL_OF_REGISTRY,
      repository,
      tag,
      base: `${base.repository}@${base.digest}`,
      config: null,
    };
    const python = ['/usr/bin/python3', '-I', '-S'];
    const script = (of: string) => [
      ...python,
      '/opt/liveleaf/build/run_logged.py',
      '--',
      ...python,
      `/opt/liveleaf/build/${of}`,
    ];
    const srv = { name: 'srv', mountPath: '/srv' };
    return restrictedPod(name, {
      initContainers: [
        restricted({
          name: 'install',
          image: base.image,
          command: script('install_plan.py'),
          env: [
            { name: 'LIVELEAF_PLAN', value: gzipSync(JSON.stringify(plan)).toString('base64') },
            { name: 'UV_DEFAULT_INDEX', value: 'file:///index/simple' },
          ],
          volumeMounts: [srv, { name: 'index', mountPath: '/index' }, { name: 'tmp', mountPath: '/tmp' }],
        }),
      ],
      containers: [
        restricted({
          name: 'push',
          image: base.image,
          command: script('push_image.py'),
          env: [{ name: 'LIVELEAF_PUSH', value: JSON.stringify(order) }],
          volumeMounts: [{ ...srv, readOnly: true }],
        }),
      ],
      volumes: [
        { name: 'srv', emptyDir: {} },
        { name: 'tmp', emptyDir: {} },
        { name: 'index', secret: { secretName: 'index', items: index.items } },
      ],
    });
  };

  it('installs and pushes without any privilege, twice to the same image, and its logs are whole', async () => {
    const digests: (string | undefined)[] = [];
    for (const tag of ['000001', '000002']) {
      const ended = await run(build(`build-${tag}`, tag, 'alpha'));
      assert.equal(ended.status?.phase, 'Succeeded', JSON.stringify(await logOf(`build-${tag}`, 'install')));
      const installed = await textsOf(`build-${tag}`, 'install');
      assert.ok(installed.some((text) => text.includes('+ alpha==1.0')));
      const pushed = await textsOf(`build-${tag}`, 'push');
      assert.match(pushed.at(-1) ?? '', /^Pushed sha256:/);
      digests.push(endOf(ended, 'push').digest);
    }
    assert.equal(digests[1], digests[0]);
    const manifest = await client.manifest({ registry: URL_OF_REGISTRY, repository }, '000001');
    assert.ok(manifest);
    assert.equal(manifest.digest, digests[0]);
    const { labels } = await client.config({ registry: URL_OF_REGISTRY, repository }, manifest);
    assert.equal(labels['liveleaf.python'], base.python);
  });

  it('makes an image that the nodes pull by digest and run on a read-only root, with nothing left to compile', async () => {
    const manifest = await client.manifest({ registry: URL_OF_REGISTRY, repository }, '000001');
    const image = `${TEST_REGISTRY}/${repository}@${manifest?.digest}`;
    const code = `
import alpha, importlib.util, os, sys
with open(importlib.util.cache_from_source(alpha.__file__), "rb") as file:
    flags = int.from_bytes(file.read(8)[4:], "little")
print(sys.prefix, alpha.version, flags, os.stat(alpha.__file__).st_uid, os.path.exists("/srv/cache"))`;
    const ended = await run(
      restrictedPod('use', {
        containers: [restricted({ name: 'kernel', image, command: ['/srv/env/bin/python', '-I', '-c', code] })],
      }),
    );
    assert.equal(ended.status?.phase, 'Succeeded', await logOf('use', 'kernel'));
    assert.equal((await logOf('use', 'kernel')).trim(), '/srv/env 1.0 1 1000 False');
  });

  it('tells why it fails within its termination message', async () => {
    const ended = await run(build('build-typo', '000003', 'ahpla'));
    assert.equal(ended.status?.phase, 'Failed');
    const { ok, code, output } = endOf(ended, 'install');
    assert.deepEqual([ok, code], [false, 'build_failed']);
    assert.match(output?.join(' ') ?? '', /ahpla was not found in the package registry/);
    assert.equal(await client.manifest({ registry: URL_OF_REGISTRY, repository }, '000003'), undefined);
  });

  it('lets nothing run before the network policy holds, and nothing at all where there is none', async () => {
    const kubeconfig = new KubeConfig();
    kubeconfig.loadFromDefault();
    const { spec } = await kubeconfig.makeApiClient(CoreV1Api).readNamespacedService({
      name: 'kubernetes',
      namespace: 'default',
    });
    const canary = `${spec?.clusterIP}:443`;
    await kubeconfig.makeApiClient(NetworkingV1Api).createNamespacedNetworkPolicy({
      namespace: namespace.name,
      body: {
        metadata: { name: 'canary' },
        spec: { podSelector: { matchLabels: { policy: 'yes' } }, policyTypes: ['Egress'], egress: [] },
      },
    });
    const waiting = (name: string): V1Pod =>
      restrictedPod(name, {
        containers: [
          restricted({
            name: 'canary',
            image: base.image,
            command: ['/usr/bin/python3', '-I', '-S', '/opt/liveleaf/build/wait_canary.py'],
            env: [{ name: 'LIVELEAF_CANARY', value: canary }],
          }),
        ],
      });
    const [held, open] = await Promise.all([
      run({ ...waiting('bound'), metadata: { name: 'bound', labels: { policy: 'yes' } } }),
      run(waiting('open')),
    ]);
    assert.equal(held.status?.phase, 'Succeeded', await logOf('bound', 'canary'));
    assert.equal(open.status?.phase, 'Failed');
    assert.equal(endOf(open, 'canary').code, 'unhealthy');
  });

  it('loses no line to the node, however soon it ends after its last one', async () => {
    const python = ['/usr/bin/python3', '-I', '-S'];
    const count = 100_000;
    const ended = await run(
      restrictedPod('talk', {
        containers: [
          restricted({
            name: 'talk',
            image: base.image,
            command: [...python, '/opt/liveleaf/build/run_logged.py', '--', 'seq', '1', String(count)],
          }),
        ],
      }),
    );
    assert.equal(ended.status?.phase, 'Succeeded');
    const texts = await textsOf('talk', 'talk');
    assert.equal(texts.length, count);
    const wanted = Array.from({ length: count }, (_, at) => String(at + 1)).join('\n');
    const digestOf = (text: string) => createHash('sha256').update(text).digest('hex');
    assert.equal(digestOf(texts.join('\n')), digestOf(wanted));
  });
});
