// What has to be there before anything runs. Imports nothing from npm: on a fresh clone there is nothing yet.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';

export const root = join(import.meta.dirname ?? new URL('.', import.meta.url).pathname, '..');

const OLDEST_NODE = [20, 19];

/** Says what is being done, on stderr so that stdout keeps only results. */
export const say = (sentence) => process.stderr.write(`${sentence}\n`);

/** Ends with a sentence instead of a stack where a person can cure it. */
export const fail = (sentence) => {
  say(sentence);
  process.exit(1);
};

/** Runs a command to its end with its output on stderr; false when it failed. */
export const run = (command, args, options = {}) =>
  spawnSync(command, args, { cwd: root, stdio: ['ignore', 2, 2], ...options }).status === 0;

export const requireNode = (version = process.versions.node) => {
  const [major, minor] = version.split('.').map(Number);
  if (major > OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor >= OLDEST_NODE[1])) return;
  fail(
    `Node ${OLDEST_NODE.join('.')} or newer is needed, and this is ${version}; install a current one from nodejs.org.`,
  );
};

const modified = (path) => (existsSync(path) ? statSync(path).mtimeMs : Number.NEGATIVE_INFINITY);

/** Installs npm's dependencies where they are missing or older than the lockfile. */
export const ensureDependencies = () => {
  const installed = join(root, 'node_modules', '.package-lock.json');
  if (modified(installed) >= modified(join(root, 'package-lock.json'))) return;
  say('Installing npm dependencies.');
  // The lockfile's versions, and never a change of it. `npm ci` would refuse a lockfile that lacks a binary for some other
  // platform. No package's script is needed, and a script is the first thing a hijacked package would use.
  if (!run('npm', ['install', '--no-save', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'])) {
    fail('npm could not install the dependencies; the lines above say why. Run `npm install` once it is cured.');
  }
};

const SOURCES = [
  'sdk',
  'widget',
  'server',
  'scripts/jupyterlab-cut.mjs',
  'scripts/checked-chunks.mjs',
  'rollup.config.mjs',
  'package.json',
  'package-lock.json',
];

const filesBelow = (path) => {
  if (!existsSync(path)) return [];
  if (statSync(path).isFile()) return [path];
  return readdirSync(path, { withFileTypes: true })
    .filter((entry) => entry.name !== '__pycache__')
    .flatMap((entry) => (entry.isDirectory() ? filesBelow(join(path, entry.name)) : [join(path, entry.name)]));
};

/** A digest of all that dist/ is made from. */
const sourcesDigest = () => {
  const hash = createHash('sha256');
  const files = SOURCES.flatMap((source) => filesBelow(join(root, source))).filter((file) =>
    /\.(ts|mjs|json|py|txt)$/.test(file),
  );
  for (const file of files.sort())
    hash
      .update(`${relative(root, file)}\0`)
      .update(readFileSync(file))
      .update('\0');
  return hash.digest('hex');
};

/** Puts a finished build in the place of the one before, so that nobody ever starts from half of one. */
const replaceDist = (built) => {
  const dist = join(root, 'dist');
  const before = `${built}-before`;
  if (existsSync(dist)) renameSync(dist, before);
  renameSync(built, dist);
  // The compiler's own output is kept up to date by the compiler.
  if (existsSync(join(before, 'types'))) renameSync(join(before, 'types'), join(dist, 'types'));
  rmSync(before, { recursive: true, force: true });
};

/** Builds dist/ where its sources have changed. */
export const ensureBuilt = () => {
  const digest = sourcesDigest();
  const stamp = join(root, 'dist', '.sources');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === digest) return;
  say('Building dist/.');
  const folder = `dist-${process.pid}`;
  const built = join(root, folder);
  const rollup = [join('node_modules', 'rollup', 'dist', 'bin', 'rollup'), '-c', '--silent'];
  const env = { ...process.env, LIVELEAF_DIST: folder };
  // What the tools remark on a build that works is for nobody's eyes.
  const { status, stdout, stderr } = spawnSync(process.execPath, rollup, { cwd: root, encoding: 'utf8', env });
  if (status !== 0) {
    rmSync(built, { recursive: true, force: true });
    fail(`${stdout}${stderr}\nBuilding dist/ failed; the lines above say why.`);
  }
  writeFileSync(join(built, '.sources'), digest);
  replaceDist(built);
};

/** Makes the Python side below .liveleaf/, as the hub itself does. */
export const ensurePython = async () => {
  const { register } = await import('tsx/esm/api');
  const unregister = register();
  const { ensurePythonSide, requireGit, MissingPrerequisite } = await import('../server/python-side.ts');
  try {
    await requireGit(process.env);
    return await ensurePythonSide({
      folder: join(root, '.liveleaf', 'python'),
      requirements: join(root, 'server', 'python', 'requirements.txt'),
      say,
      env: process.env,
    });
  } catch (error) {
    if (error instanceof MissingPrerequisite) fail(error.message);
    throw error;
  } finally {
    await unregister();
  }
};
