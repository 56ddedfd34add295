/** Stands in for @jupyterlab/coreutils: what a kernel connection uses of it. Settings are given, never read from the page. */
const nothing = (): string => '';

export const PageConfig = { getBaseUrl: nothing, getWsUrl: nothing, getOption: nothing, getToken: nothing };

export const URLExt = {
  normalize: (address?: string): string => (address === undefined ? '' : new URL(address).href),
  getHostName: (address: string): string => (address === '' ? '' : new URL(address).hostname),
  join: (...parts: string[]): string =>
    parts
      .map((part, index) => (index === 0 ? part : part.replace(/^\/+/, '')))
      .map((part, index) => (index === parts.length - 1 ? part : part.replace(/\/+$/, '')))
      .join('/'),
};
