import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { Clock } from '../../../server/clock.ts';
import { HubError } from '../../../server/errors.ts';
import {
  createRegistryClient,
  type RegistryClient,
  type RegistryClientOptions,
} from '../../../server/registry/registry-client.ts';
import type { ImageName } from '../../../server/registry/registry.ts';
import { startFakeRegistry, type FakeRegistry, type FakeRegistryOptions } from '../../helpers/fake-registry.ts';

const HASTE = 20;

/** A clock that runs twenty times as fast, so that no test waits for a client's patience. */
const hastyClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now() * HASTE,
  sleep: (durationMs, signal) => delay(durationMs / HASTE, undefined, signal === undefined ? {} : { signal }),
};

export interface RegistryWorld {
  readonly fake: FakeRegistry;
  readonly client: RegistryClient;
  readonly image: ImageName;
  /** What the client told of tries that it repeated. */
  readonly retries: { readonly url: string; readonly why: string; readonly waitMs: number }[];
  /** Writes a Docker config.json and returns its path; `name` defaults to the same file. */
  writeConfig(auths: object): Promise<string>;
}

/** A fake registry and a client of it, which end with the test. */
export const openRegistryWorld = async (
  t: TestContext,
  options: FakeRegistryOptions = {},
  clientOptions: Partial<RegistryClientOptions> & { readonly auth?: object } = {},
): Promise<RegistryWorld> => {
  const folder = await mkdtemp(join(tmpdir(), 'liveleaf-test-'));
  const fake = await startFakeRegistry(options);
  const retries: RegistryWorld['retries'] = [];
  const writeConfig = async (auths: object): Promise<string> => {
    const file = join(folder, 'config.json');
    await writeFile(file, JSON.stringify({ auths }));
    return file;
  };
  const { auth, ...rest } = clientOptions;
  const client = createRegistryClient({
    allowHttp: true,
    clock: hastyClock,
    log: {
      warn: (what: unknown) => void retries.push(what as (typeof retries)[number]),
    } as RegistryClientOptions['log'],
    platform: { os: 'linux', architecture: 'amd64' },
    random: () => 0,
    ...(auth === undefined ? {} : { credentialsFile: await writeConfig({ [fake.host]: auth }) }),
    ...rest,
  });
  t.after(async () => {
    await client.close();
    await fake.close();
    await rm(folder, { recursive: true });
  });
  return { fake, client, image: { registry: fake.url, repository: 'team/env' }, retries, writeConfig };
};

/** The HubError that a promise rejects with. */
export const failureOf = async (promise: Promise<unknown>): Promise<HubError> =>
  promise.then(
    (value) => assert.fail(`resolved with ${JSON.stringify(value)}`),
    (error: unknown) => {
      assert.ok(error instanceof HubError, String(error));
      assert.match(error.message, /^[A-Z].+\.$/s);
      return error;
    },
  );
