const encodePath = (path: string): string => path.split('/').map(encodeURIComponent).join('/');

const stripped = (path: string): string => path.replace(/^\/+/, '');

/**
 * Where a launch lands below its session, by the words that links to BinderHub use: `labpath` and `filepath` name a file,
 * `urlpath` an address; the first wins. Without any JupyterLab opens.
 */
export const landingPathOf = (query: URLSearchParams): string => {
  const labPath = query.get('labpath');
  if (labPath) return `doc/tree/${encodePath(stripped(labPath))}`;
  const filePath = query.get('filepath');
  if (filePath) return `tree/${encodePath(stripped(filePath))}`;
  const urlPath = query.get('urlpath');
  return urlPath ? stripped(urlPath) : 'lab';
};
