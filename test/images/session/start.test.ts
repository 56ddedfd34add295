import assert from 'node:assert/strict';
import { execFile, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import fc from 'fast-check';
import { WebSocket } from 'ws';
import { sessionPath } from '../../../sdk/contract/index.ts';
import { pythonSide } from '../../helpers/python-side.ts';
import { askSession, SCRIPTS } from '../../server/spawners/session-world.ts';
import { DELAYED_ACKNOWLEDGEMENT_MS, fastestRun } from './fastest-run.ts';
import { startPodSession, type PodSession } from './pod-session.ts';
import { writeWheel } from './write-wheel.ts';

/** Status of an upgrade: 101 where it was accepted. */
const upgrade = (session: PodSession, kernelId: string, headers: Record<string, string>, query = ''): Promise<number> =>
  new Promise((resolve, reject) => {
    const place = `${session.address.origin.replace('http', 'ws')}${sessionPath(session.address.name)}`;
    const socket = new WebSocket(`${place}api/kernels/${kernelId}/channels${query}`, { headers });
    socket.on('upgrade', () => {
      socket.on('open', () => socket.terminate());
      resolve(101);
    });
    socket.on('unexpected-response', (request, response) => {
      request.destroy();
      resolve(response.statusCode ?? 0);
    });
    socket.on('error', reject);
  });

describe('a session started as in a pod', { timeout: 120_000 }, () => {
  let session: PodSession;
  let kernelId: string;
  before(async () => {
    session = await startPodSession({
      kernel: { path: 'book/one.ipynb', variables: { BINDER_REF_URL: 'the-ref' } },
      environment: { KUBERNETES_SERVICE_HOST: '10.0.0.1', LIVELEAF_OTHER: 'x', FROM_THE_IMAGE: 'kept' },
    });
    await session.fill({ 'hello.txt': 'hello', 'book/data.csv': 'a,b' }, 'book/one.ipynb');
    kernelId = await session.kernel('book/one.ipynb', { BINDER_REF_URL: 'the-ref' });
  });
  after(() => session.end());

  it('runs code in the environment, in the folder of its notebook, beside the files that were put in', async () => {
    const code = 'import os, sys; print(1 + 1, sys.prefix, os.listdir("."), open("../hello.txt").read())';
    assert.equal(await session.run(kernelId, code), `2 ${session.prefix} ['data.csv'] hello`);
  });

  it('takes the token in the header, as token or Bearer', async () => {
    const { name, origin, token } = session.address;
    for (const scheme of ['token', 'Bearer', 'TOKEN']) {
      const headers = { authorization: `${scheme} ${token}` };
      const { status } = await fetch(`${origin}${sessionPath(name)}api/status`, { headers });
      assert.equal(status, 200, scheme);
      assert.equal(await upgrade(session, kernelId, headers), 101, scheme);
    }
  });

  it('refuses a wrong token, none, and the right one in any other place', async () => {
    const { name, origin, token } = session.address;
    const other = `${token.slice(0, -1)}${token.endsWith('A') ? 'B' : 'A'}`;
    const tries: [Record<string, string>, string][] = [
      [{}, ''],
      [{ authorization: `token ${other}` }, ''],
      [{ authorization: 'token ' }, ''],
      [{ authorization: token }, ''],
      [{ authorization: `Basic ${token}` }, ''],
      [{ authorization: `token ${token} ${token}` }, ''],
      [{ cookie: `token=${token}; username-localhost=${token}` }, ''],
      [{ 'x-xsrftoken': token, cookie: `_xsrf=${token}` }, ''],
      [{}, `?token=${token}`],
      [{ authorization: `token ${other}` }, `?token=${token}`],
    ];
    for (const [headers, query] of tries) {
      const { status } = await fetch(`${origin}${sessionPath(name)}api/status${query}`, { headers });
      assert.equal(status, 403, `${JSON.stringify(headers)} ${query}`);
      assert.equal(await upgrade(session, kernelId, headers, query), 403, `${JSON.stringify(headers)} ${query}`);
    }
    const refused = await askSession(name, session.address, 'liveleaf/kernel', { method: 'POST', token: other });
    assert.equal(refused.status, 403);
    const content = await askSession(name, session.address, 'liveleaf/content', { method: 'PUT', token: other });
    assert.equal(content.status, 403);
    const form = await askSession(name, session.address, 'login', {
      method: 'POST',
      body: `password=${token}`,
      token: '',
    });
    assert.ok([403, 404].includes(form.status), String(form.status));
  });

  it('keeps the token out of every argument, environment, file, page and log line', async () => {
    const { name, token } = session.address;
    const lab = await askSession(name, session.address, 'lab');
    assert.equal(lab.status, 307);
    const page = await askSession(name, session.address, 'lab');
    assert.equal(page.status, 200);
    assert.ok(!page.text.includes(token));
    const pids = await session.processes();
    assert.ok(pids.length >= 3, `only ${pids.length} processes`);
    for (const pid of pids)
      for (const file of ['cmdline', 'environ'])
        assert.ok(!(await readFile(`/proc/${pid}/${file}`, 'utf8')).includes(token), `${file} of ${pid}`);
    for (const entry of await readdir(session.folder, { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name);
      if (entry.isFile() && !path.startsWith(session.prefix))
        assert.ok(!(await readFile(path, 'utf8')).includes(token), path);
    }
    assert.ok(!session.log().includes(token));
  });

  it('answers without waiting for the delayed acknowledgements of TCP', async () => {
    // On a busy machine some runs take longer than that wait of 40 ms; with it, none takes less.
    const fastest = await fastestRun(() => session.run(kernelId, 'print(1)'));
    assert.ok(fastest < DELAYED_ACKNOWLEDGEMENT_MS, `${fastest} ms`);
  });

  it('gives the kernel the launch’s variables and the image’s, and nothing of the hub’s or the cluster’s', async () => {
    const code = `
import os
print(os.environ["BINDER_REF_URL"], os.environ["FROM_THE_IMAGE"], os.environ["OMP_NUM_THREADS"].isdigit())
print([name for name in os.environ if name.startswith(("KUBERNETES_", "LIVELEAF_"))])`;
    assert.equal(await session.run(kernelId, code), 'the-ref kept True\n[]');
  });

  it('connects to its kernel through files, not ports', async () => {
    const code =
      'print(get_ipython().kernel.parent.transport, get_ipython().kernel.parent.ip.startswith(__import__("os").environ["TMPDIR"]))';
    assert.equal(await session.run(kernelId, code), 'ipc True');
  });

  it('installs packages into the reader’s home, where the kernel and the next one find them', async () => {
    const wheel = await writeWheel(join(session.home, 'content'), 'tiny_leaf', 'value = 42');
    const printed = await session.run(
      kernelId,
      `%pip install --no-index -q ${wheel}\nimport tiny_leaf\nprint(tiny_leaf.__file__, tiny_leaf.value)`,
    );
    assert.ok(printed.includes(join(session.home, '.local', 'liveleaf', 'lib')), printed);
    assert.ok(printed.endsWith(' 42'), printed);
    const restart = `api/kernels/${kernelId}/restart`;
    assert.equal((await askSession(session.address.name, session.address, restart, { method: 'POST' })).status, 200);
    assert.equal(await session.run(kernelId, 'import tiny_leaf; print(tiny_leaf.value)'), '42');
  });
});

describe('the start of a session in a pod', { timeout: 120_000 }, () => {
  const sessions: PodSession[] = [];
  after(async () => {
    for (const session of sessions) await session.end();
  });
  const start = async (options: Parameters<typeof startPodSession>[0]): Promise<PodSession> => {
    const session = await startPodSession(options);
    sessions.push(session);
    return session;
  };

  it('works where only the home and the temporary folder can be written', async () => {
    const readOnly = 'mount --bind "$FOLDER" "$FOLDER" && mount -o remount,bind,ro / && exec "$@"';
    const [unshare = '', ...flags] = ['unshare', '--user', '--map-root-user', '--mount'];
    const wrapper = [unshare, ...flags, 'sh', '-c', readOnly, 'sh'];
    const namespaces = spawnSync(unshare, [...flags, 'true']).status === 0;
    const session = await start(namespaces ? { wrapper } : {});
    await session.fill({ 'hello.txt': 'hello' });
    const kernelId = await session.kernel();
    const code = `print(open("hello.txt").read())\ntry: open("/var/tmp/${session.address.name}", "w").close()\nexcept OSError as error: print(error.strerror)`;
    assert.equal(await session.run(kernelId, code), namespaces ? 'hello\nRead-only file system' : 'hello');
    const traces = await readdir(session.home);
    assert.ok(traces.includes('content'), traces.join());
  });

  const kernels = async (session: PodSession): Promise<number> => {
    const pids = await session.processes();
    const commands = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')));
    return commands.filter((command) => command.includes('ipykernel_launcher')).length;
  };

  it('starts the kernel before anybody asks, where its environment is known, and hands it out', async () => {
    const session = await start({ kernel: {} });
    assert.equal(await kernels(session), 1);
    const kernelId = await session.kernel();
    assert.equal(await session.run(kernelId, 'print(1 + 1)'), '2');
    assert.equal(await kernels(session), 1);
  });

  it('waits for its environment where it knows none', async () => {
    const session = await start({ kernel: null });
    const { name } = session.address;
    const kernel = { prefix: session.prefix, python: join(session.prefix, 'bin', 'python'), displayName: 'Late' };
    const body = JSON.stringify({ path: '', environment: 'e/1', variables: { A: 'b' }, warm: true, kernel });
    const answer = await askSession(name, session.address, 'liveleaf/kernel', { method: 'POST', body });
    const { id } = JSON.parse(answer.text) as { id: string };
    assert.equal(await session.run(id, 'import os, sys; print(sys.prefix, os.environ["A"])'), `${session.prefix} b`);
    const specs = await askSession(name, session.address, 'api/kernelspecs');
    assert.ok(specs.text.includes('Late'));
  });

  it('starts no kernel while what the network policy forbids can be reached', async () => {
    const forbidden = createServer();
    await once(forbidden.listen(0, '127.0.0.1'), 'listening');
    const { port } = forbidden.address() as AddressInfo;
    const session = await start({ kernel: {}, environment: { LIVELEAF_CANARY: `127.0.0.1:${port}` } });
    const asked = session.kernel();
    await once(forbidden, 'connection');
    assert.equal(await kernels(session), 0);
    await once(forbidden.close(), 'close');
    assert.equal(await session.run(await asked, 'print(1 + 1)'), '2');
    assert.equal(await kernels(session), 1);
  });

  it('gives up where the network policy never comes into force', async () => {
    const forbidden = createServer();
    await once(forbidden.listen(0, '127.0.0.1'), 'listening');
    const { port } = forbidden.address() as AddressInfo;
    const { python } = await pythonSide();
    const code = `
import sys, time
sys.path.insert(0, ${JSON.stringify(SCRIPTS)})
from liveleaf_session import network_gate
network_gate.GIVE_UP_S = 0.1
network_gate.begin("127.0.0.1:${port}", lambda: print("started"))
network_gate.wait(20)`;
    const child = spawn(python, ['-c', code], { stdio: ['ignore', 'pipe', 'pipe'] });
    const said = Promise.all([text(child.stdout), text(child.stderr)]);
    const [status] = (await once(child, 'exit')) as [number];
    forbidden.close();
    assert.equal(status, 1);
    assert.deepEqual(await said, [
      '',
      `The network policy is not in force: 127.0.0.1:${port} can be reached, so nothing is run here.\n`,
    ]);
  });

  it('ends with its server, and says by which code', async () => {
    const session = await startPodSession();
    const server = (await session.processes()).find((pid) => pid !== session.first.pid);
    assert.ok(server);
    const ended = once(session.first, 'exit');
    process.kill(server, 'SIGKILL');
    assert.deepEqual(await ended, [137, null]);
    await session.end();
  });

  it('refuses in one sentence to start without its description', async () => {
    const { python } = await pythonSide();
    const { status, stderr } = spawnSync(python, ['-E', '-s', join(SCRIPTS, 'start.py')], {
      env: {},
      encoding: 'utf8',
    });
    assert.equal(status, 1);
    assert.match(stderr, /^LIVELEAF_SESSION is not set: .*\n$/);
  });
});

it('every notebook path has a folder inside the content', async () => {
  const { python } = await pythonSide();
  const part = fc.constantFrom('..', '.', 'a', '', '/', '...');
  const paths = ['', '/book/x.ipynb', '../x.ipynb', ...fc.sample(fc.array(part), 300).map((parts) => parts.join('/'))];
  const code = `
import json, sys
sys.path.insert(0, ${JSON.stringify(SCRIPTS)})
from liveleaf_session import settings
settings.load({"places": {"content": "/home/x/content"}})
print(json.dumps([settings.folder_of(path) for path in json.loads(sys.argv[1])]))`;
  const { stdout } = await promisify(execFile)(python, ['-c', code, JSON.stringify(paths)]);
  const folders = JSON.parse(stdout) as string[];
  assert.deepEqual(folders.slice(0, 3), ['/home/x/content', '/home/x/content/book', '/home/x/content']);
  for (const folder of folders) assert.match(folder, /^\/home\/x\/content(\/|$)/);
});
