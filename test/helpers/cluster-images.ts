import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { cp, mkdtemp, readdir, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { findEngine, runEngine } from '../../images/engine.mjs';
import { ensureBuilt } from '../../scripts/prepare.mjs';
import { withFolderLock } from '../../server/processes/folder-lock.ts';

const root = join(import.meta.dirname, '..', '..');

/** Where tests push images, and nodes pull them from; without TLS. Default: the registry of a cluster on this machine. */
export const TEST_REGISTRY = process.env['LIVELEAF_TEST_REGISTRY'] ?? '10.201.0.1:5000';

/** A base for both images where no other registry can be reached: Debian with Python, git and uv. */
const LOCAL_BASE = 'liveleaf-test-base:latest';

type Image = 'session' | 'hub';

const SOURCES: Readonly<Record<Image, readonly string[]>> = {
  session: ['images/session', 'server/python'],
  hub: ['images/hub', 'server/pages/assets', 'demo', 'package-lock.json', 'dist/.sources'],
};

const manifestDigest = async (reference: string): Promise<string | undefined> => {
  const [repository = '', tag = ''] = reference.split(':');
  const response = await fetch(`http://${TEST_REGISTRY}/v2/${repository}/manifests/${tag}`, {
    method: 'HEAD',
    headers: {
      accept: [
        'application/vnd.oci.image.manifest.v1+json',
        'application/vnd.docker.distribution.manifest.v2+json',
      ].join(),
    },
  });
  if (response.status === 404) return undefined;
  if (!response.ok) throw new Error(`The registry ${TEST_REGISTRY} answered ${response.status} for ${reference}.`);
  return response.headers.get('docker-content-digest') ?? '';
};

const filesBelow = async (path: string): Promise<readonly string[]> => {
  const entries = await readdir(join(root, path), { recursive: true, withFileTypes: true }).catch(() => undefined);
  if (entries === undefined) return [join(root, path)];
  return entries
    .filter((entry) => entry.isFile() && !entry.parentPath.includes('__pycache__'))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
};

const digestOf = async (paths: readonly string[], base: string): Promise<string> => {
  const hash = createHash('sha256').update(base);
  for (const file of (await Promise.all(paths.map(filesBelow))).flat())
    hash
      .update(`${file}\0`)
      .update(await readFile(file))
      .update('\0');
  return hash.digest('hex').slice(0, 16);
};

/** This machine's own Node and npm on top of the local base. */
const nodeBase = async (base: string): Promise<string> => {
  const name = `liveleaf-test-node:${process.versions.node}`;
  const reference = `${TEST_REGISTRY}/${name}`;
  if ((await manifestDigest(name)) !== undefined) return reference;
  const engine = findEngine(undefined);
  if (engine === undefined) throw new Error('No container engine answers here.');
  const folder = await mkdtemp(join(tmpdir(), 'liveleaf-node-'));
  try {
    const node = await realpath(process.execPath);
    await cp(node, join(folder, 'node'));
    await cp(join(dirname(node), '..', 'lib', 'node_modules', 'npm'), join(folder, 'npm'), { recursive: true });
    const npm = '/usr/local/lib/node_modules/npm';
    await writeFile(
      join(folder, 'Dockerfile'),
      `FROM ${base}\nUSER 0:0\nCOPY node /usr/local/bin/node\nCOPY npm ${npm}\nRUN ln -s ${npm}/bin/npm-cli.js /usr/local/bin/npm\n`,
    );
    const built = await runEngine(engine, [...engine.build, ...engine.http, '--tag', reference, folder]);
    if (!built.ok || !(await runEngine(engine, ['push', ...engine.http, reference])).ok)
      throw new Error(`${reference} could not be made.`);
    return reference;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
};

const build = async (image: Image, tag: string, base: string | undefined): Promise<void> => {
  const args = ['--tag', tag, '--push', TEST_REGISTRY, '--allow-http'];
  if (base !== undefined) args.push('--base', `${image}=${base}`);
  const child = spawn(process.execPath, [join(root, 'images', 'build.mjs'), image, ...args], {
    stdio: ['ignore', 'ignore', 'pipe'],
    // In a container there is often nothing to isolate with.
    env: { BUILDAH_ISOLATION: 'chroot', ...process.env },
  });
  const said = text(child.stderr);
  const [status] = (await once(child, 'exit')) as [number];
  if (status !== 0) throw new Error(`The image ${image} could not be built:\n${(await said).slice(-4_000)}`);
};

/** The image of the sources as they are, `<registry>/<repository>:<tag>`; built and pushed where the registry lacks it. */
export const clusterImage = (image: Image): Promise<string> =>
  withFolderLock(join(tmpdir(), 'liveleaf-cluster-images.lock'), async () => {
    if (image === 'hub') ensureBuilt();
    const localDigest = await manifestDigest(LOCAL_BASE);
    const tag = await digestOf(SOURCES[image], localDigest ?? '');
    if ((await manifestDigest(`liveleaf-${image}:${tag}`)) === undefined) {
      const local = localDigest === undefined ? undefined : `${TEST_REGISTRY}/${LOCAL_BASE}`;
      await build(image, tag, local !== undefined && image === 'hub' ? await nodeBase(local) : local);
    }
    return `${TEST_REGISTRY}/liveleaf-${image}:${tag}`;
  });
