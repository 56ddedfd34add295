import { pack } from 'tar-stream';
import type { Content, ContentEntry } from '../../server/content/content.ts';

/** Content that a test writes down: text by path, or the target of a link. */
export const fakeContent = (
  files: Readonly<Record<string, string | { readonly link: string }>>,
  commit = '0'.repeat(40),
): Content => ({
  source: { kind: 'git', url: 'https://example.org/repository.git', commit },
  notices: [],
  list: async () =>
    Object.entries(files).map(([path, file]): ContentEntry =>
      typeof file === 'string'
        ? { path, mode: '100644', sizeBytes: Buffer.byteLength(file) }
        : { path, mode: '120000', sizeBytes: file.link.length },
    ),
  read: async (path) => {
    const file = files[path];
    return typeof file === 'string' ? file : undefined;
  },
  archive: () => {
    const archive = pack();
    for (const [name, file] of Object.entries(files))
      if (typeof file === 'string') archive.entry({ name }, file);
      else archive.entry({ name, type: 'symlink', linkname: file.link });
    archive.finalize();
    return archive as never;
  },
});
