import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { request } from 'node:http';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { AppsV1Api, CoreV1Api, KubeConfig } from '@kubernetes/client-node';
import { CHART, helm, helmPath } from '../charts/render-chart.ts';
import { clusterImage, TEST_REGISTRY } from '../helpers/cluster-images.ts';

const run = promisify(execFile);
const kubeconfig = new KubeConfig();
kubeconfig.loadFromDefault();
const core = kubeconfig.makeApiClient(CoreV1Api);

const namespace = `chart-hub-${randomBytes(3).toString('hex')}`;
const sessions = `${namespace}-sessions`;
const builds = `${namespace}-builds`;
const egress = process.env['LIVELEAF_TEST_EGRESS'];

describe('the hub as the chart installs it', { timeout: 900_000 }, () => {
  /** What installs and upgrades, after the verb. */
  let release: readonly string[];

  /** The status of a probe through the Service, which this machine reaches; 0 where nothing answers. */
  const probe = async (path: string): Promise<number> => {
    const { spec } = await core.readNamespacedService({ name: 'liveleaf', namespace });
    return new Promise((resolve) => {
      request({ host: spec?.clusterIP, port: 8585, path, agent: false, timeout: 5_000 }, (response) => {
        response.resume();
        resolve(response.statusCode ?? 0);
      })
        .once('timeout', () => resolve(0))
        .once('error', () => resolve(0))
        .end();
    });
  };

  before(async () => {
    const labels = { 'pod-security.kubernetes.io/enforce': 'restricted' };
    await core.createNamespace({ body: { metadata: { name: namespace, labels } } });
    const values: Readonly<Record<string, string>> = {
      image: await clusterImage('hub'),
      demo: 'true',
      'config.registry.url': `http://${TEST_REGISTRY}`,
      'config.registry.allowHttp': 'true',
      'config.registry.prefix': `${namespace}/`,
      'config.kubernetes.baseImage': await clusterImage('session'),
      'config.kubernetes.sessionNamespace': sessions,
      'config.kubernetes.buildNamespace': builds,
      ...(egress === undefined ? {} : { 'config.kubernetes.egressConfigMaps': '{machine-egress,machine-egress-env}' }),
    };
    const settings = Object.entries(values).flatMap(([name, value]) => ['--set', `${name}=${value}`]);
    release = ['liveleaf', CHART, '--namespace', namespace, '--wait', '--timeout', '180s', ...settings];
    const { status, stderr } = helm(['install', ...release]);
    assert.equal(status, 0, stderr);
    if (egress !== undefined) await run(egress, [builds]);
  });
  after(async () => {
    helm(['uninstall', 'liveleaf', '--namespace', namespace, '--wait']);
    await core.deleteNamespace({ name: namespace });
  });

  it('is ready with two replicas, and says so', async () => {
    const apps = kubeconfig.makeApiClient(AppsV1Api);
    const { status } = await apps.readNamespacedDeployment({ name: 'liveleaf', namespace });
    assert.equal(status?.readyReplicas, 2);
    assert.equal(await probe('/livez'), 200);
    assert.equal(await probe('/readyz'), 200);
  });

  it('builds and launches in `helm test`, behind a policy that is in force, and runs 1+1', async () => {
    const { status, stdout, stderr } = helm(['test', 'liveleaf', '-n', namespace, '--logs', '--timeout', '400s']);
    assert.equal(status, 0, stdout + stderr);
    assert.match(stdout, /^building The network policy is in force\.$/m);
    assert.match(stdout, /^pushing Pushed sha256:/m);
    assert.match(stdout, /^1\+1 is 2: the hub works\.$/m);
    const { items } = await core.listNamespacedPod({ namespace, labelSelector: 'app.kubernetes.io/component=test' });
    assert.deepEqual(items, [], 'the test takes its pod away');
  });

  it('answers every request while an upgrade takes its place', async () => {
    let upgrading = true;
    const answers = new Map<number, number>();
    const asked = (async () => {
      while (upgrading) {
        const status = await probe('/readyz');
        answers.set(status, (answers.get(status) ?? 0) + 1);
      }
    })();
    // In a process of its own, so that requests go on meanwhile.
    await run(helmPath(), ['upgrade', ...release, '--set', 'config.log.level=debug']);
    upgrading = false;
    await asked;
    assert.deepEqual([...answers.keys()], [200], JSON.stringify([...answers]));
    assert.ok((answers.get(200) ?? 0) > 20);
  });
});
