import { createHmac, randomBytes } from 'node:crypto';
import { link, mkdir, open, readFile, stat, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';

/** One key: an id that may be seen by anyone, and a secret that nobody sees. */
export interface Key {
  readonly id: string;
  /** At least 32 bytes, base64url. */
  readonly secret: string;
  /** Milliseconds since 1970; the newest key signs. */
  readonly createdAt: number;
}

/** The hub's keys. The newest signs; every one verifies, so that a key can be changed while sessions run. */
export interface KeyRing {
  readonly newestId: string;
  /**
   * HMAC-SHA-256 of `parts` for one purpose: what is made for one purpose is worthless for any other.
   * Undefined when no key has this id; without an id the newest signs.
   */
  hmac(purpose: string, parts: readonly string[], keyId: string): Buffer | undefined;
  hmac(purpose: string, parts: readonly string[]): Buffer;
}

const KEY_ID = /^[A-Za-z0-9_-]{1,16}$/;
const SECRET = /^[A-Za-z0-9_-]{43,172}$/;

const newKey = (): Key => ({
  id: randomBytes(4).toString('hex'),
  secret: randomBytes(32).toString('base64url'),
  createdAt: Date.now(),
});

/** A key ring of the given keys; throws a TypeError for an empty list, a repeated id or a malformed key. */
export const keyRing = (keys: readonly Key[]): KeyRing => {
  if (keys.length === 0) throw new TypeError('there is no key');
  const secrets = new Map<string, Buffer>();
  for (const { id, secret, createdAt } of keys) {
    if (!KEY_ID.test(id) || !SECRET.test(secret) || !Number.isFinite(createdAt) || secrets.has(id))
      throw new TypeError(`key ${JSON.stringify(id)} is malformed or stands there twice`);
    secrets.set(id, Buffer.from(secret, 'base64url'));
  }
  const newest = keys.reduce((left, right) => (right.createdAt >= left.createdAt ? right : left));
  const hmac = (purpose: string, parts: readonly string[], keyId = newest.id) => {
    const secret = secrets.get(keyId);
    // JSON keeps the borders between the parts, so that no two lists of parts give the same message.
    return (
      secret &&
      createHmac('sha256', secret)
        .update(JSON.stringify([purpose, ...parts]))
        .digest()
    );
  };
  return { newestId: newest.id, hmac: hmac as KeyRing['hmac'] };
};

const parse = (text: string, file: string): KeyRing => {
  try {
    const { keys } = JSON.parse(text) as { keys: readonly Key[] };
    return keyRing(keys);
  } catch (error) {
    throw new Error(
      `${file} holds no usable keys. Restore it, or delete it to have new keys made; links to running sessions then end.`,
      { cause: error },
    );
  }
};

/** Writes the first key under a name of its own and links it into place, so that of two hubs one wins and none reads half. */
const create = async (file: string): Promise<void> => {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  const draft = `${file}.${process.pid}.${randomBytes(6).toString('hex')}`;
  const handle = await open(draft, 'wx', 0o600);
  try {
    await handle.writeFile(`${JSON.stringify({ keys: [newKey()] }, undefined, 2)}\n`);
    await handle.sync();
    await handle.close();
    await link(draft, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    await handle.close().catch(() => undefined);
    await unlink(draft);
  }
};

/**
 * Reads the hub's keys, making the file (mode 0600) on first use. Add a key to its list to change keys:
 * the one with the greatest `createdAt` signs, the others verify until they are removed.
 * Throws an Error with a sentence when the file is readable by others or holds no usable keys.
 */
export const loadKeyRing = async (file: string): Promise<KeyRing> => {
  const read = async (): Promise<string | undefined> => {
    try {
      return await readFile(file, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  };
  let text = await read();
  if (text === undefined) {
    await create(file);
    text = (await read()) ?? '';
  }
  const mode = (await stat(file)).mode & 0o777;
  if ((mode & 0o077) !== 0)
    throw new Error(
      `${file} can be read by other users (its mode is ${mode.toString(8)}); run \`chmod 600\` on it, or delete it to have new keys made.`,
    );
  return parse(text, file);
};
