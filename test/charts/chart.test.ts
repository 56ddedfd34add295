import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import { checkConfig } from '../../server/config/load-config.ts';
import { keyRing, type Key } from '../../server/sessions/key-ring.ts';
import { checkFields } from './check-fields.ts';
import { checkPolicy } from './check-policy.ts';
import { CHART, helm, only, renderChart, VALUES, valuesFile, type Manifest } from './render-chart.ts';

const rendered = (name: (typeof VALUES)[number], ...more: string[]): Manifest[] =>
  renderChart(['--values', valuesFile(name), ...more]);

const valuesOf = (name: (typeof VALUES)[number]) => parse(readFileSync(valuesFile(name), 'utf8'));

/** The hub's configuration as its pods read it. */
const configOf = (manifests: readonly Manifest[]) =>
  checkConfig(parse(only(manifests, 'ConfigMap', 'hub', 'liveleaf')['data']['liveleaf.yaml']));

const sentence = (args: readonly string[]): string => {
  try {
    renderChart(args);
  } catch (error) {
    return (error as Error).message;
  }
  return '';
};

describe('the chart', () => {
  it('passes Helm’s own check', () => {
    for (const args of [[], ...VALUES.map((name) => ['--values', valuesFile(name)])]) {
      const { status, stdout, stderr } = helm(['lint', CHART, '--strict', ...args]);
      assert.equal(status, 0, stdout + stderr);
    }
  });

  for (const name of VALUES)
    it(`makes sound objects and a configuration that the hub takes, with ${name}`, () => {
      const manifests = rendered(name);
      assert.deepEqual(manifests.flatMap(checkFields), []);
      const values = valuesOf(name);
      const { sessionNamespace, buildNamespace } = configOf(manifests).kubernetes;
      const registry = values.inClusterRegistry?.enabled ? ['docker.io/library/registry:2.8.3'] : [];
      assert.deepEqual(
        checkPolicy(manifests, {
          hubNamespace: 'hub',
          sandboxNamespaces: [sessionNamespace, buildNamespace],
          images: [values.image, ...registry],
        }),
        [],
      );
    });

  it('is of the version of the package', () => {
    const { version, appVersion } = parse(readFileSync(join(CHART, 'Chart.yaml'), 'utf8'));
    const manifest = JSON.parse(readFileSync(join(CHART, '..', '..', 'package.json'), 'utf8')) as { version: string };
    assert.deepEqual([version, appVersion], [manifest.version, manifest.version]);
  });

  it('names all that has to be set, and nothing more is needed', () => {
    assert.match(sentence([]), /Set image, config\.registry\.url, config\.kubernetes\.baseImage/);
  });

  const minimal = ['--values', valuesFile('minimal')];
  const REFUSALS: readonly [string, readonly string[], RegExp][] = [
    ['a value that there is not', ['--set', 'replica=3'], /additional properties 'replica' not allowed/],
    ['a key that the hub does not know', ['--set', 'config.quota.totl=3'], /'\/config\/quota'.*'totl' not allowed/],
    ['a key that the chart decides', ['--set', 'config.host=0.0.0.0'], /'\/config'.*'host' not allowed/],
    ['a value of the wrong kind', ['--set', 'config.quota.total=many'], /got string, want integer/],
    ['a setting as a variable', ['--set', 'env.LIVELEAF_PORT=1'], /invalid propertyName 'LIVELEAF_PORT'/],
    [
      'an address without one for sessions',
      ['--set', 'config.publicUrl=https://a.example/'],
      /set config\.sessionUrl too/,
    ],
    ['an ingress without hostnames', ['--set', 'ingress.enabled=true'], /Set config\.publicUrl/],
    ['sessions in the hub’s own namespace', ['--set', 'config.kubernetes.sessionNamespace=hub'], /three namespaces/],
    [
      'a login that cannot be copied',
      ['--set', 'registrySecret=login'],
      /There is no Secret login in the namespace hub/,
    ],
  ];
  for (const [what, args, said] of REFUSALS)
    it(`refuses ${what}`, () => assert.match(sentence([...minimal, ...args]), said));

  it('makes a key ring that the hub takes', () => {
    const secret = only(rendered('minimal'), 'Secret', 'hub', 'liveleaf-keys');
    const { keys } = JSON.parse(Buffer.from(secret['data']['keys.json'], 'base64').toString()) as { keys: Key[] };
    const [key] = keys;
    assert.ok(key);
    assert.equal(keyRing(keys).newestId, key.id);
    assert.equal(Buffer.from(key.secret, 'base64url').length, 32);
    assert.ok(Math.abs(Date.now() - key.createdAt) < 60_000);
  });

  it('gives its pods time for the drain, and 15 seconds more', () => {
    const { spec } = only(rendered('gateway'), 'Deployment')['spec'].template;
    const [hub] = spec.containers;
    assert.equal(configOf(rendered('gateway')).sessions.drainMs, 12_500);
    assert.equal(spec.terminationGracePeriodSeconds, hub.lifecycle.preStop.sleep.seconds + 13 + 15);
  });

  it('starts its pods anew where the configuration changes, and only there', () => {
    const digest = (...more: string[]) =>
      only(rendered('minimal', ...more), 'Deployment')['spec'].template.metadata.annotations['checksum/config'];
    assert.equal(digest(), digest('--set', 'service.type=LoadBalancer'));
    assert.notEqual(digest(), digest('--set', 'config.log.level=debug'));
  });

  it('counts places, the queue and every replica’s warm sessions into the quota of pods', () => {
    const { hard } = only(rendered('gateway'), 'ResourceQuota', 'liveleaf-sessions')['spec'];
    assert.deepEqual(hard, { pods: String(50 + 10 + 3 * (3 + 1)), 'limits.memory': '64Gi' });
  });

  it('lets the hub’s own address be the canary, unless another is named', () => {
    const variables = (manifests: readonly Manifest[]) =>
      only(manifests, 'Deployment')['spec'].template.spec.containers[0].env.map(
        ({ name, value }: { name: string; value?: string }) => [name, value],
      );
    assert.deepEqual(variables(rendered('minimal')).slice(1), [
      ['POD_IP', undefined],
      ['LIVELEAF_KUBERNETES__CANARY', '$(POD_IP):8585'],
    ]);
    assert.deepEqual(variables(rendered('gateway')).slice(1), [['HTTPS_PROXY', 'http://10.1.2.9:3128']]);
    assert.equal(configOf(rendered('gateway')).kubernetes.canary, '10.0.0.1:443');
  });

  it('keeps large numbers whole', () =>
    assert.equal(configOf(rendered('gateway')).environments.maxBytes, 107_374_182_400));

  it('makes nothing that exists already', () => {
    const kinds = new Set(rendered('existing').map(({ kind }) => kind));
    for (const kind of ['Namespace', 'Secret', 'PriorityClass', 'NetworkPolicy']) assert.ok(!kinds.has(kind), kind);
    const { kubernetes, registry } = configOf(rendered('existing'));
    const { serviceAccount, priorityClass, imagePullSecret, pushSecret } = kubernetes;
    assert.deepEqual(
      { serviceAccount, priorityClass, imagePullSecret, pushSecret, file: registry.credentialsFile },
      {
        serviceAccount: 'tokenless',
        priorityClass: 'low',
        imagePullSecret: 'nodes-pull',
        pushSecret: 'builds-push',
        file: '/etc/liveleaf/registry/config.json',
      },
    );
  });

  it('gives the registry in the cluster one login, and to everybody who needs it', () => {
    const manifests = rendered('in-cluster-registry');
    const data = (namespace: string, name: string, key: string): string =>
      Buffer.from(only(manifests, 'Secret', namespace, name)['data'][key], 'base64').toString();
    const login = data('hub', 'liveleaf-registry-login', '.dockerconfigjson');
    const auth = JSON.parse(login).auths['10.1.2.3:30555'];
    assert.equal(Buffer.from(auth.auth, 'base64').toString(), `liveleaf:${auth.password}`);
    assert.equal(auth.password.length, 32);
    assert.match(data('hub', 'liveleaf-registry-login', 'htpasswd'), /^liveleaf:\$2[ay]\$/);
    assert.equal(data('liveleaf-builds', 'liveleaf-push', 'config.json'), login);
    for (const namespace of ['liveleaf-builds', 'liveleaf-sessions'])
      assert.equal(data(namespace, 'liveleaf-pull', '.dockerconfigjson'), login);
    assert.equal(configOf(manifests).registry.allowHttp, true);
  });

  it('routes two hostnames to the hub and to sessions, and one by its paths', () => {
    const routes = (manifests: readonly Manifest[]) =>
      only(manifests, 'Ingress')['spec'].rules.flatMap(
        ({ host, http }: { host: string; http: { paths: { path: string; backend: Manifest }[] } }) =>
          http.paths.map(({ path, backend }) => `${host}${path} ${backend['service'].port.name}`),
      );
    assert.deepEqual(routes(rendered('ingress', '--set', 'ingress.sessionHosts={*.sessions.example.org}')), [
      'hub.example.org/ http',
      'sessions.example.org/ sessions',
      '*.sessions.example.org/ sessions',
    ]);
    assert.deepEqual(routes(rendered('one-hostname')), ['hub.example.org/user/ sessions', 'hub.example.org/ http']);
  });

  it('tests with what is told, else what may run, else the demo', () => {
    const launch = (name: (typeof VALUES)[number], ...more: string[]): string =>
      only(rendered(name, ...more), 'Pod')['spec'].containers[0].env.find(
        (each: { name: string }) => each.name === 'LAUNCH',
      ).value;
    assert.equal(launch('minimal'), '');
    assert.equal(launch('minimal', '--set', 'demo=true'), 'dir/demo/blog/HEAD');
    assert.equal(launch('ingress', '--set', 'demo=true'), 'gh/owner/book/HEAD', 'and not one with a star');
    assert.equal(launch('ingress', '--set', 'test.launch=gh/owner/other/main'), 'gh/owner/other/main');
    const hub = (...more: string[]) =>
      only(rendered('minimal', ...more), 'Deployment')['spec'].template.spec.containers[0].args;
    assert.equal(hub(), undefined);
    assert.deepEqual(hub('--set', 'demo=true'), ['--demo', '/opt/liveleaf/demo']);
  });

  it('says the next command', () => {
    const notes = (name: (typeof VALUES)[number]): string => {
      const { stdout } = helm(['install', 'liveleaf', CHART, '--dry-run=client', '-n', 'hub', '-f', valuesFile(name)]);
      return stdout.slice(stdout.indexOf('NOTES:'));
    };
    assert.match(notes('minimal'), /helm test liveleaf --namespace hub --logs/);
    assert.match(notes('minimal'), /port-forward service\/liveleaf 8585 8586/);
    assert.match(notes('minimal'), /Nothing may run yet/);
    assert.doesNotMatch(notes('ingress'), /port-forward|Nothing may run/);
    assert.match(notes('ingress'), /wildcard/);
    assert.match(notes('one-hostname'), /one hostname, and two ports/);
  });
});
