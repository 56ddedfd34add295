import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, afterEach, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { CoreV1Api, KubeConfig } from '@kubernetes/client-node';
import type { BuildLogLine, BuildStatus } from '../../server/builders/builder.ts';
import { baseInterpreters, type BaseImage } from '../../server/builders/kubernetes-base-image.ts';
import { buildPodName } from '../../server/builders/kubernetes-build-identity.ts';
import {
  createKubernetesBuilder,
  type KubernetesBuilder,
  type KubernetesBuilderOptions,
} from '../../server/builders/kubernetes-builder.ts';
import { systemClock } from '../../server/clock.ts';
import { environmentKey } from '../../server/environments/environment-key.ts';
import type { PythonPlan } from '../../server/environments/plan.ts';
import { HubError } from '../../server/errors.ts';
import type { KubernetesApi, V1Pod } from '../../server/kubernetes/kubernetes-api.ts';
import { createRegistryClient } from '../../server/registry/registry-client.ts';
import { clusterImage, TEST_REGISTRY } from '../helpers/cluster-images.ts';
import { clusterNamespace, type ClusterNamespace } from '../helpers/cluster-namespace.ts';
import { fakeContent } from '../helpers/fake-content.ts';
import { restricted, restrictedPod } from '../helpers/restricted-pod.ts';

const run = promisify(execFile);
const REGISTRY = `http://${TEST_REGISTRY}`;
const START = { building: 0, pushing: 0 };
const BUILD_MS = 240_000;

/** Serves the repository at `/tmp/own.git` to git over HTTP, as far as a fetch needs it. */
const GIT_HOST = `
import http.server, os, subprocess, sys
def git(*words, **more): return subprocess.run(["git", *words], check=True, stdout=subprocess.PIPE, **more).stdout
os.environ.update(HOME="/tmp", GIT_AUTHOR_NAME="a", GIT_AUTHOR_EMAIL="a@b", GIT_COMMITTER_NAME="a", GIT_COMMITTER_EMAIL="a@b")
os.makedirs("/tmp/own/ownpackage")
os.chdir("/tmp/own")
open("pyproject.toml", "w").write('[project]\\nname = "ownpackage"\\nversion = "7.0"\\n[build-system]\\nrequires = ["setuptools"]\\nbuild-backend = "setuptools.build_meta"\\n[tool.setuptools]\\npackages = ["ownpackage"]\\n')
open("ownpackage/__init__.py", "w").write("answer = 42\\n")
for words in ("init -q", "add -A", "commit -qm one", "config uploadpack.allowAnySHA1InWant true"): git(*words.split())
class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self, kind, body):
        self.send_response(200)
        self.send_header("Content-Type", "application/x-git-upload-pack-" + kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def upload(self, *words, data=None):
        env = {**os.environ, "GIT_PROTOCOL": self.headers.get("Git-Protocol", "")}
        return git("upload-pack", "--stateless-rpc", *words, "/tmp/own", env=env, input=data)
    def do_GET(self):
        self.answer("advertisement", b"001e# service=git-upload-pack\\n0000" + self.upload("--advertise-refs"))
    def do_POST(self):
        self.answer("result", self.upload(data=self.rfile.read(int(self.headers["Content-Length"]))))
print(git("rev-parse", "HEAD").decode(), end="", flush=True)
http.server.ThreadingHTTPServer(("", 8080), Handler).serve_forever()
`;

describe('The builder on a cluster', { timeout: 1_500_000 }, () => {
  let namespace: ClusterNamespace;
  let core: CoreV1Api;
  let base: BaseImage;
  const egress = process.env['LIVELEAF_TEST_EGRESS'];
  const registry = createRegistryClient({ allowHttp: true, clock: systemClock, log: { warn: () => undefined } });
  const builders: KubernetesBuilder[] = [];
  const never = new AbortController().signal;
  let alive: NodeJS.Timeout;
  let prefix: string;

  before(async () => {
    // The clock's timers let a process end; a test must not.
    alive = setInterval(() => undefined, 1_000);
    base = await baseInterpreters(registry, await clusterImage('session'), REGISTRY);
    namespace = await clusterNamespace('builder');
    prefix = `${namespace.name}/`;
    if (egress !== undefined) await run(egress, [namespace.name]);
    const kubeconfig = new KubeConfig();
    kubeconfig.loadFromDefault();
    core = kubeconfig.makeApiClient(CoreV1Api);
  });
  // Whichever hub sees that a build needs something does it: those of one test must not meddle with the next.
  afterEach(async () => {
    for (const builder of builders.splice(0)) await builder.close();
  });
  after(async () => {
    for (const repository of await registry.repositories(REGISTRY, prefix)) {
      const image = { registry: REGISTRY, repository };
      for (const tag of await registry.tags(image)) {
        const manifest = await registry.manifest(image, tag);
        if (manifest) await registry.delete(image, manifest.digest);
      }
    }
    await registry.close();
    await namespace?.remove();
    clearInterval(alive);
  });

  const open = async (change: Partial<KubernetesBuilderOptions> = {}): Promise<KubernetesBuilder> => {
    const errors = { info: () => undefined, warn: () => undefined, error: () => undefined } as never;
    const builder = await createKubernetesBuilder({
      api: namespace.api,
      registry,
      prefix,
      clock: systemClock,
      log: errors,
      pod: {
        namespace: namespace.name,
        baseImage: base.image,
        registry: REGISTRY,
        egressConfigMaps: egress === undefined ? [] : ['machine-egress', 'machine-egress-env'],
        requests: { cpu: '50m', memory: '128Mi' },
        limits: { cpu: '2', memory: '512Mi', ephemeralStorage: '4Gi' },
      },
      ...change,
    });
    await builder.watch.whenFresh(AbortSignal.timeout(10_000));
    builders.push(builder);
    return builder;
  };

  /** A plan that no other test has: the platform is part of the key. */
  const planOf = (name: string, ...requirements: string[]): PythonPlan => ({
    kind: 'python',
    python: base.interpreters[0]?.version ?? '',
    install: {
      from: 'requirements',
      lines: requirements.map((text, at) => ({ text, file: 'requirements.txt', line: at + 1 })),
      options: [],
    },
    tools: { uv: base.uvVersion, format: 1 },
    platform: `linux-${name}`,
    base: base.digest,
  });

  /** An API whose build pods install in a way of the test's own; log's wrapper, limits and all else are the real ones. */
  const installing = (python: string): KubernetesApi => ({
    ...namespace.api,
    createPod: (at, pod, options) => {
      const install = pod.spec?.initContainers?.find(({ name }) => name === 'install');
      const wrapper = install?.command?.slice(0, 4) ?? [];
      if (install) install.command = [...wrapper, '/usr/bin/python3', '-c', python];
      return namespace.api.createPod(at, pod, options);
    },
  });

  const follow = async (builder: KubernetesBuilder, key: string, generation: string, after = START) => {
    const lines: BuildLogLine[] = [];
    for await (const line of builder.log(key, generation, after, never)) lines.push(line);
    return lines;
  };
  const build = async (builder: KubernetesBuilder, plan: PythonPlan, content = fakeContent({})) => {
    const key = environmentKey(plan);
    const generation = await builder.start(key, plan, content);
    const lines = await follow(builder, key, generation);
    const status = await builder.wait(key, generation, AbortSignal.timeout(BUILD_MS));
    return { key, generation, lines, status };
  };
  const built = (status: BuildStatus) =>
    status.state === 'built'
      ? status.environment
      : assert.fail(
          status.state === 'failed'
            ? `${status.error.code}: ${status.error.message}\n${status.error.logTail?.join('\n')}`
            : `the build is ${status.state}`,
        );
  const failed = (status: BuildStatus): HubError =>
    status.state === 'failed' ? status.error : assert.fail(`the build is ${status.state}`);

  const podWhen = async (name: string, isSo: (pod: V1Pod) => boolean): Promise<V1Pod> => {
    const until = Date.now() + 120_000;
    for (;;) {
      const pod = await namespace.api.getPod(namespace.name, name);
      if (isSo(pod)) return pod;
      assert.ok(Date.now() < until, JSON.stringify(pod.status));
      await systemClock.sleep(200);
    }
  };
  const podLog = async (name: string, container: string): Promise<string> => {
    let text = '';
    const options = { container, follow: false };
    for await (const piece of namespace.api.podLog(namespace.name, name, options, AbortSignal.timeout(30_000)))
      text += piece;
    return text;
  };
  /** Runs a program in an environment's image, as a session would, and returns what it prints. */
  const inImage = async (name: string, image: string, ...command: string[]): Promise<string> => {
    await namespace.api.createPod(
      namespace.name,
      restrictedPod(name, { containers: [restricted({ name: 'main', image, command })] }),
    );
    await podWhen(name, ({ status }) => status?.phase === 'Succeeded' || status?.phase === 'Failed');
    return podLog(name, 'main');
  };
  const isRunning = (container: string) => (pod: V1Pod) =>
    [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])].some(
      ({ name, state }) => name === container && state?.running !== undefined,
    );

  it('builds a repository’s requirements and pushes them as an image that runs them; its log outlives the pod', async () => {
    const builder = await open({ keepEndedMs: 1_000 });
    const plan = planOf('ok', 'six==1.17.0');
    const { key, generation, lines, status } = await build(builder, plan);
    const { image = '', python, displayName } = built(status);
    assert.match(image, new RegExp(`^${TEST_REGISTRY}/${prefix}env-${key}@sha256:[0-9a-f]{64}$`));
    assert.match(displayName, /^Python 3\.\d+$/);
    assert.equal(
      await inImage('try-six', image, python, '-c', 'import six, ipykernel; print(six.__version__)'),
      '1.17.0\n',
    );
    for (const phase of ['building', 'pushing']) {
      const numbers = lines.filter((each) => each.phase === phase).map(({ line }) => line);
      assert.deepEqual(
        numbers,
        numbers.map((_, at) => at + 1),
        `the lines of ${phase}`,
      );
      assert.ok(numbers.length > 0);
    }
    assert.ok(lines.some(({ message }) => message.includes('six==1.17.0')));

    const until = Date.now() + 30_000;
    while ((await namespace.api.listPods(namespace.name, `liveleaf/key=${key}`)).items.length > 0) {
      assert.ok(Date.now() < until, 'the pod of an ended build goes');
      await systemClock.sleep(200);
    }
    const other = await open();
    assert.deepEqual(await other.status(key), status);
    assert.deepEqual(await follow(other, key, generation), lines);
    assert.deepEqual(await follow(other, key, generation, { building: 2, pushing: 1 }), [
      ...lines.filter(({ phase, line }) => phase === 'building' && line > 2),
      ...lines.filter(({ phase, line }) => phase === 'pushing' && line > 1),
    ]);
    assert.equal(await other.start(key, plan, fakeContent({})), generation, 'a built key keeps its generation');
  });

  it('names the package that does not exist, with its file and line', async () => {
    const builder = await open();
    const { status, lines } = await build(builder, planOf('misspelt', 'six', 'no-such-package-of-liveleaf'));
    const error = failed(status);
    assert.equal(error.code, 'build_failed');
    assert.deepEqual(error.detail, { file: 'requirements.txt', line: 2, package: 'no-such-package-of-liveleaf' });
    assert.ok(lines.some(({ message }) => message.includes('no-such-package-of-liveleaf')));
  });

  it('installs the repository’s own code from its host', async () => {
    await namespace.api.createPod(
      namespace.name,
      restrictedPod('git-host', {
        containers: [
          restricted({
            name: 'main',
            image: base.image,
            command: ['/usr/bin/python3', '-c', GIT_HOST],
            volumeMounts: [{ name: 'tmp', mountPath: '/tmp' }],
          }),
        ],
        volumes: [{ name: 'tmp', emptyDir: {} }],
      }),
    );
    const { status: host } = await podWhen('git-host', isRunning('main'));
    let commit = '';
    while (commit === '') {
      commit = (await podLog('git-host', 'main')).trim();
      await systemClock.sleep(100);
    }
    const source = { kind: 'git', url: `http://${host?.podIP}:8080/own.git`, commit } as const;
    const plan: PythonPlan = {
      ...planOf('own'),
      install: {
        from: 'requirements',
        lines: [{ text: './', file: 'pyproject.toml', line: 1 }],
        options: [],
      },
      ownCode: { commit, subfolder: '' },
    };
    const { status, lines } = await build(await open(), plan, { ...fakeContent({}), source });
    const { image = '', python } = built(status);
    assert.ok(lines.some(({ message }) => message === `Fetching ${source.url} at ${commit}.`));
    const code = 'import ownpackage; print(ownpackage.answer)';
    assert.equal(await inImage('try-own', image, python, '-I', '-c', code), '42\n');
  });

  it('is one pod for two hubs at once, which tell the same', async () => {
    const [one, two] = [await open(), await open()];
    const results = await Promise.all([one, two].map((each) => build(each, planOf('both', 'six==1.16.0'))));
    assert.equal((await namespace.api.listPods(namespace.name, `liveleaf/key=${results[0]?.key}`)).items.length, 1);
    assert.deepEqual(results[0], results[1]);
    built(results[0]?.status ?? assert.fail());
  });

  it('loses none of 100,000 lines unannounced', async () => {
    const script =
      'import os\nfor n in range(100000): print("line", n)\nos.makedirs("/srv/env/bin")\nopen("/srv/env/bin/x", "w").close()';
    const builder = await open({ api: installing(script) });
    const { lines, status, key, generation } = await build(builder, planOf('lines'));
    built(status);
    const said = lines.filter(({ phase }) => phase === 'building').map(({ message }) => message);
    const numbered = said.filter((message) => message.startsWith('line '));
    const omitted = said.flatMap((message) => /^… (\d+) lines/.exec(message)?.[1] ?? []).map(Number);
    assert.equal(numbered.length + omitted.reduce((sum, each) => sum + each, 0), 100_000);
    assert.equal(said.at(-1), 'line 99999');
    assert.deepEqual(await follow(await open(), key, generation), lines);
  });

  it('is told why a build was ended: too much memory, too long, too silent', async () => {
    const cases = [
      ['build_oom', 'print("greedy", flush=True)\nhold = []\nwhile True: hold.append(bytearray(10_000_000))', {}],
      ['build_timeout', 'import time\nwhile True: print("busy", flush=True); time.sleep(1)', { deadlineMs: 15_000 }],
      ['build_timeout', 'import time\nprint("quiet", flush=True); time.sleep(600)', { silenceMs: 5_000 }],
    ] as const;
    const ends = await Promise.all(
      cases.map(async ([code, script, limits], at) => {
        const { status, lines } = await build(await open({ api: installing(script), limits }), planOf(`end-${at}`));
        return [code, failed(status), lines] as const;
      }),
    );
    for (const [code, error, lines] of ends) {
      assert.equal(error.code, code);
      assert.ok(lines.length > 0, error.message);
    }
    assert.match(ends[1]?.[1].message ?? '', /longer than this hub allows/);
    assert.match(ends[2]?.[1].message ?? '', /said nothing/);
    assert.equal(ends[2]?.[1].logTail?.at(-1), 'quiet');
  });

  it('begins a build once more that is evicted, under the same generation and in the same log', async () => {
    const script =
      'import os, time\nprint("begun", flush=True)\ntime.sleep(8)\nos.makedirs("/srv/env/bin")\nopen("/srv/env/bin/x", "w").close()';
    const builder = await open({ api: installing(script) });
    const plan = planOf('evicted');
    const name = buildPodName(environmentKey(plan));
    const going = build(builder, plan);
    const until = Date.now() + 60_000;
    while (!(await podLog(name, 'install').catch(() => '')).includes('begun')) {
      assert.ok(Date.now() < until);
      await systemClock.sleep(200);
    }
    await core.createNamespacedPodEviction({
      namespace: namespace.name,
      name,
      body: { metadata: { name, namespace: namespace.name } },
    });
    const { status, lines, generation } = await going;
    built(status);
    assert.equal(generation, '000001');
    assert.equal(lines.filter(({ message }) => message === 'begun').length, 2, JSON.stringify(lines));
    assert.ok(lines.some(({ message }) => message.endsWith('it begins once more.')));
  });

  it('is cancelled for good, by any hub', async () => {
    const script = 'import time\nprint("begun", flush=True)\ntime.sleep(600)';
    const [one, two] = [await open({ api: installing(script) }), await open()];
    const plan = planOf('cancelled');
    const key = environmentKey(plan);
    const generation = await one.start(key, plan, fakeContent({}));
    await podWhen(buildPodName(key), isRunning('install'));
    const log = follow(one, key, generation);
    const waiting = one.wait(key, generation, AbortSignal.timeout(BUILD_MS));
    await two.cancel(key);
    assert.deepEqual(await two.status(key), { state: 'absent' });
    assert.deepEqual(await waiting, { state: 'absent' });
    assert.match((await log).at(-1)?.message ?? '', /The log ends here/);
    assert.deepEqual(await one.status(key), { state: 'absent' });
  });

  it('refuses a stranger’s pod that has a build’s name, and tells a quota as something to wait for', async () => {
    const builder = await open();
    const refused = (code: string) => (error: unknown) => error instanceof HubError && error.code === code;
    const plan = planOf('stranger');
    const key = environmentKey(plan);
    const name = buildPodName(key);
    await namespace.api.createPod(
      namespace.name,
      restrictedPod(name, {
        containers: [restricted({ name: 'main', image: base.image, command: ['sleep', '600'] })],
      }),
    );
    await assert.rejects(builder.start(key, plan, fakeContent({})), refused('unhealthy'));
    await namespace.api.deletePod(namespace.name, name);

    await core.createNamespacedResourceQuota({
      namespace: namespace.name,
      body: { metadata: { name: 'none' }, spec: { hard: { pods: '0' } } },
    });
    await assert.rejects(builder.start(key, plan, fakeContent({})), refused('capacity'));
    await core.deleteNamespacedResourceQuota({ namespace: namespace.name, name: 'none' });
  });
});
