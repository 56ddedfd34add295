import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { chromium, type BrowserContext, type BrowserContextOptions, type Page } from 'playwright-core';
import { rollup, type InputOptions, type OutputOptions, type Plugin } from 'rollup';

const root = join(import.meta.dirname, '..', '..');

type Build = InputOptions & { output: OutputOptions };

/** Modules outside the types: plain JavaScript of the build. */
const load = async <Module>(path: string): Promise<Module> => (await import(join(root, path))) as Module;

const steered: Plugin = {
  name: 'steered-sdk-parts',
  resolveId: (source) =>
    source.endsWith('/sdk-parts.ts') ? join(root, 'test/helpers/browser/steered-sdk-parts.ts') : null,
};

/** The files for pages, built as for dist/, but with launches and kernels that the test steers; by path. */
const build = async (): Promise<Map<string, string>> => {
  const { browserBuilds } = await load<{ browserBuilds: Build[] }>('rollup.config.mjs');
  const files = new Map<string, string>();
  for (const { output, ...input } of browserBuilds.slice(0, 3)) {
    const bundle = await rollup({ ...input, plugins: [steered, input.plugins], onwarn: () => undefined });
    const { output: made } = await bundle.generate(output);
    for (const file of made)
      if (file.type === 'chunk') files.set(output.file ? output.file.slice(5) : file.fileName, file.code);
    await bundle.close();
  }
  return files;
};

export interface ServedPage {
  readonly html: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A web server with the built widget at `/w/` and the pages of a test, and a browser to open them. */
export const startBuiltPage = async () => {
  const files = await build();
  const pages = new Map<string, ServedPage>();
  const requests: string[] = [];
  const server = createServer((request, response) => {
    const path = new URL(request.url ?? '/', 'http://x').pathname;
    requests.push(path);
    const page = pages.get(path);
    const file = path.startsWith('/w/') ? files.get(path.slice(3)) : undefined;
    response.statusCode = page || file ? 200 : 404;
    response.setHeader('content-type', `${page ? 'text/html' : 'text/javascript'};charset=utf-8`);
    response.setHeader('access-control-allow-origin', '*');
    for (const [name, value] of Object.entries(page?.headers ?? {})) response.setHeader(name, value);
    response.end(page?.html ?? file ?? '');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const { BROWSER_ARGUMENTS, browserPath } = await load<{ BROWSER_ARGUMENTS: string[]; browserPath(): string }>(
    'scripts/browser.mjs',
  );
  const browser = await chromium.launch({ executablePath: browserPath(), args: BROWSER_ARGUMENTS });
  let count = 0;
  const contexts: BrowserContext[] = [];
  return {
    files,
    /** What was asked for since the last call. */
    requested: (): string[] => requests.splice(0),
    /** Opens a page of its own; `problems` collects its errors and every report of its policy. */
    open: async (
      served: ServedPage,
      options: BrowserContextOptions = {},
    ): Promise<{ page: Page; problems: string[] }> => {
      const path = `/page-${(count += 1)}`;
      pages.set(path, served);
      const context = await browser.newContext(options);
      contexts.push(context);
      const page = await context.newPage();
      page.setDefaultTimeout(6_000);
      const problems: string[] = [];
      page.on('pageerror', (error) => problems.push(String(error)));
      page.on('console', (message) => {
        if (message.type() === 'error' && !/favicon/.test(message.location().url)) problems.push(message.text());
      });
      await page.addInitScript(() => {
        document.addEventListener('securitypolicyviolation', (event) =>
          console.error(`violation: ${event.violatedDirective} ${event.blockedURI} ${event.sample}`),
        );
      });
      requests.length = 0;
      await page.goto(address + path);
      await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
      return { page, problems };
    },
    closePages: async (): Promise<void> => {
      await Promise.all(contexts.splice(0).map((context) => context.close()));
    },
    close: async (): Promise<void> => {
      await browser.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
};
