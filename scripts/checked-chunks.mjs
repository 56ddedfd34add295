import { createHash } from 'node:crypto';
import { basename, join, relative } from 'node:path';
import MagicString from 'magic-string';

const hash = (code) => `sha256-${createHash('sha256').update(code).digest('base64')}`;

const isObject = (value) => typeof value === 'object' && value !== null;

/** Every `import(…)` of a module, wherever it stands in the syntax tree. */
const importsIn = (node) => {
  if (Array.isArray(node)) return node.flatMap(importsIn);
  if (!isObject(node)) return [];
  const below = Object.values(node).filter(isObject).flatMap(importsIn);
  return node.type === 'ImportExpression' && typeof node.source.value === 'string' ? [node, ...below] : below;
};

/**
 * Lets no chunk run unchecked: each `import()` is led through `importChecked`, the first chunk holds the hashes of the
 * others, and the loader the hash of the first. One instance spans the builds, which must run in this order.
 */
export const checkedChunks = (root) => {
  let first;
  const helper = join(root, 'widget/chunks.ts');
  const names = new Map();
  /** A short name, the same in every build; two modules that meet in one are an error. */
  const nameOf = (id) => {
    const name = createHash('sha256').update(relative(root, id)).digest('base64url').slice(0, 3);
    if ((names.get(name) ?? id) !== id) throw new Error(`${id} and ${names.get(name)} have the same short name`);
    names.set(name, id);
    return name;
  };

  const wrapImports = () => ({
    name: 'wrap-imports',
    async transform(code, id) {
      if (id === helper || !/\bimport\(/.test(code)) return null;
      const text = new MagicString(code);
      for (const { start, end, source } of importsIn(this.parse(code))) {
        const target = await this.resolve(source.value, id);
        if (!target || target.external) continue;
        text.appendLeft(start, `importChecked(${JSON.stringify(nameOf(target.id))}, () => `);
        text.appendRight(end, ')');
      }
      if (!text.hasChanged()) return null;
      text.prepend(`import { importChecked } from ${JSON.stringify(helper)};\n`);
      return { code: text.toString(), map: text.generateMap({ hires: true }) };
    },
  });

  const fillTable = () => ({
    name: 'fill-table',
    generateBundle(_options, bundle) {
      const chunks = Object.values(bundle).filter((file) => file.type === 'chunk');
      const entry = chunks.find((chunk) => chunk.isEntry);
      // What is imported may share its chunk with more: every such module of a chunk leads to it, whoever its face is.
      const imported = new Map([...names].map(([name, id]) => [id, name]));
      const keysOf = (chunk) => {
        const keys = chunk.moduleIds.filter((id) => imported.has(id)).map((id) => imported.get(id));
        return keys.length > 0 ? keys : [basename(chunk.fileName)];
      };
      const keyOf = (chunk) => keysOf(chunk)[0];
      const table = Object.fromEntries(
        chunks
          .filter((chunk) => chunk !== entry)
          .flatMap((chunk) => {
            const needs = chunk.imports.map((file) => bundle[file]).filter((each) => each && each !== entry);
            const row = [`./${basename(chunk.fileName)}`, hash(chunk.code), ...needs.map(keyOf)];
            return keysOf(chunk).map((key) => [key, row]);
          }),
      );
      const missing = [...names.keys()].filter((name) => !Object.hasOwn(table, name) && !keysOf(entry).includes(name));
      if (missing.length > 0) this.error(`no chunk holds ${missing.map((name) => names.get(name)).join(', ')}`);
      // The name of the first chunk depends on the names of the others, and so on all that this table holds.
      entry.code = entry.code.replace(/\bLIVELEAF_CHUNKS\b/g, () => JSON.stringify(table));
      first = [`./${entry.fileName}`, hash(entry.code)];
    },
  });

  const fillFirst = () => ({
    name: 'fill-first',
    renderChunk: (code) => ({
      code: code.replace(/\bLIVELEAF_FIRST\b/g, () => JSON.stringify(first)),
      map: null,
    }),
  });

  return { wrapImports, fillTable, fillFirst };
};
