// Leaves in package.json the packages that the built hub imports, and drops from dist/ what no hub needs: what pages load
// is in files of its own there. Run in a copy of the package, by the image's build.
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const manifest = JSON.parse(readFileSync('package.json', 'utf8'));
const versions = { ...manifest.devDependencies, ...manifest.dependencies };

const files = readdirSync('dist', { recursive: true }).map((name) => join('dist', name));
for (const file of files) if (/\.map$|^dist\/types$/.test(file)) rmSync(file, { recursive: true, force: true });

const IMPORT = /(?:\bfrom|\bimport)\s*\(?\s*['"]((?:@[^/'"]+\/)?[^./'"][^/'"]*)/g;
const imported = files
  .filter((file) => /^dist\/(server|sdk\/contract)\/.*\.js$/.test(file))
  .flatMap((file) => [...readFileSync(file, 'utf8').matchAll(IMPORT)].map(([, name]) => name))
  .filter((name) => name in versions);

const { name, version, description, license, type, bin } = manifest;
const dependencies = Object.fromEntries([...new Set(imported)].sort().map((name) => [name, versions[name]]));
writeFileSync(
  'package.json',
  JSON.stringify({ name, version, description, license, type, bin, dependencies }, null, 2),
);
