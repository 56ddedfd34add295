import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { createInClusterAccess } from '../../../server/kubernetes/in-cluster-access.ts';
import { KubernetesError } from '../../../server/kubernetes/kubernetes-error.ts';
import { createSteeredClock } from '../../helpers/steered-clock.ts';

const env = { KUBERNETES_SERVICE_HOST: '10.0.0.1', KUBERNETES_SERVICE_PORT: '6443' };

describe('the access of a pod', () => {
  let folder = '';
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'liveleaf-account-'));
  });
  after(() => rm(folder, { recursive: true }));
  const mount = async (token: string) => {
    await writeFile(join(folder, 'token'), token);
    await writeFile(join(folder, 'ca.crt'), 'CERTIFICATE');
  };

  it('is none where the process does not run in a pod', async () => {
    assert.equal(await createInClusterAccess({ env, folder: join(folder, 'absent') }), undefined);
    await mount('one');
    assert.equal(await createInClusterAccess({ env: {}, folder }), undefined);
  });

  it('is the address that the pod was given, with the token and the certificate of its account', async () => {
    await mount('one\n');
    const access = await createInClusterAccess({ env, folder });
    assert.equal(access?.server, 'https://10.0.0.1:6443');
    assert.deepEqual(await access?.credentials(false), {
      headers: { authorization: 'Bearer one' },
      tls: { ca: 'CERTIFICATE' },
    });
  });

  it('brackets an address of IPv6', async () => {
    await mount('one');
    const access = await createInClusterAccess({ env: { KUBERNETES_SERVICE_HOST: 'fd00::1' }, folder });
    assert.equal(access?.server, 'https://[fd00::1]:443');
  });

  it('reads the token again after a minute, and at once where it was refused', async () => {
    const clock = createSteeredClock();
    await mount('one');
    const access = await createInClusterAccess({ env, folder, clock });
    const token = async (renew: boolean) => (await access?.credentials(renew))?.headers['authorization'];
    assert.equal(await token(false), 'Bearer one');
    await mount('two');
    await clock.advance(59_000);
    assert.equal(await token(false), 'Bearer one');
    await clock.advance(1_000);
    assert.equal(await token(false), 'Bearer two');
    await mount('three');
    assert.equal(await token(true), 'Bearer three');
  });

  it('says which folder cannot be read', async () => {
    await mount('one');
    const access = await createInClusterAccess({ env, folder });
    await rm(join(folder, 'ca.crt'));
    await assert.rejects(
      async () => access?.credentials(false),
      (error) => KubernetesError.is(error, 0) && error.reason === 'NoCredentials' && error.message.includes(folder),
    );
  });
});
