import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { createRegistryClient } from '../../../server/registry/registry-client.ts';
import { startFakeRegistry } from '../../helpers/fake-registry.ts';
import { selfSignedCertificate } from '../../helpers/self-signed.ts';
import { createSteeredClock } from '../../helpers/steered-clock.ts';
import { failureOf, openRegistryWorld } from './registry-world.ts';

const USERS = { robot: 'secret' };
const ROBOT = { username: 'robot', password: 'secret' };
const TEXT = { type: 'text/plain', content: Buffer.from('hello') };

describe('The login at a registry', () => {
  it('is a name and a password where it asks for them, sent again without being asked', async (t) => {
    const { fake, client, image } = await openRegistryWorld(
      t,
      { login: { kind: 'basic', users: USERS } },
      { auth: ROBOT },
    );
    await client.writeArtifact(image, 'a', TEXT);
    assert.deepEqual(await client.readArtifact(image, 'a'), TEXT.content);
    const without = fake.requests.filter(({ headers }) => headers.authorization === undefined);
    // Once for each thing it may be about: writing, and reading.
    assert.equal(without.length, 2);
  });

  it('is a token for the very scope, fetched once for many requests', async (t) => {
    const login = { kind: 'bearer', users: USERS, expiresInSeconds: 300 } as const;
    const { fake, client, image } = await openRegistryWorld(t, { login }, { auth: ROBOT });
    await client.writeArtifact(image, 'a', TEXT);
    await Promise.all(Array.from({ length: 20 }, () => client.manifest(image, 'a')));
    await client.delete(image, (await client.manifest(image, 'a'))!.digest);
    assert.deepEqual(fake.gate.granted, [
      'repository:team/env:pull,push',
      'repository:team/env:pull',
      'repository:team/env:delete',
    ]);
  });

  it('is renewed when a token has run out, before it is refused', async (t) => {
    const clock = createSteeredClock();
    const login = { kind: 'bearer', users: USERS, isPublic: true, expiresInSeconds: 300 } as const;
    const { fake, client, image } = await openRegistryWorld(t, { login }, { clock });
    const read = () => client.manifest(image, 'a');
    await read();
    await clock.advance(280_000);
    await read();
    assert.equal(fake.gate.granted.length, 1);
    await clock.advance(15_000);
    await read();
    assert.equal(fake.gate.granted.length, 2);
  });

  it('lives for a minute where the token server does not say how long', async (t) => {
    const clock = createSteeredClock();
    const { fake, client, image } = await openRegistryWorld(
      t,
      { login: { kind: 'bearer', users: {}, isPublic: true } },
      { clock },
    );
    for (const [waitMs, granted] of [[0, 1], [49_000, 1], [2_000, 2]] as const) {
      await clock.advance(waitMs);
      await client.manifest(image, 'a');
      assert.equal(fake.gate.granted.length, granted);
    } // prettier-ignore
  });

  it('is repeated once where the registry has forgotten a token', async (t) => {
    const login = { kind: 'bearer', users: USERS, expiresInSeconds: 300 } as const;
    const { fake, client, image } = await openRegistryWorld(t, { login }, { auth: ROBOT });
    await client.manifest(image, 'a');
    fake.gate.revoke();
    assert.equal(await client.manifest(image, 'a'), undefined);
    assert.equal(fake.gate.granted.length, 2);
  });

  it('exchanges an identity token, which travels in no address', async (t) => {
    const login = { kind: 'bearer', users: USERS, identityTokens: { 'long-lived': 'robot' } } as const;
    const auth = { auth: Buffer.from('robot:').toString('base64'), identitytoken: 'long-lived' };
    const { fake, client, image } = await openRegistryWorld(t, { login }, { auth });
    await client.writeArtifact(image, 'a', TEXT);
    assert.ok(fake.requests.every(({ path }) => !path.includes('long-lived')));
  });

  it('needs nobody’s name to read what is public', async (t) => {
    const login = { kind: 'bearer', users: USERS, isPublic: true } as const;
    const { client, image } = await openRegistryWorld(t, { login });
    assert.deepEqual(await client.tags(image), []);
    const error = await failureOf(client.writeArtifact(image, 'a', TEXT));
    assert.equal(error.code, 'push_failed');
    assert.match(error.message, /registry\.credentialsFile/);
  });

  it('that is refused is an error and never an absence', async (t) => {
    for (const kind of ['basic', 'bearer'] as const) {
      const wrong = { username: 'robot', password: 'guess' };
      const { fake, client, image } = await openRegistryWorld(t, { login: { kind, users: USERS } }, { auth: wrong });
      const manifest = await failureOf(client.manifest(image, 'a'));
      assert.equal(manifest.code, 'registry_down');
      assert.match(manifest.message, /login|logging in/);
      await failureOf(client.readArtifact(image, 'a'));
      await failureOf(client.tags(image));
      await failureOf(client.delete(image, 'sha256:0'));
      assert.ok(fake.requests.length < 30);
      for (const { path } of fake.requests) assert.ok(!path.includes('guess'));
    }
  });

  it('is read anew after a refusal, so that a renewed secret counts at once', async (t) => {
    const world = await openRegistryWorld(
      t,
      { login: { kind: 'basic', users: USERS } },
      { auth: { username: 'robot', password: 'old' } },
    );
    await failureOf(world.client.tags(world.image));
    await world.writeConfig({ [world.fake.host]: ROBOT });
    assert.deepEqual(await world.client.tags(world.image), []);
  });

  it('fails in words where its file is none', async (t) => {
    const credentialsFile = join(tmpdir(), 'liveleaf-no-such-file.json');
    const { client, image } = await openRegistryWorld(
      t,
      { login: { kind: 'basic', users: USERS } },
      { credentialsFile },
    );
    assert.match((await failureOf(client.tags(image))).message, /registry\.credentialsFile/);
  });

  it('is given to no other host: not to the storage that a blob is redirected to', async (t) => {
    const storage = await startFakeRegistry();
    t.after(storage.close);
    const { fake, client, image } = await openRegistryWorld(
      t,
      { login: { kind: 'basic', users: USERS } },
      { auth: ROBOT },
    );
    await client.writeArtifact(image, 'a', TEXT);
    const { layers } = (await client.manifest(image, 'a'))!;
    storage.putBlob('stored', TEXT.content);
    const location = `${storage.url}/v2/stored/blobs/${layers[0]?.digest}?signature=1`;
    fake.fault({ method: 'GET', path: /\/blobs\//, failure: { kind: 'redirect', location } });
    assert.deepEqual(await client.readArtifact(image, 'a'), TEXT.content);
    assert.equal(storage.requests.length, 1);
    assert.equal(storage.requests[0]?.headers.authorization, undefined);
  });

  it('is given to no token server that a TLS registry names without TLS', async (t) => {
    const tls = selfSignedCertificate();
    const caFile = join(tmpdir(), `liveleaf-ca-${process.pid}.pem`);
    await writeFile(caFile, tls.cert);
    const { fake, client, image } = await openRegistryWorld(t, { tls }, { auth: ROBOT, caFile });
    const challenge = { 'www-authenticate': 'Bearer realm="http://127.0.0.1:1/token",service="x"' };
    fake.fault({ failure: { kind: 'status', status: 401, headers: challenge } });
    const error = await failureOf(client.tags(image));
    assert.match(error.message, /without TLS/);
  });
});

describe('A registry’s TLS', () => {
  it('is trusted by its own authority’s certificate and not without', async (t) => {
    const tls = selfSignedCertificate();
    const caFile = join(tmpdir(), `liveleaf-ca-${process.pid}.pem`);
    await writeFile(caFile, tls.cert);
    const trusting = await openRegistryWorld(t, { tls }, { caFile, allowHttp: false });
    await trusting.client.writeArtifact(trusting.image, 'a', TEXT);
    assert.deepEqual(await trusting.client.readArtifact(trusting.image, 'a'), TEXT.content);

    const doubting = await openRegistryWorld(t, { tls });
    const error = await failureOf(doubting.client.tags(doubting.image));
    assert.equal(error.code, 'registry_down');
    assert.match(error.message, /SELF_SIGNED|self-signed/);
    assert.equal(doubting.fake.requests.length, 0);
  });

  it('may be missing only where that is allowed', async (t) => {
    const { fake, client, image } = await openRegistryWorld(t, {}, { allowHttp: false });
    const error = await failureOf(client.tags(image));
    assert.equal(error.code, 'policy');
    assert.match(error.message, /registry\.allowHttp/);
    assert.equal(fake.requests.length, 0);
  });

  it('needs a file of certificates that can be read', () => {
    const options = {
      caFile: join(tmpdir(), 'liveleaf-no-such.pem'),
      clock: createSteeredClock(),
      log: { warn: () => {} },
    };
    assert.throws(() => createRegistryClient(options), /ENOENT/);
  });
});
