import { existsSync } from 'node:fs';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findEngine, runEngine } from '../../images/engine.mjs';
import { clusterImage, TEST_REGISTRY } from './cluster-images.ts';

const OFFICIAL = 'docker.io/library/registry:2.8.3';
/** Where Debian's package docker-registry puts the same program. */
const DEBIAN = '/usr/bin/docker-registry';

/** An image of Docker's registry: made of this machine's own program where it has it, since no other registry may be at hand. */
export const registryImage = async (): Promise<string> => {
  const engine = findEngine(undefined);
  if (engine === undefined || !existsSync(DEBIAN)) return OFFICIAL;
  const reference = `${TEST_REGISTRY}/liveleaf-test-registry:latest`;
  const folder = await mkdtemp(join(tmpdir(), 'liveleaf-registry-'));
  try {
    await cp(DEBIAN, join(folder, 'registry'));
    await writeFile(
      join(folder, 'Dockerfile'),
      `FROM ${await clusterImage('session')}\nCOPY registry /usr/local/bin/registry\n`,
    );
    const built = await runEngine(engine, [...engine.build, ...engine.http, '--tag', reference, folder]);
    if (!built.ok || !(await runEngine(engine, ['push', ...engine.http, reference])).ok)
      throw new Error(`${reference} could not be made: ${built.tail}`);
    return reference;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
};
