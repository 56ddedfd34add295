// `npm run dev`: as `npm start`, and builds again and restarts the hub whenever a source changes. Sessions live on.
import { spawn } from 'node:child_process';
import { watch } from 'node:fs';
import { join } from 'node:path';
import { ensureDependencies, requireNode, root, say } from './prepare.mjs';

const SETTLE_MS = 150;

requireNode();
ensureDependencies();

let hub;
const start = () => {
  hub = spawn(process.execPath, [join(root, 'scripts', 'start.mjs'), ...process.argv.slice(2)], {
    cwd: root,
    stdio: 'inherit',
  });
};

// Killed outright, the hub leaves its sessions and builds running, and the next one finds them: an open page goes on.
const restart = () => {
  say('A source changed; building and starting again.');
  if (hub.exitCode !== null) return start();
  hub.once('exit', start);
  hub.kill('SIGKILL');
};

let timer;
const changed = (_event, file) => {
  if (file && !/\.(ts|py|html|css)$/.test(file)) return;
  clearTimeout(timer);
  timer = setTimeout(restart, SETTLE_MS);
};

for (const folder of ['sdk', 'widget', 'server', 'demo']) watch(join(root, folder), { recursive: true }, changed);
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, () => {
    hub.once('exit', (code) => process.exit(code ?? 0));
    hub.kill(signal);
  });
}
start();
