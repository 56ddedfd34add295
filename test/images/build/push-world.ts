import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { systemClock } from '../../../server/clock.ts';
import { createRegistryClient } from '../../../server/registry/registry-client.ts';
import { startFakeRegistry, type FakeRegistry, type FakeRegistryOptions } from '../../helpers/fake-registry.ts';
import { pushTinyImage, type TinyImage, type TinyImageOptions } from '../../helpers/tiny-image.ts';
import type { BuildScripts } from './build-scripts.ts';

export interface PushResult {
  readonly ok: boolean;
  readonly digest?: string;
  readonly size?: number;
  readonly layer?: { readonly digest: string; readonly diffId: string; readonly size: number };
  readonly code?: string;
  readonly reason?: string;
  readonly message?: string;
}

export interface Pushed {
  readonly result: PushResult;
  readonly lines: readonly string[];
  readonly durationMs: number;
}

export interface PushWorld {
  /** The environment's folder. */
  readonly environment: string;
  readonly base: TinyImage;
  /** A Docker config.json; returns its path. */
  writeConfig(auths: object): Promise<string>;
  /** Pushes the environment to `team/env` under a tag. */
  push(more?: Readonly<Record<string, unknown>>): Promise<Pushed>;
}

/** A base image in a registry, and an environment to push on top of it. */
export const openPushWorld = async (
  t: TestContext,
  scripts: BuildScripts,
  registry: string,
  options: TinyImageOptions & { readonly repository?: string } = {},
): Promise<PushWorld> => {
  const folder = await mkdtemp(join(scripts.scratch, 'push-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const environment = join(folder, 'env');
  await mkdir(join(environment, 'bin'), { recursive: true });
  await symlink('/usr/bin/python3', join(environment, 'bin', 'python'));
  await writeFile(join(environment, 'module.py'), 'answer = 42\n'.repeat(2_000));
  const repository = options.repository ?? 'team';
  const base = await pushTinyImage(registry, `${repository}/session`, options);
  return {
    environment,
    base,
    writeConfig: async (auths) => {
      const file = join(folder, 'config.json');
      await writeFile(file, JSON.stringify({ auths }));
      return file;
    },
    push: async (more = {}) => {
      const order = {
        registry,
        repository: `${repository}/env`,
        tag: '000001',
        base: `${base.repository}@${base.digest}`,
        config: null,
        firstWaitMs: 10,
        ...more,
      };
      const ended = await scripts.run('push_image.py', ['--folder', environment], {
        LIVELEAF_PUSH: JSON.stringify(order),
      });
      assert.equal(ended.stderr, '');
      assert.ok(ended.resultBytes <= 4096);
      const result = ended.result as PushResult;
      assert.equal(ended.status, result.ok ? 0 : 1);
      const lines = ended.stdout.toString().trimEnd().split('\n');
      return { result, lines, durationMs: ended.durationMs };
    },
  };
};

/** The same, in a registry of the test's own. */
export const openPush = async (
  t: TestContext,
  scripts: BuildScripts,
  options: FakeRegistryOptions = {},
  image: TinyImageOptions = {},
) => {
  const fake = await startFakeRegistry(options);
  t.after(fake.close);
  return { fake, ...(await openPushWorld(t, scripts, fake.url, image)) };
};

/** What the hub's own client sees of an image. */
export const seenByHub = async (
  t: TestContext,
  registry: string,
  repository = 'team/env',
  credentialsFile?: string,
) => {
  const client = createRegistryClient({
    allowHttp: true,
    clock: systemClock,
    log: { warn: () => undefined },
    platform: { os: 'linux', architecture: 'amd64' },
    ...(credentialsFile === undefined ? {} : { credentialsFile }),
  });
  t.after(() => client.close());
  const image = { registry, repository };
  const manifest = await client.manifest(image, '000001');
  assert.ok(manifest, 'the image is there');
  return { client, image, manifest, config: await client.config(image, manifest) };
};

/** Takes the base image from one fake registry to another, whatever its login. */
export const copyImage = async (from: FakeRegistry, to: FakeRegistry, digest: string): Promise<void> => {
  for (const blob of from.blobs('team/session')) to.putBlob('team/session', from.blob('team/session', blob));
  assert.equal(to.putManifest('team/session', 'base', from.manifest('team/session', digest)), digest);
};
