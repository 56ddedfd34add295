// Builds dist/: for pages (the loader, lazy chunks, one file) and for npm users and Node (one file per module).
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { brotliCompressSync } from 'node:zlib';
import commonjs from '@rollup/plugin-commonjs';
import json from '@rollup/plugin-json';
import nodeResolve from '@rollup/plugin-node-resolve';
import replace from '@rollup/plugin-replace';
import terser from '@rollup/plugin-terser';
import esbuild from 'rollup-plugin-esbuild';
import minifyTemplateLiterals from 'rollup-plugin-minify-template-literals';
import { checkedChunks } from './scripts/checked-chunks.mjs';
import { jupyterlabCut } from './scripts/jupyterlab-cut.mjs';

const root = import.meta.dirname;
/** Where the build goes; `npm start` and its like build beside `dist` and then put the whole in its place. */
const dist = process.env.LIVELEAF_DIST ?? 'dist';
const chunks = checkedChunks(root);

const compile = () =>
  esbuild({
    target: 'es2022',
    tsconfig: false,
    exclude: /node_modules\/(?!eventsource)/,
    tsconfigRaw: { compilerOptions: { useDefineForClassFields: false, verbatimModuleSyntax: true } },
  });

/**
 * The event stream's packages are published for engines without private fields; from their sources, which they publish
 * too, they are a tenth smaller.
 */
const fromSource = (...names) => ({
  name: 'from-source',
  resolveId: (id, importer) => {
    if (names.includes(id)) return join(root, 'node_modules', id, 'src', 'index.ts');
    const inside = importer && names.some((name) => importer.includes(join('node_modules', name, 'src')));
    return inside && id.startsWith('.') ? join(dirname(importer), id.replace(/\.js$/, '.ts')) : null;
  },
});

const forPages = (...first) => [
  fromSource('eventsource', 'eventsource-parser'),
  jupyterlabCut.rollup(),
  nodeResolve({ browser: true, preferBuiltins: false, exportConditions: ['production', 'browser'] }),
  commonjs(),
  json(),
  replace({ preventAssignment: true, values: { 'process.env.NODE_ENV': '"production"' } }),
  compile(),
  minifyTemplateLiterals(),
  ...first,
  terser({
    ecma: 2022,
    module: true,
    compress: {
      passes: 3,
      drop_console: ['debug'],
      keep_fargs: false,
      unsafe_arrows: true,
      unsafe_methods: true,
      hoist_props: true,
    },
    format: { comments: false },
  }),
];

/** The first chunk and all that it loads, checked by hash. */
const firstChunk = {
  input: { page: 'widget/activate.ts' },
  // Lets the other chunks import from the first, rather than from a third that both share.
  preserveEntrySignatures: 'allow-extension',
  output: {
    dir: dist,
    format: 'es',
    entryFileNames: 'chunks/[name]-[hash:6].js',
    chunkFileNames: 'chunks/[name]-[hash:6].js',
  },
  plugins: [
    // Names hold hashes, so chunks of earlier builds would stay for ever.
    {
      name: 'clean',
      generateBundle: (_options, _bundle, isWrite) =>
        isWrite && rmSync(join(root, dist, 'chunks'), { recursive: true, force: true }),
    },
    ...forPages(chunks.wrapImports()),
    chunks.fillTable(),
  ],
};

const loader = (input, file, format) => ({
  input,
  output: { file, format, ...(format === 'iife' ? { name: undefined } : {}), inlineDynamicImports: true },
  plugins: forPages(chunks.fillFirst()),
});

export const browserBuilds = [
  firstChunk,
  loader('widget/loader-classic.ts', `${dist}/liveleaf.js`, 'iife'),
  loader('widget/loader-module.ts', `${dist}/liveleaf.mjs`, 'es'),
  loader('widget/loader-all.ts', `${dist}/liveleaf.all.js`, 'iife'),
];

const ENTRIES = [
  'sdk/index.ts',
  'sdk/contract/index.ts',
  'widget/index.ts',
  'widget/define.ts',
  'server/main.ts',
  'server/index.ts',
].filter((entry) => existsSync(join(root, entry)));

/** What pages fetch, compressed once, so that a hub serves it as small as it can be. */
const compressForPages = () => ({
  name: 'compress-for-pages',
  writeBundle: () => {
    for (const folder of [dist, `${dist}/chunks`]) {
      for (const file of readdirSync(join(root, folder)).filter((name) => /\.m?js$/.test(name))) {
        const path = join(root, folder, file);
        writeFileSync(`${path}.br`, brotliCompressSync(readFileSync(path)));
      }
    }
  },
});

/** Modules as they are, packages left to npm. */
export const nodeBuild = {
  input: ENTRIES,
  external: (id) => !id.startsWith('.') && !id.startsWith('/') && !id.startsWith('\0'),
  output: {
    dir: dist,
    format: 'es',
    preserveModules: true,
    preserveModulesRoot: root,
    entryFileNames: '[name].js',
    sourcemap: true,
    banner: ({ facadeModuleId }) => (facadeModuleId?.endsWith('/server/main.ts') ? '#!/usr/bin/env node' : ''),
  },
  plugins: [
    nodeResolve({ extensions: ['.ts', '.mjs', '.js'] }),
    json(),
    compile(),
    compressForPages(),
    {
      name: 'python-beside-server',
      writeBundle: () => {
        const filter = (path) => !/__pycache__|\.pyc$/.test(path);
        cpSync(join(root, 'server/python'), join(root, dist, 'server/python'), { recursive: true, filter });
      },
    },
  ],
};

export default [...browserBuilds, nodeBuild];
