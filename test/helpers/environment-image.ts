import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findEngine, runEngine } from '../../images/engine.mjs';
import { clusterImage, TEST_REGISTRY } from './cluster-images.ts';

/** What the server of a broken session says before it ends with exit code 3. */
export const LAST_WORDS = 'this session was made to break';

const SITE = (root: string, version: string) => join(root, 'lib', `python${version}`, 'site-packages');

/** Layers on the session's image; `version` is its Python's, such as `3.11`. */
const VARIANTS: Readonly<Record<string, (folder: string, version: string) => Promise<string>>> = {
  /** An environment of the base's Python that borrows its packages from the base. */
  async whole(folder, version) {
    const env = join(folder, 'env');
    await mkdir(join(env, 'bin'), { recursive: true });
    await mkdir(SITE(env, version), { recursive: true });
    await symlink('/usr/bin/python3', join(env, 'bin', 'python'));
    await writeFile(join(env, 'pyvenv.cfg'), 'home = /usr/bin\ninclude-system-site-packages = false\n');
    await writeFile(join(SITE(env, version), 'borrowed.pth'), `${SITE('/opt/liveleaf/venv', version)}\n`);
    return 'COPY env /srv/env';
  },
  async broken(folder) {
    await writeFile(join(folder, 'start.py'), `import sys\nprint("${LAST_WORDS}", flush=True)\nsys.exit(3)\n`);
    return 'COPY start.py /opt/liveleaf/session/start.py';
  },
};

/** An environment's image in the tests' registry, by digest; made with this machine's container engine. */
export const environmentImage = async (variant: 'whole' | 'broken', version: string): Promise<string> => {
  const engine = findEngine(undefined);
  if (engine === undefined) throw new Error('No container engine answers here.');
  const base = await clusterImage('session');
  const repository = `liveleaf-test-environment-${variant}`;
  const tag = base.slice(base.lastIndexOf(':') + 1);
  const reference = `${TEST_REGISTRY}/${repository}:${tag}`;
  const folder = await mkdtemp(join(tmpdir(), 'liveleaf-environment-'));
  try {
    const copy = await VARIANTS[variant]?.(folder, version);
    await writeFile(join(folder, 'Dockerfile'), `FROM ${base}\n${copy}\n`);
    const built = await runEngine(engine, [...engine.build, ...engine.http, '--tag', reference, folder]);
    if (!built.ok || !(await runEngine(engine, ['push', ...engine.http, reference])).ok)
      throw new Error(`${reference} could not be made: ${built.tail}`);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  const accept = 'application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json';
  const url = `http://${TEST_REGISTRY}/v2/${repository}/manifests/${tag}`;
  const answer = await fetch(url, { method: 'HEAD', headers: { accept } });
  return `${TEST_REGISTRY}/${repository}@${answer.headers.get('docker-content-digest')}`;
};
