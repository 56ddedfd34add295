import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, beforeEach, describe, it } from 'node:test';
import type { Server } from '../../sdk/kernel.ts';
import { SavedServers } from '../../sdk/saved-server.ts';
import { globalWorld, type World } from '../../sdk/world.ts';

const memoryStorage = (): Storage => {
  const items = new Map<string, string>();
  return {
    getItem: (key: string) => items.get(key) ?? null,
    setItem: (key: string, value: string) => void items.set(key, value),
    removeItem: (key: string) => void items.delete(key),
    key: (index: number) => [...items.keys()][index] ?? null,
    clear: () => items.clear(),
    get length() {
      return items.size;
    },
  };
};

describe('a saved server', () => {
  let status = 200;
  const asked: string[] = [];
  const jupyter = createServer((request, response) => {
    asked.push(`${request.url?.split('?')[0]} ${request.headers.authorization}`);
    response.writeHead(status, { 'content-type': 'application/json' }).end('{}');
  });
  let server: Server;
  let storage: Storage;
  let world: World;
  const scope = { hub: 'https://hub.example', spec: 'gh/a/b/HEAD', pathPrefix: '/project/' };

  before(async () => {
    await new Promise<void>((resolve) => jupyter.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(jupyter.address() as AddressInfo).port}/user/abc/`;
    server = {
      kind: 'liveleaf',
      url,
      token: 'token',
      expiresAt: Date.now() + 600_000,
      idleTimeoutMs: Number.POSITIVE_INFINITY,
      session: 'abc',
      kernel: { id: 'k', name: 'python3' },
    };
  });
  after(async () => {
    jupyter.closeAllConnections();
    await new Promise((resolve) => jupyter.close(resolve));
  });
  beforeEach(() => {
    status = 200;
    asked.length = 0;
    storage = memoryStorage();
    world = { ...globalWorld(), storage: () => storage };
  });

  it('is found again by the next page, with the client id, after it was asked', async () => {
    new SavedServers(world, scope).save({ server, clientId: 'client' });
    const found = await new SavedServers(world, { ...scope, hub: `${scope.hub}/` }).load();
    assert.deepEqual(found, { server, clientId: 'client' });
    assert.deepEqual(asked, ['/user/abc/api/status token token']);
  });

  it('tells the client id to the page that follows, and to no duplicate of this one', async () => {
    let leave = () => {};
    const page = new SavedServers(world, scope, (listener) => (leave = listener));
    page.save({ server, clientId: 'client' });
    const next = () => new SavedServers(world, scope, () => undefined).load();
    assert.deepEqual(await next(), { server }, 'a duplicated tab');
    leave();
    assert.deepEqual(await next(), { server, clientId: 'client' }, 'a reload');
    assert.deepEqual(await next(), { server }, 'a duplicate of what was reloaded');
    page.clear();
    leave();
    assert.equal(await next(), undefined);
  });

  it('belongs to one hub, one spec and one part of a site', async () => {
    new SavedServers(world, scope).save({ server });
    const others = [{ hub: 'https://other' }, { spec: 'gh/a/b/main' }, { pathPrefix: '/other/' }];
    for (const other of others) assert.equal(await new SavedServers(world, { ...scope, ...other }).load(), undefined);
    assert.equal(storage.length, 1);
  });

  it('is forgotten when it has expired, without asking it', async () => {
    const servers = new SavedServers(world, scope);
    servers.save({ server: { ...server, expiresAt: Date.now() + 5_000 } });
    assert.equal(await servers.load(), undefined);
    assert.equal(storage.length, 0);
    assert.deepEqual(asked, []);
  });

  it('is forgotten when it is gone, and kept when it only does not answer', async () => {
    for (const [answer, isKept] of [
      [401, 0],
      [403, 0],
      [404, 0],
      [410, 0],
      [424, 0],
      [502, 1],
      [503, 1],
    ] as const) {
      const servers = new SavedServers(world, scope);
      servers.save({ server });
      status = answer;
      assert.equal(await servers.load(), undefined);
      assert.equal(storage.length, isKept, String(answer));
    }
    const away = new SavedServers(world, scope);
    away.save({ server: { ...server, url: 'http://127.0.0.1:9/' } });
    assert.equal(await away.load(), undefined);
    assert.equal(storage.length, 1);
  });

  it('is not made of what someone else left in the storage', async () => {
    const servers = new SavedServers(world, scope);
    servers.save({ server });
    const key = storage.key(0)!;
    for (const text of ['', '{', 'null', '[]', '{"server":{"kind":"liveleaf","url":"javascript:1","token":"t"}}']) {
      storage.setItem(key, text);
      assert.equal(await servers.load(), undefined, text);
    }
    assert.deepEqual(asked, []);
  });

  it('is as if there were none where storage is missing, full or forbidden', async () => {
    const throwing = () => {
      throw new Error('SecurityError');
    };
    const full = { ...memoryStorage(), setItem: throwing } as Storage;
    for (const bad of [throwing, () => undefined, () => full]) {
      const servers = new SavedServers({ ...world, storage: bad }, scope);
      servers.save({ server });
      assert.equal(await servers.load(), undefined);
      servers.clear();
    }
  });
});
