import assert from 'node:assert/strict';
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';

import { keyRing, loadKeyRing } from '../../../server/sessions/key-ring.ts';

describe('the key ring', () => {
  let folder = '';
  let file = '';
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'll-keys-'));
    file = join(folder, 'state', 'keys.json');
  });
  afterEach(() => rm(folder, { recursive: true }));

  it('is made on first use, readable by its owner only, and is the same afterwards', async () => {
    const made = await loadKeyRing(file);
    assert.equal((await stat(file)).mode & 0o777, 0o600);
    assert.equal((await stat(join(folder, 'state'))).mode & 0o777, 0o700);
    assert.deepEqual((await loadKeyRing(file)).hmac('p', ['x']), made.hmac('p', ['x']));
    assert.deepEqual(await readdir(join(folder, 'state')), ['keys.json']);
  });

  it('is one and the same for twenty that make it at once', async () => {
    const rings = await Promise.all(Array.from({ length: 20 }, () => loadKeyRing(file)));
    assert.equal(new Set(rings.map((ring) => ring.hmac('p', ['x']).toString('hex'))).size, 1);
    assert.deepEqual(await readdir(join(folder, 'state')), ['keys.json']);
  });

  it('signs with the newest key and knows the others by their ids', async () => {
    await loadKeyRing(file);
    const { keys } = JSON.parse(await readFile(file, 'utf8')) as { keys: { id: string; createdAt: number }[] };
    const added = { id: 'later', secret: Buffer.alloc(32, 9).toString('base64url'), createdAt: Date.now() + 1000 };
    await writeFile(file, JSON.stringify({ keys: [added, ...keys] }));
    const ring = await loadKeyRing(file);
    assert.equal(ring.newestId, 'later');
    assert.deepEqual(ring.hmac('p', ['x']), ring.hmac('p', ['x'], 'later'));
    assert.notDeepEqual(ring.hmac('p', ['x'], keys[0]!.id), ring.hmac('p', ['x']));
    assert.equal(ring.hmac('p', ['x'], 'none'), undefined);
  });

  it('refuses a file that others can read, and one that holds no keys, with what to do', async () => {
    await loadKeyRing(file);
    await chmod(file, 0o644);
    await assert.rejects(loadKeyRing(file), /mode is 644.*chmod 600/);
    await chmod(file, 0o600);
    for (const text of ['', '{', '{}', '{"keys":[]}', '{"keys":[{"id":"a","secret":"short","createdAt":1}]}', 'null']) {
      await writeFile(file, text);
      await assert.rejects(loadKeyRing(file), /holds no usable keys/, text);
    }
  });

  it('keeps purposes and the borders between parts apart', () => {
    const ring = keyRing([{ id: 'k', secret: Buffer.alloc(32, 3).toString('base64url'), createdAt: 1 }]);
    const macs = [
      ring.hmac('a', ['b', 'c']),
      ring.hmac('a', ['bc']),
      ring.hmac('a', ['b,c']),
      ring.hmac('ab', ['c']),
      ring.hmac('a', ['b', 'c', '']),
    ].map((mac) => mac.toString('hex'));
    assert.equal(new Set(macs).size, macs.length);
  });
});
