import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { V1Pod } from '../../server/kubernetes/kubernetes-api.ts';
import { podNameOf } from '../../server/spawners/kubernetes-session-name.ts';
import { sessionPod } from '../../server/spawners/kubernetes-session-pod.ts';
import { askStatus, putContent, startKernel, type SessionAddress } from '../../server/spawners/session-client.ts';
import { clusterImage } from '../helpers/cluster-images.ts';
import { clusterNamespace, type ClusterNamespace } from '../helpers/cluster-namespace.ts';
import { DELAYED_ACKNOWLEDGEMENT_MS, fastestRun } from '../images/session/fastest-run.ts';
import { writeWheel } from '../images/session/write-wheel.ts';
import { askSession, filesContent, newName, runCode, until } from '../server/spawners/session-world.ts';

const size = {
  profile: 'default',
  requests: { cpu: '50m', memory: '256Mi' },
  limits: { cpu: '1', memory: '1Gi', ephemeralStorage: '1Gi' },
};
/** The server's own environment stands in for a repository's. */
const kernel = {
  prefix: '/opt/liveleaf/venv',
  python: '/opt/liveleaf/venv/bin/python',
  displayName: 'Python',
  path: '',
  variables: { BINDER_REF_URL: 'the-ref' },
};
const signal = () => AbortSignal.timeout(60_000);

describe('the session image', { timeout: 600_000 }, () => {
  let namespace: ClusterNamespace;
  let image: string;
  let session: SessionAddress & { pod: string; createdToAnsweredMs: number };
  let kernelId: string;

  const start = async (): Promise<typeof session> => {
    const name = newName();
    const token = randomBytes(32).toString('base64url');
    const tokenSha256 = createHash('sha256').update(token).digest('hex');
    const pod = sessionPod(
      {
        name,
        image,
        kernel,
        size,
        tokenSha256,
        tokenKey: 'test',
        labels: {},
        annotations: {},
        deadlineMs: 600_000,
      },
      { baseImage: image },
    );
    const startedAt = performance.now();
    await namespace.api.createPod(namespace.name, pod);
    let origin = '';
    await until(async () => {
      const { status } = await namespace.api.getPod(namespace.name, podNameOf(name));
      const state = status?.containerStatuses?.[0]?.state;
      assert.equal(state?.terminated, undefined, JSON.stringify(state?.terminated));
      if (status?.podIP !== undefined) origin = `http://${status.podIP}:8888`;
      return origin !== '';
    }, 120_000);
    const address = { name, origin, token };
    await until(() => askStatus(address, AbortSignal.timeout(2_000)).catch(() => false), 60_000);
    return { ...address, pod: podNameOf(name), createdToAnsweredMs: performance.now() - startedAt };
  };

  before(async () => {
    image = await clusterImage('session');
    namespace = await clusterNamespace('images');
    // The first pod of an image waits for it to be pulled.
    await start();
    session = await start();
    await putContent(session, filesContent({ 'hello.txt': 'hello' }).archive(signal()), '', signal());
    const request = { path: '', environment: 'e/1', variables: kernel.variables, warm: false };
    kernelId = (await startKernel(session, request, signal())).id;
  });
  after(() => namespace?.remove());

  const run = (code: string): Promise<string> => runCode(session.name, session, kernelId, code);

  it('answers, runs code, and tells how long that took', async (test) => {
    const others = [session, await start(), await start(), await start(), await start()];
    const times = others.map(({ createdToAnsweredMs }) => Math.round(createdToAnsweredMs));
    test.diagnostic(`from the pod's creation to the first answer: ${times.join(', ')} ms`);
    assert.equal(await run('print(1 + 1, open("hello.txt").read())'), '2 hello');
    const fastest = await fastestRun(() => run('print(1 + 1)'));
    assert.ok(fastest < DELAYED_ACKNOWLEDGEMENT_MS, `${fastest} ms: every run waited for a delayed acknowledgement`);
  });

  it('refuses a wrong token and none', async () => {
    for (const token of ['wrong', '']) {
      const { status } = await askSession(session.name, session, 'api/status', { token });
      assert.equal(status, 403);
    }
  });

  it('runs as an ordinary user on a root that cannot be written', async () => {
    const code = `
import os
print(os.getuid(), os.getgid())
for path in ("/x", "/opt/liveleaf/x", "/etc/x", "/srv/x"):
    try: open(path, "w").close(); print("wrote", path)
    except OSError as error: print(error.strerror)`;
    assert.equal(await run(code), ['1000 1000', ...Array<string>(4).fill('Read-only file system')].join('\n'));
  });

  it('holds no secret: neither its own token nor the cluster’s', async () => {
    const digits = await run(`
import os
for pid in filter(str.isdigit, os.listdir("/proc")):
    for name in ("environ", "cmdline"):
        try: text = open(f"/proc/{pid}/{name}").read()
        except OSError: continue
        if ${JSON.stringify(session.token)} in text: print(name, "of", pid)
print(os.path.exists("/var/run/secrets/kubernetes.io"), [name for name in os.environ if "KUBERNETES" in name or "LIVELEAF" in name])
print(os.path.exists("/run/secrets/network"))`);
    assert.equal(digits, 'False []\nFalse');
  });

  it('compiles nothing when it starts', async () => {
    const code = `
import subprocess, sys
run = subprocess.run([sys.executable, "-v", "-c", "import asyncio, decimal, ipykernel.kernelapp, jupyter_server.serverapp, jupyterlab.labapp"], capture_output=True, text=True)
lines = run.stderr.splitlines()
print(run.returncode, len([line for line in lines if " matches " in line]) > 500)
print([line for line in lines if line.startswith("# code object from") and ".pyc" not in line][:3])`;
    assert.equal(await run(code), '0 True\n[]');
  });

  it('uses as many threads as its limit has processors', async () => {
    assert.equal(await run('import os; print(os.environ["OMP_NUM_THREADS"])'), '1');
  });

  it('reaps what programs leave behind', async () => {
    const code = `
import os, subprocess, time
subprocess.run(["sh", "-c", "(sleep 0.1 &) ; (sleep 0.1 &)"])
def states():
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try: yield open(f"/proc/{pid}/stat").read().rpartition(") ")[2][0], open(f"/proc/{pid}/comm").read().strip()
        except OSError: pass
deadline = time.monotonic() + 10
while any(name == "sleep" for _, name in states()) and time.monotonic() < deadline: time.sleep(0.05)
print([name for state, name in states() if state == "Z"], [name for _, name in states() if name == "sleep"])`;
    assert.equal(await run(code), '[] []');
  });

  it('installs packages into the reader’s home', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'll-wheel-'));
    try {
      const wheel = await writeWheel(folder, 'tiny_leaf', 'value = 42');
      const { name } = session;
      const content = (await readFile(wheel)).toString('base64');
      const body = JSON.stringify({ type: 'file', format: 'base64', content });
      const file = 'tiny_leaf-1.0-py3-none-any.whl';
      const put = await askSession(name, session, `api/contents/${file}`, { method: 'PUT', body });
      assert.equal(put.status, 201, put.text);
      const printed = await run(`%pip install --no-index -q ./${file}\nimport tiny_leaf\nprint(tiny_leaf.__file__)`);
      assert.match(printed, /^\/home\/jovyan\/\.local\/liveleaf\/lib\/python3\.\d+\/site-packages\/tiny_leaf\.py$/m);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  it('says in its log only what matters', async () => {
    const lines: string[] = [];
    const options = { container: 'session', follow: false };
    for await (const line of namespace.api.podLog(namespace.name, session.pod, options, signal())) lines.push(line);
    assert.ok(!lines.join('').includes(session.token));
    assert.ok(lines.length < 20, lines.join(''));
  });
});

describe('the hub image', { timeout: 900_000 }, () => {
  let namespace: ClusterNamespace;
  before(async () => {
    namespace = await clusterNamespace('images');
  });
  after(() => namespace?.remove());

  /** Runs a pod of it to its end; returns what it printed. */
  const runPod = async (image: string, name: string, container: object): Promise<string> => {
    const pod: V1Pod = {
      metadata: { name },
      spec: {
        automountServiceAccountToken: false,
        restartPolicy: 'Never',
        securityContext: { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: 'RuntimeDefault' } },
        containers: [
          {
            name: 'hub',
            image,
            resources: { requests: { cpu: '50m' }, limits: { memory: '512Mi' } },
            securityContext: {
              allowPrivilegeEscalation: false,
              readOnlyRootFilesystem: true,
              capabilities: { drop: ['ALL'] },
            },
            ...container,
          },
        ],
      },
    };
    await namespace.api.createPod(namespace.name, pod);
    await until(async () => {
      const { status } = await namespace.api.getPod(namespace.name, name);
      assert.notEqual(status?.phase, 'Failed', JSON.stringify(status?.containerStatuses?.[0]?.state));
      return status?.phase === 'Succeeded';
    }, 180_000);
    let log = '';
    for await (const line of namespace.api.podLog(namespace.name, name, { container: 'hub', follow: false }, signal()))
      log += line;
    return log;
  };

  it('is the hub, with git and every package that it imports, on a root that cannot be written', async () => {
    const image = await clusterImage('hub');
    const { version } = JSON.parse(await readFile(join(import.meta.dirname, '..', '..', 'package.json'), 'utf8')) as {
      version: string;
    };
    await runPod(image, 'entry', { args: ['--version'] });
    // The end of the log of a program that ends at once may be lost.
    const slowly = (command: string) => ({ command: ['sh', '-c', `${command}; sleep 1`] });
    assert.equal(await runPod(image, 'version', slowly('liveleaf --version')), `${version}\n`);
    const code = `
const { execFileSync } = require('node:child_process');
const { readdirSync } = require('node:fs');
const files = readdirSync('/opt/liveleaf/dist/server', { recursive: true }).filter((file) => file.endsWith('.js') && file !== 'main.js');
Promise.all(files.map((file) => import('/opt/liveleaf/dist/server/' + file)))
  .then(() => console.log(process.getuid(), files.length > 50, execFileSync('git', ['--version']).toString().slice(0, 11)));`;
    const imports = { ...slowly('node -e "$CODE"'), env: [{ name: 'CODE', value: code }] };
    assert.equal(await runPod(image, 'imports', imports), '1000 true git version\n');
  });
});
