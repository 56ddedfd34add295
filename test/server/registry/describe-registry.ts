import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { describe, it, type TestContext } from 'node:test';
import { HubError } from '../../../server/errors.ts';
import { createRegistryClient, type RegistryClientOptions } from '../../../server/registry/registry-client.ts';
import { systemClock } from '../../../server/clock.ts';
import type { ImageName } from '../../../server/registry/registry.ts';

/** A registry that the suite may fill. */
export interface RegistryUnderTest {
  /** `http://127.0.0.1:5000` */
  readonly url: string;
  /** Of a new client's. */
  readonly options: Partial<RegistryClientOptions>;
}

const digestOf = (content: Buffer): string => `sha256:${createHash('sha256').update(content).digest('hex')}`;

/** What any registry does, told through the client; `registry` gives one that runs. Names are new each time. */
export const describeRegistry = (name: string, registry: () => Promise<RegistryUnderTest>): void => {
  describe(name, () => {
    const open = async (t: TestContext) => {
      const { url, options } = await registry();
      const client = createRegistryClient({ allowHttp: true, clock: systemClock, log: { warn: () => {} }, ...options });
      const folder = `liveleaf-test-${randomBytes(6).toString('hex')}`;
      const image: ImageName = { registry: url, repository: `${folder}/env` };
      t.after(async () => {
        for (const repository of await client.repositories(url, `${folder}/`))
          for (const tag of await client.tags({ ...image, repository })) {
            const manifest = await client.manifest({ ...image, repository }, tag);
            if (manifest) await client.delete({ ...image, repository }, manifest.digest);
          }
        await client.close();
      });
      return { client, image, folder, url };
    };
    const content = (text: string) => ({ type: 'application/vnd.liveleaf.test', content: Buffer.from(text) });

    it('keeps a small file under a tag and gives it back, byte for byte', async (t) => {
      const { client, image } = await open(t);
      const bytes = randomBytes(300_000);
      await client.writeArtifact(image, 'log', {
        type: 'application/vnd.liveleaf.log.v1+gzip',
        content: bytes,
        annotations: { 'liveleaf/lines': '12' },
      });
      assert.deepEqual(await client.readArtifact(image, 'log'), bytes);
      const manifest = await client.manifest(image, 'log');
      assert.equal(manifest?.layers[0]?.digest, digestOf(bytes));
      assert.equal(manifest?.annotations['liveleaf/lines'], '12');
      assert.deepEqual(await client.config(image, manifest!), { labels: {}, env: [] });
    });

    it('has a manifest by tag and by digest, the same one, and none by a name that it does not know', async (t) => {
      const { client, image } = await open(t);
      assert.equal(await client.manifest(image, 'a'), undefined);
      await client.writeArtifact(image, 'a', content('a'));
      const byTag = await client.manifest(image, 'a');
      assert.ok(byTag);
      assert.deepEqual(await client.manifest(image, byTag.digest), byTag);
      assert.equal(await client.manifest(image, 'b'), undefined);
      assert.equal(await client.manifest(image, `sha256:${'0'.repeat(64)}`), undefined);
      assert.equal(await client.readArtifact(image, 'b'), undefined);
    });

    it('replaces what a tag stands for', async (t) => {
      const { client, image } = await open(t);
      await client.writeArtifact(image, 'a', content('first'));
      await client.writeArtifact(image, 'a', content('second'));
      assert.equal((await client.readArtifact(image, 'a'))?.toString(), 'second');
    });

    it('lists all tags, page by page, and none of a repository that is not there', async (t) => {
      const { client, image } = await open(t);
      assert.deepEqual(await client.tags(image), []);
      const tags = ['000001', '000001.log', '000002', 'a', 'b'];
      for (const tag of tags) await client.writeArtifact(image, tag, content(tag));
      assert.deepEqual([...(await client.tags(image))].sort(), tags);
    });

    it('lists the repositories below a prefix and no others', async (t) => {
      const { client, image, folder, url } = await open(t);
      const others = ['env-1', 'env-2', 'env-3'].map((each) => `${folder}/${each}`);
      for (const repository of others) await client.writeArtifact({ ...image, repository }, 'a', content(repository));
      assert.deepEqual([...(await client.repositories(url, `${folder}/env-`))].sort(), others);
      assert.deepEqual(await client.repositories(url, `${folder}/none-`), []);
    });

    it('deletes a manifest by digest, with its tags, and once', async (t) => {
      const { client, image } = await open(t);
      await client.writeArtifact(image, 'a', content('a'));
      await client.writeArtifact(image, 'b', content('b'));
      const { digest } = (await client.manifest(image, 'a'))!;
      assert.equal(await client.delete(image, digest), true);
      assert.equal(await client.manifest(image, 'a'), undefined);
      assert.equal(await client.manifest(image, digest), undefined);
      assert.equal((await client.readArtifact(image, 'b'))?.toString(), 'b');
      assert.equal(await client.delete(image, digest), false);
    });

    it('ends a call that is aborted with the reason of that', async (t) => {
      const { client, image } = await open(t);
      const reason = new Error('no longer wanted');
      await assert.rejects(client.manifest(image, 'a', AbortSignal.abort(reason)), (error) => error === reason);
      assert.ok(!(reason instanceof HubError));
    });
  });
};
