import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { failureOf, openRegistryWorld } from './registry-world.ts';

const TEXT = { type: 'text/plain', content: Buffer.from('a log of a build\n'.repeat(100)) };
const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const emptyImage = (config: string, extra: object = {}) => ({
  schemaVersion: 2,
  mediaType: MANIFEST,
  config: { mediaType: 'application/vnd.oci.image.config.v1+json', digest: config, size: 2 },
  layers: [],
  ...extra,
});

describe('A registry that fails', () => {
  it('in passing is asked again, a little later each time, and nobody notices', async (t) => {
    const { fake, client, image, retries } = await openRegistryWorld(t);
    for (const status of [503, 500, 429]) fake.fault({ times: 1, failure: { kind: 'status', status } });
    await client.writeArtifact(image, 'a', TEXT);
    assert.deepEqual(
      retries.map(({ why, waitMs }) => `${why} ${waitMs}`),
      ['status 503 125', 'status 500 250', 'status 429 500'],
    );
    fake.fault({ method: 'GET', path: /blobs/, times: 1, failure: { kind: 'truncate' } });
    fake.fault({ method: 'GET', path: /manifests/, times: 1, failure: { kind: 'reset', afterBytes: 0 } });
    assert.deepEqual(await client.readArtifact(image, 'a'), TEXT.content);
    assert.equal(retries.length, 5);
  });

  it('in writing is asked again too, and what was written is whole', async (t) => {
    const { fake, client, image } = await openRegistryWorld(t);
    fake.fault({ method: 'PUT', path: /uploads/, times: 1, failure: { kind: 'reset', afterBytes: 1 } });
    fake.fault({ method: 'PUT', path: /manifests/, times: 1, failure: { kind: 'status', status: 502 } });
    await client.writeArtifact(image, 'a', TEXT);
    assert.deepEqual(await client.readArtifact(image, 'a'), TEXT.content);
  });

  it('is asked a bounded number of times, and then is down, with the reason', async (t) => {
    const { fake, client, image } = await openRegistryWorld(t);
    const end = fake.fault({ failure: { kind: 'status', status: 503, headers: { 'retry-after': '2' } } });
    const busy = await failureOf(client.manifest(image, 'a'));
    assert.equal(busy.code, 'registry_down');
    assert.equal(busy.retryAfterMs, 2_000);
    assert.match(busy.message, /503/);
    assert.equal(fake.requests.length, 4);
    end();
    await fake.close();
    const gone = await failureOf(client.manifest(image, 'a'));
    assert.equal(gone.code, 'registry_down');
    assert.match(gone.message, /ECONNREFUSED/);
  });

  it('that asks for more patience than a reader has is down at once', async (t) => {
    const { fake, client, image } = await openRegistryWorld(t);
    fake.fault({ failure: { kind: 'status', status: 429, headers: { 'retry-after': '120' } } });
    const error = await failureOf(client.tags(image));
    assert.equal(error.retryAfterMs, 120_000);
    assert.equal(fake.requests.length, 1);
  });

  it('that never answers is given up after a time', async (t) => {
    const { fake, client, image } = await openRegistryWorld(t);
    fake.fault({ failure: { kind: 'hang' } });
    assert.match((await failureOf(client.tags(image))).message, /no answer within 20 s/);
  });

  it('with anything but its own 404 is never taken for one that has nothing', async (t) => {
    const { fake, client, image } = await openRegistryWorld(t);
    const answers = [
      { status: 404, body: 'default backend - 404' },
      { status: 404, body: '{"message": "no Route matched"}' },
      { status: 404, body: '{"errors": []}' },
      { status: 403, body: '{"errors": [{"code": "DENIED"}]}' },
      { status: 400, body: '{"errors": [{"code": "NAME_INVALID"}]}' },
      { status: 410 },
      { status: 301 },
      { status: 204 },
    ];
    for (const answer of answers) {
      const end = fake.fault({ failure: { kind: 'status', ...answer } });
      for (const call of [
        () => client.manifest(image, 'a'),
        () => client.readArtifact(image, 'a'),
        () => client.tags(image),
      ]) {
        const error = await failureOf(call());
        assert.equal(error.code, 'registry_down', JSON.stringify(answer));
      }
      end();
    }
    // What a registry of another make says for the same thing.
    for (const code of ['MANIFEST_UNKNOWN', 'NAME_UNKNOWN', 'NOT_FOUND']) {
      const end = fake.fault({
        failure: { kind: 'status', status: 404, body: JSON.stringify({ errors: [{ code }] }) },
      });
      assert.equal(await client.manifest(image, 'a'), undefined);
      end();
    }
  });

  it('is not believed where its bytes are not those that the digest stands for', async (t) => {
    const { fake, client, image } = await openRegistryWorld(t);
    await client.writeArtifact(image, 'a', TEXT);
    const { digest } = (await client.manifest(image, 'a'))!;
    for (const path of [/manifests/, /blobs/]) {
      const end = fake.fault({ method: 'GET', path, failure: { kind: 'corrupt' } });
      assert.match((await failureOf(client.readArtifact(image, digest))).message, /digest/);
      assert.match((await failureOf(client.readArtifact(image, 'a'))).message, /digest/);
      end();
    }
  });

  it('that has lost a part of what it lists is broken, not empty', async (t) => {
    const { fake, client, image } = await openRegistryWorld(t);
    await client.writeArtifact(image, 'a', TEXT);
    const { layers } = (await client.manifest(image, 'a'))!;
    fake.dropBlob(image.repository, layers[0]!.digest);
    assert.match((await failureOf(client.readArtifact(image, 'a'))).message, /lost a part/);
  });

  it('sends no more than the hub reads', async (t) => {
    const { fake, client, image } = await openRegistryWorld(t);
    const body = JSON.stringify({ errors: [{ code: 'x'.repeat(5 * 1024 * 1024) }] });
    fake.fault({ failure: { kind: 'status', status: 200, body } });
    for (const call of [
      () => client.manifest(image, 'a'),
      () => client.tags(image),
      () => client.delete(image, 'sha256:0'),
    ])
      assert.match((await failureOf(call())).message, /sent more than \d+ bytes/);
  });

  it('with a list that never ends, or is none, is given up', async (t) => {
    const { fake, client, image } = await openRegistryWorld(t);
    const none = fake.fault({ failure: { kind: 'status', status: 200, body: '{"tags": "many"}' } });
    assert.match((await failureOf(client.tags(image))).message, /no list/);
    none();
    const link = { link: `</v2/${image.repository}/tags/list?last=x>; rel="next"` };
    fake.fault({ failure: { kind: 'status', status: 200, headers: link, body: '{"tags": ["a"]}' } });
    // A page that names itself as the next one is the last.
    assert.deepEqual(await client.tags(image), ['a', 'a']);
  });

  it('redirects in circles, or from TLS to none, and is not followed', async (t) => {
    const { fake, client, image } = await openRegistryWorld(t);
    fake.fault({ failure: { kind: 'redirect', location: '/v2/' } });
    assert.match((await failureOf(client.manifest(image, 'a'))).message, /redirects without an end/);
    assert.ok(fake.requests.length <= 7);
  });

  it('refuses a write in words: no right, no room, no deletion', async (t) => {
    const { fake, client, image } = await openRegistryWorld(t, { allowsDeletion: false });
    await client.writeArtifact(image, 'a', TEXT);
    const { digest } = (await client.manifest(image, 'a'))!;
    assert.match((await failureOf(client.delete(image, digest))).message, /405 \(UNSUPPORTED/);
    const full = '{"errors":[{"code":"UNKNOWN","message":"unknown error","detail":{"Err":28}}]}';
    for (const [status, body, words] of [
      [403, '', /refuses the hub's login/],
      [507, '', /no room/],
      [413, '', /no room/],
      [500, full, /no room/],
      [400, '{"errors":[{"code":"MANIFEST_INVALID","message":"bad"}]}', /MANIFEST_INVALID: bad/],
    ] as const) {
      const end = fake.fault({ method: 'PUT', failure: { kind: 'status', status, body } });
      const error = await failureOf(client.writeArtifact(image, 'b', { ...TEXT, content: Buffer.from(`${status}`) }));
      assert.equal(error.code, 'push_failed');
      assert.match(error.message, words);
      end();
    }
  });

  it('without a catalogue says so', async (t) => {
    const { fake, client } = await openRegistryWorld(t);
    for (const status of [401, 404, 405]) {
      const end = fake.fault({ failure: { kind: 'status', status } });
      assert.equal((await failureOf(client.repositories(fake.url, 'team/'))).code, 'policy');
      end();
    }
  });
});

describe('An image that', () => {
  it('is there for many platforms is the one for this one, plain before special', async (t) => {
    const { fake, client, image } = await openRegistryWorld(t);
    const config = fake.putBlob(image.repository, Buffer.from('{}'));
    const put = (tag: string) => fake.putManifest(image.repository, tag, emptyImage(config, { annotations: { tag } }));
    const entry = (digest: string, architecture: string, variant?: string) => ({
      mediaType: MANIFEST,
      digest,
      size: 1,
      platform: { os: 'linux', architecture, ...(variant ? { variant } : {}) },
    });
    const mediaType = 'application/vnd.oci.image.index.v1+json';
    fake.putManifest(image.repository, 'all', {
      schemaVersion: 2,
      mediaType,
      manifests: [
        entry(put('unknown'), 'unknown'),
        entry(put('arm'), 'arm64'),
        entry(put('v3'), 'amd64', 'v3'),
        entry(put('plain'), 'amd64'),
      ],
    });
    const found = await client.manifest(image, 'all');
    assert.deepEqual(found?.annotations, { tag: 'plain' });
    assert.equal(found?.digest, put('plain'));

    fake.putManifest(image.repository, 'other', {
      schemaVersion: 2,
      mediaType,
      manifests: [entry(put('arm'), 'arm64')],
    });
    const error = await failureOf(client.manifest(image, 'other'));
    assert.equal(error.code, 'pull_failed');
    assert.match(error.message, /has none for linux\/amd64/);
  });

  it('has labels and variables gives them, and one that has none gives none', async (t) => {
    const { fake, client, image } = await openRegistryWorld(t);
    const config = { config: { Labels: { 'liveleaf.python': '3.11.2', odd: 1 }, Env: ['PATH=/bin', 7] } };
    const content = Buffer.from(JSON.stringify(config));
    const digest = fake.putBlob(image.repository, content);
    const manifest = emptyImage(digest);
    fake.putManifest(image.repository, 'a', { ...manifest, config: { ...manifest.config, size: content.length } });
    const found = await client.config(image, (await client.manifest(image, 'a'))!);
    assert.deepEqual(found, { labels: { 'liveleaf.python': '3.11.2' }, env: ['PATH=/bin'] });
  });

  it('is none, or too old a one, is refused in words', async (t) => {
    const { fake, client, image } = await openRegistryWorld(t);
    const digest = `sha256:${'0'.repeat(64)}`;
    for (const body of [
      'no json', '[]', '"text"', '{}', '{"schemaVersion": 1}', '{"schemaVersion": 2}',
      '{"schemaVersion": 2, "config": {"digest": "sha256:1", "size": 1}, "layers": []}',
      `{"schemaVersion": 2, "config": {"digest": "${digest}", "size": 1}, "layers": [{"digest": "../../x", "size": 1}]}`,
      `{"schemaVersion": 2, "config": {"digest": "${digest}", "size": -1}, "layers": []}`,
      '{"schemaVersion": 2, "manifests": [null, 1, {"platform": null}]}',
    ]) {
      const end = fake.fault({ failure: { kind: 'status', status: 200, body } });
      assert.equal((await failureOf(client.manifest(image, 'a'))).code, 'pull_failed', body);
      end();
    } // prettier-ignore
  });
});
