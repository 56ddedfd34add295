// `npm start`: from a fresh clone to a hub with its demo, saying meanwhile what is going on.
import { pathToFileURL } from 'node:url';
import { join } from 'node:path';
import { ensureBuilt, ensureDependencies, requireNode, root } from './prepare.mjs';

requireNode();
ensureDependencies();
ensureBuilt();
// The hub runs in this very process, so that Ctrl-C reaches it and nothing else has to be ended.
process.argv.splice(2, 0, '--demo', join(root, 'demo'));
process.chdir(root);
await import(pathToFileURL(join(root, 'dist', 'server', 'main.js')).href);
