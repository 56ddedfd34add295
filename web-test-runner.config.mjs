// Runs test/**/*.browser.ts in a real Chromium. Each file is bundled as it is asked for, so that CommonJS packages work too.
import { defaultReporter } from '@web/test-runner';
import { chromeLauncher } from '@web/test-runner-chrome';
import * as esbuild from 'esbuild';
import { browserPath, BROWSER_ARGUMENTS } from './scripts/browser.mjs';
import { browserTestReporter } from './scripts/browser-test-reporter.mjs';
import { esbuildPlugins } from './scripts/esbuild-plugins.mjs';
import { startTestServers } from './test/helpers/browser-test-servers.ts';

const bundle = async (file) => {
  const result = await esbuild.build({
    entryPoints: [file],
    bundle: true,
    write: false,
    format: 'esm',
    target: 'es2022',
    sourcemap: 'inline',
    conditions: ['browser', 'import', 'default'],
    define: { 'process.env.NODE_ENV': '"test"', global: 'globalThis' },
    tsconfigRaw: { compilerOptions: { useDefineForClassFields: false, experimentalDecorators: false } },
    plugins: esbuildPlugins(),
    logLevel: 'silent',
  });
  return result.outputFiles[0].text;
};

let servers;

const reporters = process.env.LIVELEAF_TEST_REPORTER === 'plain' ? [browserTestReporter()] : [defaultReporter()];

export default {
  reporters,
  files: (process.env.LIVELEAF_BROWSER_TESTS ?? 'test/**/*.browser.ts').split(','),
  rootDir: import.meta.dirname,
  concurrency: 1,
  testsFinishTimeout: 300_000,
  testFramework: { config: { timeout: 30_000, ui: 'bdd' } },
  browsers: [
    chromeLauncher({ launchOptions: { executablePath: browserPath(), args: [...BROWSER_ARGUMENTS] }, concurrency: 1 }),
  ],
  plugins: [
    {
      name: 'bundle',
      resolveMimeType: ({ path }) => (path.endsWith('.browser.ts') ? 'js' : undefined),
      serve: async ({ path }) =>
        path.endsWith('.browser.ts') ? { body: await bundle(`${import.meta.dirname}${path}`), type: 'js' } : undefined,
    },
    {
      // Servers that the tests talk to run here, in Node; their addresses reach the page as /test-servers.json.
      name: 'test-servers',
      serverStart: async () => {
        servers = await startTestServers();
      },
      serverStop: async () => {
        await servers?.close();
      },
      serve: ({ path }) =>
        path === '/test-servers.json' ? { body: JSON.stringify(servers.addresses), type: 'json' } : undefined,
    },
  ],
};
