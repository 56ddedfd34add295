/** Packages that work only inside the Jupyter server or JupyterLab, which are the hub's own here. */
const SERVER_SIDE: readonly RegExp[] = [
  /^jupyterlab$/, /^notebook$/, /^jupyter-server$/, /^nbclassic$/, /^retrolab$/, /^voila$/, /^nbgitpuller$/, /^jupyter-(?:.+-)?proxy$/,
  /^jupyterlab-(?!widgets$|pygments$)/, /^jupyter-(?:ai|lsp|server-.+|resource-usage|archive|collaboration|scheduler|contrib-.*|nbextensions-.*)$/,
  /^nbextension/, /^nbresuse$/, /^jupytext$/, /^dask-labextension$/, /^ipyparallel$/, /^rise$/, /^jupyter-offlinenotebook$/, /^appmode$/, /^panel-server$/,
]; // prettier-ignore

/** The packages among those given whose extensions or apps will not load in a session. */
export const serverSidePackages = (names: readonly string[]): string[] =>
  [...new Set(names)].filter((name) => SERVER_SIDE.some((pattern) => pattern.test(name))).sort();
