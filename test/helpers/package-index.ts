import { createHash } from 'node:crypto';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { crc32, gzipSync } from 'node:zlib';
import { pack } from 'tar-stream';

/** A package that a test's index serves. */
export interface TestPackage {
  readonly name: string;
  readonly version: string;
  /** Files of the wheel, by path. Default: a module of the package's name. */
  readonly files?: Readonly<Record<string, string>>;
  /** Requirements, `other>=1`. */
  readonly requires?: readonly string[];
  readonly requiresPython?: string;
  /** Serves a source archive instead of a wheel: this Python runs as the body of `build_wheel(directory)` and must return nothing; what it raises fails the build. */
  readonly build?: string;
  /** Answers the file's request in its own way, such as not at all. */
  readonly serve?: (response: ServerResponse, file: Buffer) => void;
}

export interface PackageIndex {
  /** For `UV_DEFAULT_INDEX`. */
  readonly url: string;
  /** Paths that were asked for. */
  readonly requests: readonly string[];
  /** Where a package's file is, with its hash: for lock files. */
  file(name: string, version: string): { readonly url: string; readonly hash: string };
  close(): Promise<void>;
}

interface ZipEntry {
  readonly name: string;
  readonly data: Buffer;
}

/** A zip archive without compression. */
const zip = (entries: readonly ZipEntry[]): Buffer => {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const { name, data } of entries) {
    const path = Buffer.from(name);
    // Version, flags, method, time, date (1980-01-01), checksum, sizes, length of name, length of extra.
    const common = Buffer.alloc(26);
    common.writeUInt16LE(20, 0);
    common.writeUInt16LE(0x0021, 8);
    common.writeUInt32LE(crc32(data), 10);
    common.writeUInt32LE(data.length, 14);
    common.writeUInt32LE(data.length, 18);
    common.writeUInt16LE(path.length, 22);
    const local = Buffer.concat([Buffer.from('PK\x03\x04'), common, path, data]);
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE((0o100644 << 16) >>> 0, 6);
    tail.writeUInt32LE(offset, 10);
    directory.push(Buffer.concat([Buffer.from('PK\x01\x02'), Buffer.from([20, 3]), common, tail, path]));
    parts.push(local);
    offset += local.length;
  }
  const central = Buffer.concat(directory);
  const end = Buffer.alloc(18);
  end.writeUInt16LE(entries.length, 4);
  end.writeUInt16LE(entries.length, 6);
  end.writeUInt32LE(central.length, 8);
  end.writeUInt32LE(offset, 12);
  return Buffer.concat([...parts, central, Buffer.from('PK\x05\x06'), end]);
};

const moduleName = (name: string): string => name.replaceAll('-', '_');

const metadata = ({ name, version, requires = [], requiresPython }: TestPackage): string =>
  [
    'Metadata-Version: 2.1',
    `Name: ${name}`,
    `Version: ${version}`,
    ...(requiresPython ? [`Requires-Python: ${requiresPython}`] : []),
    ...requires.map((requirement) => `Requires-Dist: ${requirement}`),
    '',
  ].join('\n');

const wheel = (item: TestPackage): Buffer => {
  const module = moduleName(item.name);
  const info = `${module}-${item.version}.dist-info`;
  const files: Record<string, string> = {
    ...(item.files ?? { [`${module}/__init__.py`]: `version = ${JSON.stringify(item.version)}\n` }),
    [`${info}/METADATA`]: metadata(item),
    [`${info}/WHEEL`]: 'Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n',
  };
  const record = Object.entries(files).map(([path, text]) => {
    const hash = createHash('sha256').update(text).digest('base64url');
    return `${path},sha256=${hash},${Buffer.byteLength(text)}\n`;
  });
  files[`${info}/RECORD`] = `${record.join('')}${info}/RECORD,,\n`;
  return zip(Object.entries(files).map(([name, text]) => ({ name, data: Buffer.from(text) })));
};

/** A source archive whose own build backend runs what the test wants. */
const sourceArchive = async (item: TestPackage): Promise<Buffer> => {
  const folder = `${moduleName(item.name)}-${item.version}`;
  const body = (item.build ?? '').split('\n').map((line) => `    ${line}\n`);
  const files = {
    'PKG-INFO': metadata(item),
    'pyproject.toml': `[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n[project]\nname = "${item.name}"\nversion = "${item.version}"\n`,
    'backend.py': `def build_wheel(directory, config_settings=None, metadata_directory=None):\n${body.join('')}    raise SystemExit("the test's package builds no wheel")\n`,
  };
  const archive = pack();
  for (const [name, text] of Object.entries(files)) archive.entry({ name: `${folder}/${name}` }, text);
  archive.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of archive) chunks.push(chunk as Buffer);
  return gzipSync(Buffer.concat(chunks));
};

/** What every environment needs, as small as can be: a kernel that can be imported, and a pip. */
export const BASE_PACKAGES: readonly TestPackage[] = [
  {
    name: 'ipykernel',
    version: '1.0',
    files: { 'ipykernel/__init__.py': '', 'ipykernel/kernelapp.py': 'launched = False\n' },
  },
  { name: 'pip', version: '1.0' },
];

/** Serves packages on loopback as a package index does (PEP 503 with hashes). */
export const startPackageIndex = async (packages: readonly TestPackage[]): Promise<PackageIndex> => {
  const files = new Map<string, { item: TestPackage; data: Buffer; hash: string }>();
  for (const item of packages) {
    const stem = `${moduleName(item.name)}-${item.version}`;
    const data = item.build === undefined ? wheel(item) : await sourceArchive(item);
    const name = item.build === undefined ? `${stem}-py3-none-any.whl` : `${stem}.tar.gz`;
    files.set(name, { item, data, hash: createHash('sha256').update(data).digest('hex') });
  }
  const requests: string[] = [];
  const server = createServer((request, response) => {
    const path = request.url ?? '/';
    requests.push(path);
    const [, kind, name = ''] = path.split('/');
    const file = kind === 'files' ? files.get(name) : undefined;
    if (file) {
      if (file.item.serve) return file.item.serve(response, file.data);
      return response.writeHead(200, { 'content-length': file.data.length }).end(file.data);
    }
    const listed = [...files].filter(([, { item }]) => kind === 'simple' && item.name === name);
    if (listed.length === 0) return response.writeHead(404).end();
    const links = listed.map(([filename, { item, hash }]) => {
      const python = item.requiresPython
        ? ` data-requires-python="${item.requiresPython.replaceAll('>', '&gt;')}"`
        : '';
      return `<a href="/files/${filename}#sha256=${hash}"${python}>${filename}</a>`;
    });
    return response
      .writeHead(200, { 'content-type': 'text/html' })
      .end(`<!doctype html><body>${links.join('')}</body>`);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url: `${origin}/simple`,
    requests,
    file: (name, version) => {
      const found = [...files].find(([, { item }]) => item.name === name && item.version === version);
      if (!found) throw new Error(`the index has no ${name} ${version}`);
      return { url: `${origin}/files/${found[0]}`, hash: `sha256:${found[1].hash}` };
    },
    close: async () => {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
};
