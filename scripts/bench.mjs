// `npm run bench`: prepares what is measured and measures it.
import { spawnSync } from 'node:child_process';
import { ensureBuilt, ensureDependencies, ensurePython, fail, requireNode, root, run, say } from './prepare.mjs';

requireNode();
ensureDependencies();
await ensurePython();
ensureBuilt();
const { ensureBrowser } = await import('./install-browser.mjs');
const chrome = await ensureBrowser({ run, say }).catch((error) => fail(error.message));
const args = ['--import', 'tsx', '--expose-gc', 'test/bench/main.ts', ...process.argv.slice(2)];
const { status } = spawnSync(process.execPath, args, {
  cwd: root,
  stdio: 'inherit',
  env: { ...process.env, CHROME_PATH: chrome },
});
process.exitCode = status ?? 1;
