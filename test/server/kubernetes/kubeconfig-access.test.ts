import assert from 'node:assert/strict';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { createKubeconfigAccess } from '../../../server/kubernetes/kubeconfig-access.ts';
import { KubernetesError } from '../../../server/kubernetes/kubernetes-error.ts';
import { createSteeredClock } from '../../helpers/steered-clock.ts';

const base64 = (text: string) => Buffer.from(text).toString('base64');
const isNotConfigured = (pattern: RegExp) => (error: unknown) =>
  KubernetesError.is(error, 0) && error.reason === 'NotConfigured' && pattern.test(error.message);

describe('the access of a kubeconfig', () => {
  let folder = '';
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'liveleaf-kubeconfig-'));
  });
  after(() => rm(folder, { recursive: true }));

  /** A file with a context for each user, called as the user is. */
  const writeKubeconfig = async (users: Readonly<Record<string, object>>, cluster: object = {}) => {
    const path = join(folder, 'config');
    const names = Object.keys(users);
    await writeFile(
      path,
      JSON.stringify({
        apiVersion: 'v1',
        kind: 'Config',
        'current-context': names[0],
        clusters: [{ name: 'c', cluster: { server: 'https://cluster.example:6443/prefix/', ...cluster } }],
        users: names.map((name) => ({ name, user: users[name] })),
        contexts: names.map((name) => ({ name, context: { cluster: 'c', user: name } })),
      }),
    );
    return path;
  };

  it('presents the certificates of the current context, and trusts its authority', async () => {
    const user = { 'client-certificate-data': base64('CERT'), 'client-key-data': base64('KEY') };
    const cluster = { 'certificate-authority-data': base64('CA'), 'tls-server-name': 'inner.example' };
    const access = await createKubeconfigAccess({ kubeconfig: await writeKubeconfig({ admin: user }, cluster) });
    assert.equal(access.server, 'https://cluster.example:6443/prefix');
    const { headers, tls } = await access.credentials(false);
    assert.deepEqual(headers, {});
    assert.deepEqual([tls.ca, tls.cert, tls.key].map(String), ['CA', 'CERT', 'KEY']);
    assert.equal(tls.servername, 'inner.example');
    assert.equal(tls.rejectUnauthorized, undefined);
  });

  it('presents tokens and passwords, and takes the context that is asked for', async () => {
    const kubeconfig = await writeKubeconfig({ bearer: { token: 'secret' }, basic: { username: 'u', password: 'p' } });
    const header = async (context?: string) => {
      const access = await createKubeconfigAccess({ kubeconfig, context });
      return (await access.credentials(false)).headers['authorization'];
    };
    assert.equal(await header(), 'Bearer secret');
    assert.equal(await header('basic'), `Basic ${base64('u:p')}`);
  });

  it('names the contexts that there are where another one is asked for', async () => {
    const kubeconfig = await writeKubeconfig({ one: {}, two: {} });
    await assert.rejects(
      createKubeconfigAccess({ kubeconfig, context: 'three' }),
      isNotConfigured(/"three".*one, two/),
    );
  });

  it('says which file cannot be read', async () => {
    const kubeconfig = join(folder, 'absent');
    await assert.rejects(createKubeconfigAccess({ kubeconfig }), isNotConfigured(/absent cannot be read/));
  });

  it('is taken from where kubectl takes it, and where there is none, it says so', async (test) => {
    const { KUBECONFIG, HOME } = process.env;
    test.after(() => {
      Object.assign(process.env, { KUBECONFIG: KUBECONFIG ?? '', HOME: HOME ?? '' });
    });
    Object.assign(process.env, { KUBECONFIG: await writeKubeconfig({ user: { token: 'secret' } }), HOME: folder });
    assert.equal((await createKubeconfigAccess({})).server, 'https://cluster.example:6443/prefix');
    process.env['KUBECONFIG'] = '';
    await assert.rejects(createKubeconfigAccess({}), isNotConfigured(/Set kubernetes\.kubeconfig/));
  });

  it('says which package is missing and how to get it', async () => {
    const load = () => import('@kubernetes/client-node/absent' as string) as Promise<never>;
    await assert.rejects(
      createKubeconfigAccess({ kubeconfig: 'any', load }),
      isNotConfigured(/npm install @kubernetes\/client-node@1\.4\.0/),
    );
  });

  it('logs in by command, keeps the login while it lasts, and again where it was refused', async () => {
    const count = join(folder, 'count');
    const login = join(folder, 'login.sh');
    const expires = new Date(Date.now() + 3_600_000).toISOString();
    const credential = `{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"t$n","expirationTimestamp":"${expires}"}}`;
    await writeFile(count, '');
    await writeFile(
      login,
      `#!/bin/sh\nprintf x >> '${count}'\nn=$(wc -c < '${count}' | tr -d ' ')\ncat <<END\n${credential}\nEND\n`,
    );
    await chmod(login, 0o700);
    const exec = { apiVersion: 'client.authentication.k8s.io/v1', command: login };
    const clock = createSteeredClock();
    const access = await createKubeconfigAccess({ kubeconfig: await writeKubeconfig({ user: { exec } }), clock });
    const token = async (renew: boolean) => (await access.credentials(renew)).headers['authorization'];
    assert.equal(await token(false), 'Bearer t1');
    await clock.advance(60_000);
    assert.equal(await token(false), 'Bearer t1');
    assert.equal(await token(true), 'Bearer t2');
    assert.equal((await readFile(count, 'utf8')).length, 2);
  });

  it('says what a login command said when it failed', async () => {
    const exec = {
      apiVersion: 'client.authentication.k8s.io/v1',
      command: 'sh',
      args: ['-c', 'echo locked out >&2; exit 1'],
    };
    const access = await createKubeconfigAccess({ kubeconfig: await writeKubeconfig({ user: { exec } }) });
    await assert.rejects(
      access.credentials(false),
      (error) => KubernetesError.is(error, 0) && error.reason === 'NoCredentials' && /locked out/.test(error.message),
    );
  });
});
