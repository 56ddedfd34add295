import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { build } from 'esbuild';
import type { Browser, Page } from 'playwright-core';
import { sessionPath } from '../../sdk/contract/index.ts';
import { launchChromium } from '../helpers/chromium.ts';
import { openFollowed, type FollowedPage } from '../helpers/e2e-followed-page.ts';
import { startSite, type Site } from '../helpers/e2e-site.ts';
import { startWorld, type E2eWorld } from '../helpers/e2e-world.ts';
import { npmPackage } from '../helpers/npm-package.ts';

const ANSWER_MS = 60_000;

type Fields = Readonly<Record<string, unknown>>;

/** What the npm package exports, bundled for a page and else untouched. */
const binderHubClient = async (): Promise<string> => {
  const { outputFiles } = await build({
    stdin: {
      contents: `export * from '@jupyterhub/binderhub-client/client.js'; export * from '@jupyterhub/binderhub-client/spec.js';`,
      resolveDir: import.meta.dirname,
    },
    bundle: true,
    format: 'iife',
    globalName: 'binderhub',
    write: false,
  });
  return outputFiles[0]!.text;
};

/** The same site by another name. */
const atLocalhost = (address: string): string => address.replace('127.0.0.1', 'localhost');

const html = (head: string, body: string): string => `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>A page</title>${head}</head><body><h1>A page</h1>${body}</body></html>`;

const thebePage = (binderOptions: Fields, cells: readonly string[], options: Fields = {}): string =>
  html(
    `<link rel="stylesheet" href="/thebe/thebe.css">
    <script type="text/x-thebe-config">${JSON.stringify({ requestKernel: true, mathjaxUrl: false, binderOptions, ...options })}</script>
    <script src="/thebe/index.js"></script>`,
    `<div class="thebe-activate"></div><div class="thebe-status"></div>
    ${cells.map((code) => `<pre data-executable="true" data-language="python">${code}</pre>`).join('\n')}`,
  );

describe('unmodified clients against the hub', { timeout: 300_000 }, () => {
  let site: Site;
  let books: string;
  let world: E2eWorld;
  let browser: Browser;
  let hub: string;

  before(async () => {
    books = await mkdtemp(join(tmpdir(), 'liveleaf-books-'));
    await mkdir(join(books, 'book'));
    site = await startSite({
      thebe: join(await npmPackage('thebe', '0.9.3'), 'lib'),
      juniper: join(await npmPackage('juniper-js', '0.1.0'), 'dist'),
    });
    [world, browser] = await Promise.all([
      startWorld({
        config: {
          origins: [site.origin, atLocalhost(site.origin)],
          dirs: { books },
          providers: { checkouts: { 'gh/owner/book': 'books/book' } },
          pool: { servers: 1, sessions: 0 },
        },
      }),
      launchChromium(),
    ]);
    hub = world.hub.address.replace(/\/$/, '');
    const files = {
      'runtime.txt': await world.git.git('owner/plain', 'show', 'main:runtime.txt'),
      'moons.txt': 'Io, Europa, Ganymede, Callisto\n',
      'index.ipynb': JSON.stringify({ cells: [], metadata: {}, nbformat: 4, nbformat_minor: 5 }),
    };
    for (const [name, text] of Object.entries(files)) await writeFile(join(books, 'book', name), text);
    await world.git.commit('owner/book', files);
  });
  after(async () => {
    await browser?.close();
    await site?.close();
    await world?.end();
    await rm(books, { recursive: true, force: true });
  });

  const open = (address: string): Promise<FollowedPage> => openFollowed(browser, address, world.cancelToken);

  /** Presses Activate and waits until Thebe itself says that it is ready. */
  const activate = async ({ page }: FollowedPage): Promise<void> => {
    await page.getByRole('button', { name: 'Activate' }).click();
    await page.locator('.thebe-status-session-ready').waitFor({ timeout: ANSWER_MS });
  };
  const runThebe = async ({ page }: FollowedPage, cell: number, answer: string | RegExp): Promise<void> => {
    const box = page.locator('.thebe-cell').nth(cell);
    await box.locator('.thebe-run-button').click();
    await box.locator('.jp-OutputArea-output').filter({ hasText: answer }).waitFor({ timeout: ANSWER_MS });
  };
  const assertOneKernel = async (opened: FollowedPage): Promise<void> => {
    const started = opened.events.find(({ phase }) => phase === 'ready')?.['kernel'] as { id: string };
    const kernels = await opened.kernels();
    assert.deepEqual(
      kernels.map(({ id, connections }) => ({ id, connections })),
      [{ id: started.id, connections: 1 }],
    );
  };

  it('thebe 0.9.3 runs a page of a repository on GitHub, in the kernel that the hub started', async () => {
    const opened = await open(
      site.put(
        'thebe-gh.html',
        thebePage({ repo: 'owner/book', ref: 'HEAD', binderUrl: hub }, [
          '1+1',
          'import os\nsorted(os.listdir())',
          'print(open("moons.txt").read())',
          '1/0',
        ]),
      ),
    );
    await activate(opened);
    await runThebe(opened, 0, /^2$/);
    await runThebe(opened, 1, "['index.ipynb', 'moons.txt', 'runtime.txt']");
    await runThebe(opened, 2, 'Io, Europa, Ganymede, Callisto');
    await runThebe(opened, 3, /Traceback[\s\S]*ZeroDivisionError: division by zero/);
    await runThebe(opened, 0, /^2$/);
    await assertOneKernel(opened);
    assert.deepEqual(
      [...new Set(opened.events.map(({ phase }) => phase))].filter((phase) => phase !== 'building'),
      ['waiting', 'fetching', 'built', 'launching', 'ready'],
    );
    assert.deepEqual(opened.errors, []);
    await opened.close();
  });

  it('thebe 0.9.3 runs a page of a repository of any git server', async () => {
    const opened = await open(
      site.put(
        'thebe-git.html',
        thebePage({ repo: world.git.url('owner/book'), repoProvider: 'git', ref: 'main', binderUrl: hub }, [
          'print(open("moons.txt").read())',
        ]),
      ),
    );
    await activate(opened);
    await runThebe(opened, 0, 'Io, Europa, Ganymede, Callisto');
    await assertOneKernel(opened);
    assert.deepEqual(opened.errors, []);
    await opened.close();
  });

  // What Thebe saves lacks `appendToken`, so that its socket then has a token on hosts of another name only.
  for (const at of [(address: string) => address, atLocalhost])
    it(`thebe 0.9.3 finds the session again after a reload, on ${new URL(at('http://127.0.0.1')).hostname}`, async () => {
      const address = site.put(
        'thebe-again.html',
        thebePage({ repo: 'owner/book', ref: 'HEAD', binderUrl: hub }, ['n = 41; n', 'n + 1']),
      );
      const opened = await open(at(address));
      await activate(opened);
      await runThebe(opened, 0, /^41$/);
      await opened.page.reload({ waitUntil: 'load' });
      await activate(opened);
      await runThebe(opened, 1, /^42$/);
      assert.equal(opened.events.filter(({ phase }) => phase === 'ready').length, 1);
      await assertOneKernel(opened);
      assert.deepEqual(opened.errors, []);
      await opened.close();
    });

  /** Follows a launch by the package's own means, in a page; `address` is what it makes of a launch that is ready. */
  const fetchAll = (
    page: Page,
    spec: string,
    landing = '',
  ): Promise<{ readonly events: readonly Fields[]; readonly address: string }> =>
    page.evaluate(`(async () => {
      const repository = new binderhub.BinderRepository(${JSON.stringify(spec)}, new URL(${JSON.stringify(`${hub}/build`)}));
      const events = [];
      let address = '';
      for await (const event of repository.fetch()) {
        events.push(event);
        if (event.phase !== 'ready' && event.phase !== 'failed') continue;
        repository.close();
        const launch = binderhub.LaunchSpec.fromSearchParams(new URLSearchParams(${JSON.stringify(landing)}));
        if (event.phase === 'ready') address = launch.getJupyterServerRedirectUrl(event.url, event.token).href;
        break;
      }
      return { events, address };
    })()`);
  const openClient = async (): Promise<FollowedPage> => {
    site.put('binderhub.js', await binderHubClient());
    return open(site.put('client.html', html('<script src="/binderhub.js"></script>', '')));
  };

  it('binderhub-client follows a launch, and its address opens JupyterLab on a host of the session’s own', async () => {
    const opened = await openClient();
    const { page } = opened;
    const repo = `git/${encodeURIComponent(world.git.url('owner/book'))}`;
    const { events, address } = await fetchAll(page, `${repo}/HEAD`, 'labpath=index.ipynb');
    const ready = events.at(-1)!;
    const commit = await world.git.git('owner/book', 'rev-parse', 'main');
    assert.equal(ready['phase'], 'ready', JSON.stringify(ready));
    assert.equal(ready['binder_request'], `v2/${repo}/HEAD`);
    assert.equal(ready['binder_persistent_request'], `v2/${repo}/${commit}`);
    assert.equal(ready['repo_url'], world.git.url('owner/book'));
    assert.equal(ready['binder_launch_host'], world.hub.address);
    assert.ok(events.every(({ message }) => typeof message === 'string' && message.endsWith('\n')));

    const session = String(ready['session']);
    const response = await page.goto(address);
    assert.equal(response?.status(), 200);
    const { host, pathname, search } = new URL(page.url());
    assert.equal(host, `${session}.localhost:${new URL(world.hub.sessionAddress).port}`);
    assert.ok(pathname.startsWith(sessionPath(session)), pathname);
    assert.doesNotMatch(search, /token/);
    await page.locator('.jp-NotebookPanel').waitFor({ timeout: ANSWER_MS });
    assert.match(await page.title(), /Jupyter/);
    assert.deepEqual(opened.errors, []);
    await opened.close();
  });

  it('binderhub-client says why a launch failed', async () => {
    const opened = await openClient();
    const missing = `git/${encodeURIComponent(world.git.url('owner/nowhere'))}/HEAD`;
    const failures = [
      [
        missing,
        /^Could not resolve ref for git:\S+nowhere\S*\. Double check your URL and that your repo is public\. .+\n$/,
      ],
      ['gh/stranger/book/HEAD', /not allow/],
      ['nowhere/owner/book/HEAD', /"nowhere"/],
    ] as const;
    for (const [spec, sentence] of failures) {
      const { events } = await fetchAll(opened.page, spec);
      assert.equal(events.at(-1)?.['phase'], 'failed');
      assert.match(String(events.at(-1)?.['message']), sentence);
    }
    // It throws an error of its own to end a stream, and nobody catches it.
    assert.ok(
      opened.errors.every((error) => error === 'EventStreamClose'),
      JSON.stringify(opened.errors),
    );
    await opened.close();
  });

  it('juniper-js 0.1.0 runs a cell, and again', async () => {
    const opened = await open(
      site.put(
        'juniper.html',
        html(
          `<script src="/juniper/juniper.min.js"></script>
          <script>addEventListener('DOMContentLoaded', () =>
            new Juniper({ repo: 'owner/book', branch: 'HEAD', url: ${JSON.stringify(hub)} }));</script>`,
          '<pre data-executable>1+1</pre><pre data-executable>print(open("moons.txt").read())</pre>',
        ),
      ),
    );
    const cells = opened.page.locator('.juniper-cell');
    for (const [cell, answer] of [
      [0, /^2$/],
      [1, 'Io, Europa, Ganymede, Callisto'],
    ] as const) {
      await cells.nth(cell).locator('.juniper-button').click();
      await cells
        .nth(cell)
        .locator('.jp-OutputArea-output')
        .filter({ hasText: answer })
        .waitFor({ timeout: ANSWER_MS });
    }
    assert.deepEqual(opened.errors, []);
    await opened.close();
  });
});
