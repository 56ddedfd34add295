import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { findDockerRegistry, REGISTRY_USER, startDockerRegistry } from '../../helpers/docker-registry.ts';
import { startFakeRegistry } from '../../helpers/fake-registry.ts';
import { selfSignedCertificate } from '../../helpers/self-signed.ts';
import type { TinyImageOptions } from '../../helpers/tiny-image.ts';
import { openBuildScripts } from './build-scripts.ts';
import { copyImage, openPush, openPushWorld, seenByHub, type PushWorld } from './push-world.ts';

const scripts = await openBuildScripts();
after(scripts.close);

const USERS = { robot: 'hunter2-the-secret' };
const ROBOT = { username: 'robot', password: USERS.robot };

describe('The push from a build pod', { concurrency: 2 }, () => {
  it('puts the environment on top of the base, whose layers are taken over and not copied', async (t) => {
    const layers: TinyImageOptions['layers'] = [{ a: '1' }, { b: '2' }];
    const image = { layers, labels: { 'liveleaf.python': '3.11.2', kept: 'yes' } };
    const { fake, base, push } = await openPush(t, scripts, {}, image);
    const { result, lines } = await push({ labels: { 'liveleaf.python': '3.13.5' } });
    assert.ok(result.ok, result.message);
    const { manifest, config } = await seenByHub(t, fake.url);
    assert.equal(manifest.digest, result.digest);
    assert.deepEqual(
      manifest.layers.map(({ digest }) => digest),
      [...base.layers, result.layer?.digest],
    );
    assert.deepEqual(config, { labels: { 'liveleaf.python': '3.13.5', kept: 'yes' }, env: ['PATH=/usr/bin'] });
    assert.deepEqual(manifest.annotations, { 'org.opencontainers.image.base.digest': base.digest });
    assert.ok(
      !fake.requests.some(({ method, path }) => method === 'GET' && base.layers.some((at) => path.includes(at))),
    );
    assert.equal(lines.at(-1), `Pushed ${result.digest}`);
  });

  it('gives the same image for the same environment, and another for another', async (t) => {
    const { fake, environment, push } = await openPush(t, scripts);
    const [first, again] = [await push(), await push({ tag: '000002' })];
    assert.equal(again.result.digest, first.result.digest);
    await writeFile(join(environment, 'module.py'), 'answer = 43\n');
    assert.notEqual((await push({ tag: '000003' })).result.digest, first.result.digest);
    assert.equal(fake.requests.filter(({ method, path }) => method === 'PUT' && /env\/manifests/.test(path)).length, 3);
  });

  it('sends the bytes through itself where the registry takes no layer over', async (t) => {
    const { fake, base, push } = await openPush(
      t,
      scripts,
      {},
      { layers: [{ a: randomBytes(3_000_000).toString('latin1') }] },
    );
    fake.fault({ method: 'POST', path: /mount=/, failure: { kind: 'refuse-mount' } });
    const { result } = await push();
    assert.ok(result.ok, result.message);
    assert.ok(fake.blobs('team/env').includes(base.layers[0] ?? ''));
    assert.ok((await seenByHub(t, fake.url)).manifest);
  });

  it('calls Docker’s layers by their OCI names, and finds this machine’s image in an index', async (t) => {
    const { fake, base, push } = await openPush(t, scripts, {}, { isDocker: true });
    const platform = { os: 'linux', architecture: process.arch === 'x64' ? 'amd64' : process.arch };
    const index = fake.putManifest('team/session', 'all', {
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.index.v1+json',
      manifests: [
        {
          mediaType: 'x',
          digest: `sha256:${'0'.repeat(64)}`,
          size: 1,
          platform: { os: 'linux', architecture: 'none' },
        },
        { mediaType: 'x', digest: base.digest, size: 1, platform },
      ],
    });
    const { result } = await push({ base: `team/session@${index}` });
    assert.ok(result.ok, result.message);
    const { manifest } = await seenByHub(t, fake.url);
    assert.equal(manifest.layers[0]?.mediaType, 'application/vnd.oci.image.layer.v1.tar+gzip');
  });

  it('logs in as it is asked: by name, or with one token for reading the base and writing the image', async (t) => {
    for (const kind of ['basic', 'bearer'] as const) {
      const fake = await startFakeRegistry({ login: { kind: 'basic', users: USERS } });
      t.after(fake.close);
      const authorization = `Basic ${Buffer.from('robot:hunter2-the-secret').toString('base64')}`;
      const world: PushWorld = await openPushWorld(t, scripts, fake.url, { authorization });
      const config = await world.writeConfig({ [fake.host]: ROBOT });
      const strict = kind === 'basic' ? fake : await startFakeRegistry({ login: { kind, users: USERS } });
      if (strict !== fake) {
        t.after(strict.close);
        // The same base, behind the other login.
        await copyImage(fake, strict, world.base.digest);
      }
      const strictConfig = strict === fake ? config : await world.writeConfig({ [strict.host]: ROBOT });
      const { result, lines } = await world.push({ registry: strict.url, config: strictConfig });
      assert.ok(result.ok, result.message);
      if (kind === 'bearer')
        assert.deepEqual(strict.gate.granted, ['repository:team/env:pull,push repository:team/session:pull']);
      const said = JSON.stringify([result, lines]);
      for (const secret of [USERS.robot, Buffer.from(`robot:${USERS.robot}`).toString('base64')])
        assert.ok(!said.includes(secret));
      for (const { path } of strict.requests) assert.ok(!path.includes(USERS.robot));
    }
  });

  it('logs in again where its token ran out on the way, without beginning anew', async (t) => {
    const fake = await startFakeRegistry({ login: { kind: 'bearer', users: USERS } });
    t.after(fake.close);
    const open_ = await startFakeRegistry();
    t.after(open_.close);
    const world = await openPushWorld(t, scripts, open_.url);
    await copyImage(open_, fake, world.base.digest);
    const challenge = `Bearer realm="${fake.url}/token",service="fake, \\"quoted\\""`;
    const expired = { kind: 'status', status: 401, headers: { 'www-authenticate': challenge } } as const;
    fake.fault({ method: 'PUT', path: /uploads/, times: 1, failure: expired });
    const config = await world.writeConfig({ [fake.host]: ROBOT });
    const { result } = await world.push({ registry: fake.url, config });
    assert.ok(result.ok, result.message);
    assert.equal(fake.requests.filter(({ method }) => method === 'PATCH').length, 1);
  });

  it('gives its login to no storage that the base’s bytes are redirected to', async (t) => {
    const storage = await startFakeRegistry();
    t.after(storage.close);
    const fake = await startFakeRegistry({ login: { kind: 'basic', users: USERS } });
    t.after(fake.close);
    const authorization = `Basic ${Buffer.from(`robot:${USERS.robot}`).toString('base64')}`;
    const world = await openPushWorld(t, scripts, fake.url, { authorization });
    await copyImage(fake, storage, world.base.digest);
    fake.fault({ method: 'POST', path: /mount=/, failure: { kind: 'refuse-mount' } });
    for (const digest of world.base.layers) {
      const location = `${storage.url}/v2/team/session/blobs/${digest}`;
      fake.fault({ method: 'GET', path: new RegExp(digest), failure: { kind: 'redirect', location } });
    }
    const { result } = await world.push({ config: await world.writeConfig({ [fake.host]: ROBOT }) });
    assert.ok(result.ok, result.message);
    assert.equal(storage.requests.length, world.base.layers.length);
    assert.ok(storage.requests.every(({ headers }) => headers.authorization === undefined));
  });

  it('trusts a private authority where it is told to, and says what is wrong where not', async (t) => {
    const tls = selfSignedCertificate();
    const ca = join(tmpdir(), `liveleaf-push-ca-${process.pid}.pem`);
    await writeFile(ca, tls.cert);
    t.after(() => rm(ca));
    const plain = await startFakeRegistry();
    const fake = await startFakeRegistry({ tls });
    t.after(plain.close);
    t.after(fake.close);
    const world = await openPushWorld(t, scripts, plain.url);
    await copyImage(plain, fake, world.base.digest);
    const trusting = await world.push({ registry: fake.url, ca });
    assert.ok(trusting.result.ok, trusting.result.message);
    const doubting = await world.push({ registry: fake.url });
    assert.equal(doubting.result.reason, 'unreachable');
    assert.match(doubting.result.message ?? '', /certificate .* is not trusted: self.signed certificate/);
  });

  it('tells how far it is, once a second at most', async (t) => {
    const { fake, environment, push } = await openPush(t, scripts);
    await writeFile(join(environment, 'random'), randomBytes(60_000_000));
    fake.fault({ method: 'PATCH', failure: { kind: 'slow', delayMs: 10 } });
    const { result, lines, durationMs } = await push();
    assert.ok(result.ok, result.message);
    const percents = lines.flatMap((line) => /: (\d+) %$/.exec(line)?.[1] ?? []).map(Number);
    assert.deepEqual(
      percents,
      [...percents].sort((a, b) => a - b),
    );
    assert.ok(percents.length <= durationMs / 1_000);
    assert.ok(percents.every((percent) => percent <= 99));
  });
});

// The cluster's tests meet the real one in any case.
const program = await findDockerRegistry();
if (program !== undefined)
  describe('The reference registry', () => {
    it('takes an environment twice as one image, which the hub’s own client reads to its last byte', async (t) => {
      const registry = await startDockerRegistry(program, { hasLogin: true });
      t.after(registry.close);
      const { username, password } = REGISTRY_USER;
      const authorization = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
      const labels = { 'liveleaf.python': '3.11.2' };
      const world = await openPushWorld(t, scripts, registry.url, { authorization, labels });
      const config = await world.writeConfig({ [registry.host]: { username, password } });
      const order = { config, compression: 'gzip' };
      const [first, again] = [await world.push(order), await world.push(order)];
      assert.ok(first.result.ok, first.result.message);
      assert.equal(again.result.digest, first.result.digest);
      const anonymous = await world.push({ tag: '000002' });
      assert.deepEqual([anonymous.result.reason, anonymous.result.code], ['denied', 'push_failed']);

      const { client, image, manifest, config: settings } = await seenByHub(t, registry.url, 'team/env', config);
      assert.equal(manifest.digest, first.result.digest);
      assert.deepEqual(settings.labels, labels);
      assert.deepEqual(await client.tags(image), ['000001']);
      const [, layer] = manifest.layers;
      const answer = await fetch(`${registry.url}/v2/team/env/blobs/${layer?.digest}`, { headers: { authorization } });
      const bytes = Buffer.from(await answer.arrayBuffer());
      const tar = gunzipSync(bytes);
      assert.equal(`sha256:${createHash('sha256').update(tar).digest('hex')}`, first.result.layer?.diffId);
      assert.ok(tar.includes('answer = 42'));
    });
  });
