/** Stands in for @jupyterlab/coreutils: what a kernel connection uses of it. Settings are given, never read from the page. */
export const PageConfig = { getOption: (): string => '' };

export const URLExt = {
  join: (...parts: string[]): string =>
    parts.map((part, index) => (index < parts.length - 1 ? part.replace(/\/+$/, '') : part)).join('/'),
};
