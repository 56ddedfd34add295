/**
 * Fetches a module's file and compares it with its hash; a later `import()` takes just these bytes. Rejects where the
 * file differs or cannot be had.
 */
export const preloadModule = (href: string, integrity: string, nonce = ''): Promise<unknown> => {
  const link = document.createElement('link');
  return new Promise((onload, onerror) => {
    Object.assign(link, { rel: 'modulepreload', integrity, crossOrigin: '', nonce, onload, onerror, href });
    document.head.append(link);
  }).finally(() => link.remove());
};
