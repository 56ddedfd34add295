import { jupyterlabCut } from './jupyterlab-cut.mjs';

/** The plugins with which esbuild bundles browser code as rollup does for dist/. */
export const esbuildPlugins = () => [jupyterlabCut.esbuild()];
