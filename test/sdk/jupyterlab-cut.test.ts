import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { brotliCompressSync } from 'node:zlib';
import commonjs from '@rollup/plugin-commonjs';
import nodeResolve from '@rollup/plugin-node-resolve';
import terser from '@rollup/plugin-terser';
import { rollup } from 'rollup';
import esbuild from 'rollup-plugin-esbuild';
import { jupyterlabCut } from '../../scripts/jupyterlab-cut.mjs';

const root = join(import.meta.dirname, '..', '..');

/** Bundles a file as rollup does for pages; returns its first chunk's size and the modules in it. */
const chunkOf = async (input: string): Promise<{ bytes: number; modules: string[] }> => {
  const bundle = await rollup({
    input: join(root, input),
    plugins: [
      jupyterlabCut.rollup() as never,
      // The packages are called what they are, as in the page's own build.
      (nodeResolve as unknown as (options: object) => never)({ browser: true, preferBuiltins: false }),
      (commonjs as unknown as () => never)(),
      (esbuild as unknown as (options: object) => never)({ target: 'es2022', tsconfig: false }),
      (terser as unknown as (options: object) => never)({ ecma: 2022, module: true, compress: { passes: 3 } }),
    ],
    onwarn: () => undefined,
  });
  const { output } = await bundle.generate({ format: 'es', inlineDynamicImports: true });
  await bundle.close();
  const [chunk] = output;
  return { bytes: brotliCompressSync(chunk.code).length, modules: Object.keys(chunk.modules) };
};

describe('the cut of @jupyterlab/services', () => {
  it('leaves the kernel connection of the package and nothing else', async (context) => {
    const { bytes, modules } = await chunkOf('sdk/services-kernel.ts');
    context.diagnostic(`kernel connection and its sockets: ${bytes} bytes, brotli`);
    const foreign = modules.filter((path) => path.includes('node_modules')).map((path) => path.replace(/\?.*/, ''));
    const strangers = foreign.filter((path) => !/services[\\/]lib[\\/](kernel|serverconnection|validate)/.test(path));
    assert.deepEqual(strangers, []);
    assert.ok(bytes < 13_000, `the cut no longer cuts: ${bytes} bytes`);
  });

  it('keeps all that a kernel needs below 17,000 bytes', async (context) => {
    const { bytes } = await chunkOf('sdk/jupyter-kernel.ts');
    context.diagnostic(`everything for a kernel: ${bytes} bytes, brotli`);
    assert.ok(bytes < 17_000, `${bytes} bytes`);
  });

  it('lets the launching half of the SDK stay free of it', async (context) => {
    const { bytes, modules } = await chunkOf('sdk/launch.ts');
    context.diagnostic(`launching: ${bytes} bytes, brotli`);
    assert.ok(!modules.some((path) => path.includes('@jupyterlab')));
    assert.ok(bytes < 13_000, `${bytes} bytes`);
  });
});
