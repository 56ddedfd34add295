// The container engines that can build and push the images.
import { spawn, spawnSync } from 'node:child_process';
import { root } from '../scripts/prepare.mjs';

/** In order of preference. `http`: what allows registries without TLS; Docker's daemon is told in its own configuration. */
export const ENGINES = {
  docker: { build: ['build'], http: [], env: { DOCKER_BUILDKIT: '1' } },
  podman: { build: ['build', '--layers'], http: ['--tls-verify=false'], env: {} },
  buildah: { build: ['build', '--layers'], http: ['--tls-verify=false'], env: {} },
};

const answers = (name) => spawnSync(name, ['info'], { stdio: 'ignore' }).status === 0;

/** The engine of that name, or the first that answers; undefined where none does. */
export const findEngine = (wanted) => {
  const name = (wanted === undefined ? Object.keys(ENGINES) : [wanted]).find(answers);
  return name === undefined ? undefined : { name, ...ENGINES[name] };
};

const TAIL_CHARACTERS = 4_000;

/** Runs an engine's command with its output on stderr; resolves with whether it went well, and the end of what it said. */
export const runEngine = (engine, command) =>
  new Promise((resolve, reject) => {
    const child = spawn(engine.name, command, {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...engine.env },
    });
    let tail = '';
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text) => {
        process.stderr.write(text);
        tail = (tail + text).slice(-TAIL_CHARACTERS);
      });
    child.once('error', reject);
    child.once('close', (status) => resolve({ ok: status === 0, tail }));
  });
