import assert from 'node:assert/strict';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { LocalSpawner } from '../../../server/spawners/local-spawner.ts';
import type { StartStep } from '../../../server/spawners/spawner.ts';
import {
  askSession,
  filesContent,
  launch,
  processesOf,
  runCode,
  seed,
  sessionWorld,
  until,
  upstreamToken,
  type SessionWorld,
} from './session-world.ts';

/** One session serves most tests: each looks at another side of it. */
describe('a session on this machine', { timeout: 120_000 }, () => {
  let world: SessionWorld;
  let spawner: LocalSpawner;
  let session: Awaited<ReturnType<typeof launch>>;
  const steps: [StartStep, string][] = [];

  before(async () => {
    world = await sessionWorld();
    spawner = await world.spawner();
    const files = { 'hello.txt': 'hello', 'book/chapter.ipynb': '{}', 'book/data.csv': 'a,b' };
    const { name } = await spawner.reserve(seed({ path: 'book/chapter.ipynb' }));
    const record = await spawner.start(
      name,
      world.launchable(files, { BINDER_REPO_URL: 'https://example.org/r' }),
      (step, message) => steps.push([step, message]),
      new AbortController().signal,
    );
    const upstream = spawner.upstream(name);
    assert.ok(upstream);
    const kernel = record.kernelSession?.id ?? '';
    session = { name, upstream, kernel, run: (code) => runCode(name, upstream, kernel, code) };
  });
  after(() => world.end());

  it('runs code in the environment, in the folder of its notebook, beside the files of the repository', async () => {
    const printed = await session.run(
      'import os, sys; print(sys.prefix); print(os.getcwd()); print(open("../hello.txt").read(), os.listdir("."))',
    );
    const [prefix, folder, rest] = printed.split('\n');
    assert.equal(prefix, world.environment.prefix);
    assert.ok(folder?.endsWith('/home/content/book'), folder);
    assert.match(rest ?? '', /^hello \['(data\.csv|chapter\.ipynb)', /);
  });

  it('tells its steps in their order', () => {
    assert.deepEqual(
      steps.map(([step]) => step),
      ['server', 'content', 'kernel'],
    );
  });

  it('offers one kernelspec, named python3, that is the environment’s', async () => {
    const { text } = await askSession(session.name, session.upstream, 'api/kernelspecs');
    const { kernelspecs } = JSON.parse(text) as { kernelspecs: Record<string, { spec: { display_name: string } }> };
    assert.deepEqual(Object.keys(kernelspecs), ['python3']);
    assert.equal(kernelspecs['python3']?.spec.display_name, 'Python 3.11 (test)');
  });

  it('gives the kernel its own variables, and nothing of the hub’s', async () => {
    const names = await session.run('import os; print(os.environ["BINDER_REPO_URL"], "HUB_SECRET" in os.environ)');
    assert.equal(names, 'https://example.org/r False');
  });

  it('keeps the upstream token out of every argument, every environment and the log', async () => {
    const token = upstreamToken(session.name);
    const pids = await processesOf(world.folder);
    assert.ok(pids.length >= 3, `only ${pids.length} processes`);
    for (const pid of pids)
      for (const file of ['cmdline', 'environ']) {
        const text = await readFile(`/proc/${pid}/${file}`, 'utf8').catch(() => '');
        assert.ok(!text.includes(token), `${file} of ${pid}`);
      }
    const folder = world.options.state.session(session.name);
    for (const file of ['server.log', 'job.json', 'record.json'])
      assert.ok(!(await readFile(join(folder, file), 'utf8')).includes(token), file);
  });

  it('refuses a wrong token and another session’s', async () => {
    for (const token of ['', 'wrong', upstreamToken('another')]) {
      const { status } = await askSession(session.name, session.upstream, 'api/status', { token });
      assert.equal(status, 403, token);
    }
    const { status } = await askSession(session.name, session.upstream, 'liveleaf/content', {
      method: 'PUT',
      token: 'x',
    });
    assert.equal(status, 403);
  });

  it('opens JupyterLab when it is first asked for', async () => {
    const first = await askSession(session.name, session.upstream, 'lab?reset');
    assert.equal(first.status, 307);
    assert.equal(first.location, `/user/${session.name}/lab?reset`);
    const second = await askSession(session.name, session.upstream, 'lab?reset');
    assert.equal(second.status, 200);
    assert.match(second.text, /jupyter-config-data/);
    const tree = await askSession(session.name, session.upstream, 'notebooks/book/chapter.ipynb');
    assert.equal(tree.location, `/user/${session.name}/lab/tree/book/chapter.ipynb`);
  });

  it('has no terminals unless they are asked for', async () => {
    const { status } = await askSession(session.name, session.upstream, 'api/terminals', { method: 'POST' });
    assert.equal(status, 404);
  });

  it('makes one kernel however many ask for its path at once, and finds the launch’s', async () => {
    const body = (path: string) => JSON.stringify({ path, name: 'x', type: 'notebook', kernel: { name: 'python3' } });
    const ask = (path: string) =>
      askSession(session.name, session.upstream, 'api/sessions', { method: 'POST', body: body(path) });
    const answers = await Promise.all([1, 2, 3, 4].map(() => ask('other.ipynb')));
    const kernels = answers.map(({ text }) => (JSON.parse(text) as { kernel: { id: string } }).kernel.id);
    assert.equal(new Set(kernels).size, 1);
    const own = JSON.parse((await ask('/book/chapter.ipynb')).text) as { kernel: { id: string } };
    assert.equal(own.kernel.id, session.kernel);
    await askSession(session.name, session.upstream, `api/kernels/${kernels[0]}`, { method: 'DELETE' });
  });

  it('installs with pip into the session, not into the environment or the machine', async () => {
    const printed = await session.run(`
import zipfile, subprocess, sys, os
name = os.path.join(os.environ["TMPDIR"], "tinyleaf-1.0-py3-none-any.whl")
with zipfile.ZipFile(name, "w") as wheel:
    wheel.writestr("tinyleaf.py", "answer = 42")
    wheel.writestr("tinyleaf-1.0.dist-info/METADATA", "Metadata-Version: 2.1\\nName: tinyleaf\\nVersion: 1.0\\n")
    wheel.writestr("tinyleaf-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
    wheel.writestr("tinyleaf-1.0.dist-info/RECORD", "")
done = subprocess.run(["pip", "install", "--no-index", name], capture_output=True, text=True)
import tinyleaf
print(done.returncode, tinyleaf.answer, tinyleaf.__file__)
`);
    assert.match(printed, /^0 42 .*\/home\/packages\/.*tinyleaf\.py$/);
  });

  it('writes files of the owner alone', async () => {
    const folder = world.options.state.session(session.name);
    assert.equal((await stat(folder)).mode & 0o777, 0o700);
    for (const name of ['record.json', 'process.json', 'server.log', 'job.json'])
      assert.equal((await stat(join(folder, name))).mode & 0o777, 0o600, name);
    assert.equal((await stat(session.upstream.socketPath ?? '')).mode & 0o777, 0o600);
    assert.equal((await stat(world.options.sockets)).mode & 0o777, 0o700);
  });

  it('holds its limit of memory with an error of Python', async () => {
    assert.match(await session.run('bytes(3 * 2**30)'), /^MemoryError/);
    assert.equal(await session.run('print("still here")'), 'still here');
  });

  it('cannot see another session, the keys of the hub, or any process but its own; and cannot undo that', async () => {
    const [isolation] = await spawner.describe();
    if (!isolation?.includes('in its own user, pid and mount namespaces')) {
      assert.match(isolation ?? '', /not isolated/);
      return;
    }
    const other = await launch(spawner, world.launchable({ 'secret.txt': 'secret of the other' }));
    const { root } = world.options.state;
    const look = (path: string) => `
try: print(open(${JSON.stringify(path)}).read())
except OSError as error: print(type(error).__name__)`;
    const secret = join(root, 'sessions', other.name, 'home', 'content', 'secret.txt');
    assert.equal(await readFile(secret, 'utf8'), 'secret of the other');
    assert.equal(await session.run(look(secret)), 'FileNotFoundError');
    assert.equal(await session.run(look(world.options.state.keys)), 'FileNotFoundError');
    assert.equal(await session.run(look(join(root, 'sessions', session.name, 'record.json'))), 'FileNotFoundError');
    const seen = await session.run(`
import os, subprocess
print(sorted(os.listdir(${JSON.stringify(join(root, 'sessions'))})) == [${JSON.stringify(session.name)}])
print(os.listdir(${JSON.stringify(world.options.sockets)}) == [${JSON.stringify(session.name.slice(0, 13))}])
print(os.path.exists("/proc/1/cwd/record.json") or os.path.exists("/proc/1/root/" + ${JSON.stringify(world.options.state.keys)}))
print(max(int(name) for name in os.listdir("/proc") if name.isdigit()) < 1000)
print(subprocess.run(["umount", ${JSON.stringify(root)}], capture_output=True).returncode != 0)
nested = "umount " + ${JSON.stringify(root)} + " || cat " + ${JSON.stringify(world.options.state.keys)}
print(b"keys" in subprocess.run(["unshare", "-U", "-r", "-m", "sh", "-c", nested], capture_output=True).stdout)
`);
    assert.deepEqual(seen.split('\n'), ['True', 'True', 'False', 'True', 'True', 'False']);
    const site = await session.run(
      'import sys, os\ntry: open(os.path.join(sys.prefix, "x"), "w")\nexcept OSError as error: print(error.strerror)',
    );
    assert.equal(site, 'Read-only file system');
    await spawner.stop(other.name);
  });

  it('replaces its files while the kernel goes on', async () => {
    await session.run('x = 41; import os; here = os.getcwd()');
    const { name } = session;
    const { createSessionHost } = await import('../../../server/spawners/local-session-host.ts');
    const { DEFAULT_LIMITS } = await import('../../../server/spawners/local-session-settings.ts');
    const features = { lab: true, terminals: false };
    const host = createSessionHost({
      ...world.options,
      limits: DEFAULT_LIMITS,
      features,
      variables: {},
      isolated: true,
      answerMs: 5_000,
      hubId: 'x',
    });
    const { signal } = new AbortController();
    const content = filesContent({ 'book/new.txt': 'new' }, [
      { name: 'inside', type: 'symlink', linkname: 'book/new.txt' },
      { name: 'outside', type: 'symlink', linkname: '../../..' },
      { name: 'root', type: 'symlink', linkname: '/etc' },
      { name: 'a/up', type: 'symlink', linkname: '..' },
      { name: 'through', type: 'symlink', linkname: 'a/up/../../x' },
    ]);
    const notices = await host.fill(name, content, 'book/chapter.ipynb', signal);
    assert.equal(notices.length, 3, notices.join('\n'));
    const printed = await session.run(
      'print(x + 1, os.getcwd() == here, os.listdir("."), sorted(os.listdir("..")), open("../inside").read())',
    );
    assert.equal(printed, "42 True ['new.txt'] ['a', 'book', 'inside'] new");
    for (const raw of [{ name: '../evil' }, { name: '/evil' }, { name: 'book/../../evil' }])
      await assert.rejects(host.fill(name, filesContent({}, [raw]), '', signal), { code: 'clone_limit' });
    assert.match(await session.run('print(open("../inside").read())'), /^new$/);
    const left = await readdir(join(world.options.state.session(name), 'home'));
    assert.deepEqual(
      left.filter((entry) => entry.startsWith('.liveleaf-')),
      [],
    );
  });

  it('starts a killed kernel again', async () => {
    // The timer lets it answer first.
    await session.run('x = 1; import os, threading; threading.Timer(0.5, lambda: os.kill(os.getpid(), 9)).start()');
    const state = async () => {
      const { text } = await askSession(session.name, session.upstream, `api/kernels/${session.kernel}`);
      return (JSON.parse(text) as { execution_state: string }).execution_state;
    };
    await until(async () => (await state()) === 'starting');
    assert.equal(await session.run('print("x" in globals())'), 'False');
  });

  it('sees changed times at once and writes them soon', async () => {
    const file = join(world.options.state.session(session.name), 'record.json');
    await spawner.update(session.name, { lastActivityAt: 5 });
    await spawner.update(session.name, { expiresAt: 7 });
    const record = await spawner.get(session.name);
    assert.deepEqual([record?.lastActivityAt, record?.expiresAt], [5, 7]);
    await until(async () => (JSON.parse(await readFile(file, 'utf8')) as { expiresAt: number }).expiresAt === 7, 3_000);
    assert.equal(await spawner.update('nobody', { expiresAt: 7 }), undefined);
  });

  it('leaves nothing behind when it is stopped, however hard its processes try to stay, and twice is once', async () => {
    await session.run(`
import subprocess, sys
subprocess.Popen(["setsid", "-f", sys.executable, "-c", "import time, os; os.environ.clear(); time.sleep(600)", "runs-away"])
`);
    const runaways = async () => {
      const found: string[] = [];
      for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name)))
        if ((await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).endsWith('runs-away\0')) found.push(pid);
      return found.length;
    };
    await until(async () => (await runaways()) === 1);
    await Promise.all([spawner.stop(session.name), spawner.stop(session.name)]);
    assert.equal(await runaways(), 0);
    assert.deepEqual(await processesOf(world.folder), []);
    assert.deepEqual(await readdir(world.options.state.sessions), []);
    assert.deepEqual(await readdir(world.options.state.launches), []);
    assert.deepEqual(await readdir(world.options.sockets), []);
    assert.equal(spawner.upstream(session.name), undefined);
    assert.equal(await spawner.get(session.name), undefined);
    await spawner.stop(session.name);
  });
});
