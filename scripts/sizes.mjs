// Prints what a page loads, compressed with brotli, and fails over the budgets.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync, constants } from 'node:zlib';

const LOADER_BYTES = 2_000;
const TEXT_BYTES = 35_000;

const dist = join(import.meta.dirname, '..', 'dist');
const size = (file) =>
  brotliCompressSync(readFileSync(join(dist, file)), { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }).length;

const chunks = readdirSync(join(dist, 'chunks')).filter((file) => file.endsWith('.js'));
const chunk = (name) => {
  const found = chunks.filter((file) => file.startsWith(`${name}-`) && file.endsWith('.js'));
  if (found.length !== 1) throw new Error(`dist/chunks holds ${found.length} files of ${name}; build dist/ afresh.`);
  return join('chunks', found[0]);
};

/** A chunk and all that it imports before it can run. */
const withImports = (file, found = new Set()) => {
  if (found.has(file)) return found;
  found.add(file);
  const code = readFileSync(join(dist, file), 'utf8');
  for (const [, needed] of code.matchAll(/(?:from|import)\s*"\.\/([\w.-]+\.js)"/g))
    withImports(join('chunks', needed), found);
  return found;
};

const loader = size('liveleaf.js');
/** Between Run and the first text output, on a first visit: the first chunk, and the kernel's. */
const text = [...withImports(chunk('page'), withImports(chunk('jupyter-kernel')))].map((file) => [file, size(file)]);
const others = chunks
  .filter((file) => !text.some(([name]) => join('chunks', file) === name))
  .map((file) => [file, size(join('chunks', file))]);
const sum = text.reduce((total, [, bytes]) => total + bytes, 0);

const row = (name, bytes, budget) =>
  console.log(`${name.padEnd(44)} ${String(bytes).padStart(7)}${budget === undefined ? '' : ` of ${budget}`}`);
row('script tag (liveleaf.js)', loader, LOADER_BYTES);
row('the same as a module (liveleaf.mjs)', size('liveleaf.mjs'));
for (const [name, bytes] of text) row(`  ${name}`, bytes);
row('after Run until a text output', sum, TEXT_BYTES);
for (const [name, bytes] of others) row(`  when needed: ${name}`, bytes);

const over = loader > LOADER_BYTES || sum > TEXT_BYTES;
if (over) console.error('Over the budget.');
process.exitCode = over ? 1 : 0;
