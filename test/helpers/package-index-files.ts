import { startPackageIndex, type TestPackage } from './package-index.ts';

/** A package index as a volume's files, for what has no network: `simple/<name>/index.html`, and the packages in `files`. */
export interface PackageIndexFiles {
  /** By key, in base64: the data of a Secret. */
  readonly data: Record<string, string>;
  /** Where each key lies in the volume. */
  readonly items: { key: string; path: string }[];
}

export const packageIndexFiles = async (packages: readonly TestPackage[]): Promise<PackageIndexFiles> => {
  const index = await startPackageIndex(packages);
  const data: Record<string, string> = {};
  const items: PackageIndexFiles['items'] = [];
  for (const { name, version } of packages) {
    const { url } = index.file(name, version);
    const wheel = Buffer.from(await (await fetch(url)).arrayBuffer());
    const file = url.slice(url.lastIndexOf('/') + 1);
    const page = `<!doctype html><body><a href="../../files/${file}">${file}</a></body>`;
    for (const [key, path, content] of [
      [file, `files/${file}`, wheel],
      [`${name}.html`, `simple/${name}/index.html`, Buffer.from(page)],
    ] as const) {
      data[key] = content.toString('base64');
      items.push({ key, path });
    }
  }
  await index.close();
  return { data, items };
};
