import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import type { Browser } from 'playwright-core';
import { connectKernel, launch, type Launch, type ReceivedEvent, type Server } from '../../sdk/index.ts';
import { createLaunch } from '../../sdk/launch.ts';
import { globalWorld } from '../../sdk/world.ts';
import { SESSION_SELECTOR } from '../../server/spawners/kubernetes-session-name.ts';
import { launchChromium } from '../helpers/chromium.ts';
import { clusterImage, TEST_REGISTRY } from '../helpers/cluster-images.ts';
import { clusterNamespace, type ClusterNamespace } from '../helpers/cluster-namespace.ts';
import { assertWhole, logOf, watchLaunch } from '../helpers/e2e-watcher.ts';
import { startHubProcess, type HubProcess } from '../helpers/hub-process.ts';
import { until } from '../server/spawners/session-world.ts';

const root = join(import.meta.dirname, '..', '..');
const run = promisify(execFile);
const LAUNCH_MS = 240_000;

describe('hubs that build and run on a cluster', { timeout: 1_200_000 }, () => {
  let sessions: ClusterNamespace;
  let builds: ClusterNamespace;
  let folder: string;
  let first: HubProcess;
  let second: HubProcess;
  let browser: Browser;
  const launches: Launch[] = [];

  before(async () => {
    const image = await clusterImage('session');
    folder = await mkdtemp(join(tmpdir(), 'liveleaf-book-'));
    await cp(join(root, 'demo', 'environments', 'blog'), folder, { recursive: true });
    sessions = await clusterNamespace('main-job-sessions');
    builds = await clusterNamespace('main-job-builds');
    const egress = process.env['LIVELEAF_TEST_EGRESS'];
    // How this machine's pods reach a package index; a cluster with an open network needs nothing.
    if (egress !== undefined) await run(egress, [builds.name]);
    const config = {
      backend: 'kubernetes',
      dirs: { book: folder },
      registry: { url: `http://${TEST_REGISTRY}`, prefix: `${sessions.name}/`, allowHttp: true },
      kubernetes: {
        sessionNamespace: sessions.name,
        buildNamespace: builds.name,
        baseImage: image,
        egressConfigMaps: egress === undefined ? [] : ['machine-egress', 'machine-egress-env'],
      },
      pool: { servers: 0, sessions: 0 },
    };
    first = await startHubProcess({ config, demo: true });
    second = await startHubProcess({ config, demo: true, keysFile: join(first.stateDir, 'keys.json') });
    browser = await launchChromium();
  });
  afterEach(async () => {
    for (const each of launches.splice(0)) await each.cancel();
    await until(async () => (await sessionPods()).length === 0, 30_000);
  });
  after(async () => {
    await browser?.close();
    await Promise.all([first?.stop(), second?.stop()]);
    await Promise.all([sessions?.remove(), builds?.remove()]);
    await rm(folder, { recursive: true, force: true });
  });

  const sessionPods = async () => (await sessions.api.listPods(sessions.name, SESSION_SELECTOR)).items;
  const buildPods = async () => (await builds.api.listPods(builds.name, '')).items;
  const start = (spec: string, hub: HubProcess): Launch => {
    const started = launch(spec, { hub: hub.address });
    launches.push(started);
    return started;
  };
  const ready = async (spec: string, hub = first): Promise<{ server: Server; events: readonly ReceivedEvent[] }> => {
    const started = start(spec, hub);
    const events = await watchLaunch(started).done;
    return { server: await started.server, events };
  };
  const output = async (server: Server, code: string): Promise<string> => {
    const kernel = await connectKernel(server, { signal: AbortSignal.timeout(60_000) });
    try {
      let text = '';
      const execution = kernel.execute(code);
      for await (const each of execution) if (each.type === 'stream') text += each.text;
      await execution.result;
      return text.trim();
    } finally {
      kernel.dispose();
    }
  };
  const environmentOf = (events: readonly ReceivedEvent[]) => {
    const built = events.find((event) => event.phase === 'built');
    assert.ok(built?.phase === 'built', JSON.stringify(events.at(-1)));
    return { key: built.environment, cached: built.cached };
  };

  it('show a table and plots on a page, computed in an environment that was built before the reader’s eyes', async () => {
    const page = await browser.newPage();
    await page.goto(`${first.address}demo/textbook.html`);
    const runs = page.getByRole('button', { name: /^(run|stop) code/i });
    await runs.first().waitFor();
    for (let index = 0; index < (await runs.count()); index += 1) await runs.nth(index).click();
    const question = page.getByRole('textbox', { name: /how many throws/i });
    await question.waitFor({ timeout: LAUNCH_MS });
    await question.fill('5000');
    await question.press('Enter');
    await page.getByRole('cell', { name: '9.5' }).waitFor({ timeout: 60_000 });
    await page.locator('img[src^="blob:"]').nth(1).waitFor({ timeout: 60_000 });
    await page.close();
    for (const pod of await sessionPods())
      await sessions.api.deletePod(sessions.name, pod.metadata?.name ?? '', { graceSeconds: 0 });
  });

  it('build nothing for an edited chapter, and anew for a changed pin', async () => {
    await writeFile(join(folder, 'chapter.txt'), 'one');
    await writeFile(join(folder, 'requirements.txt'), 'six==1.16.0\n');
    const before = await ready('dir/book/HEAD');
    assert.equal(environmentOf(before.events).cached, false);
    assert.equal(
      await output(before.server, 'import six; print(six.__version__, open("chapter.txt").read())'),
      '1.16.0 one',
    );

    const podsBefore = (await buildPods()).length;
    await writeFile(join(folder, 'chapter.txt'), 'two');
    const edited = await ready('dir/book/HEAD', second);
    assert.deepEqual(environmentOf(edited.events), { key: environmentOf(before.events).key, cached: true });
    assert.equal(await output(edited.server, 'print(open("chapter.txt").read())'), 'two');
    assert.equal((await buildPods()).length, podsBefore);

    await writeFile(join(folder, 'requirements.txt'), 'six==1.17.0\n');
    const pinned = await ready('dir/book/HEAD');
    assert.notEqual(environmentOf(pinned.events).key, environmentOf(before.events).key);
    assert.equal(await output(pinned.server, 'import six; print(six.__version__)'), '1.17.0');
  });

  it('name the package that does not exist', async () => {
    await writeFile(join(folder, 'requirements.txt'), 'six\nno-such-package-of-liveleaf\n');
    const failed = (await watchLaunch(start('dir/book/HEAD', first)).done).at(-1);
    assert.ok(failed?.phase === 'failed', JSON.stringify(failed));
    assert.equal(failed.code, 'build_failed');
    assert.equal(failed.detail?.package, 'no-such-package-of-liveleaf');
    assert.equal(failed.detail?.file, 'requirements.txt');
    assert.equal(failed.detail?.line, 2);
  });

  it('go on with each other’s launches: one is killed in the middle of a build, and the other serves the same stream', async () => {
    await writeFile(join(folder, 'requirements.txt'), 'six==1.15.0\n');
    // What a page’s requests meet behind one address when a hub is gone.
    let hub = first;
    const world = globalWorld();
    const shared = createLaunch({
      ...world,
      fetch: (address, init) => world.fetch(address.replace(first.address, hub.address), init),
    });
    const started = shared('dir/book/HEAD', { hub: first.address });
    launches.push(started);
    const watcher = watchLaunch(started);
    await watcher.until(({ phase }) => phase === 'building', 60_000);
    hub = second;
    await first.kill();
    const events = await watcher.done;
    assertWhole(events);
    assert.equal(events.at(-1)?.phase, 'ready', JSON.stringify(events.at(-1)));
    assert.ok(logOf(events, 'building').length > 3);
    assert.equal(await output(await started.server, 'import six; print(six.__version__)'), '1.15.0');
    assert.equal((await sessionPods()).length, 1);
    const { key } = environmentOf(events);
    assert.equal((await buildPods()).filter((pod) => pod.metadata?.labels?.['liveleaf/key'] === key).length, 1);
    await first.start();
  });

  it('hold no secret in a pod', async () => {
    const { server } = await ready('dir/demo/blog/HEAD');
    const keys = JSON.parse(await readFile(join(first.stateDir, 'keys.json'), 'utf8')) as {
      keys: { secret: string }[];
    };
    const pods = JSON.stringify([...(await sessionPods()), ...(await buildPods())]);
    for (const secret of [server.token, ...keys.keys.map(({ secret }) => secret)])
      assert.ok(!pods.includes(secret), 'a secret stands in a pod');
  });
});
