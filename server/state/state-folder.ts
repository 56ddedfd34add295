import { createHash } from 'node:crypto';
import { join } from 'node:path';

/** The places below the hub's state folder; every folder is made with mode 0700 by the part that uses it. */
export const stateFolder = (root: string) => ({
  root,
  version: join(root, 'version'),
  keys: join(root, 'keys.json'),
  /** The Python side: a virtual environment with Jupyter and uv. */
  python: join(root, 'python'),
  git: join(root, 'git'),
  environments: join(root, 'environments'),
  environment: (key: string) => join(root, 'environments', key),
  generation: (key: string, generation: string) => join(root, 'environments', key, generation),
  sessions: join(root, 'sessions'),
  session: (name: string) => join(root, 'sessions', name),
  launches: join(root, 'launches'),
  launch: (launchId: string) => join(root, 'launches', launchId),
});

export type StateFolder = ReturnType<typeof stateFolder>;

/** A socket's address holds 107 bytes at most, so sockets live in a short folder of their own. */
export const socketFolder = (root: string, world: { uid: number; runtimeDir: string | undefined }): string => {
  const short = createHash('sha256').update(root).digest('hex').slice(0, 8);
  return world.runtimeDir ? join(world.runtimeDir, `liveleaf-${short}`) : `/tmp/liveleaf-${world.uid}-${short}`;
};
