import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { checkPolicy } from './check-policy.ts';
import { renderChart, valuesFile, type Manifest } from './render-chart.ts';

const OPTIONS = {
  hubNamespace: 'hub',
  sandboxNamespaces: ['liveleaf-sessions', 'liveleaf-builds'],
  images: ['registry.example.org/liveleaf-hub:0.1.0'],
};
const sound = renderChart(['--values', valuesFile('minimal')]);
const pod = (manifest: Manifest) => manifest['spec'].template.spec;

/** A breach: what is changed in which object, and what is said of it. */
const BREACHES: readonly [string, (manifest: Manifest) => void, RegExp][] = [
  ['Deployment', (it) => (pod(it).containers[0].securityContext.privileged = true), /is privileged/],
  ['Deployment', (it) => delete pod(it).containers[0].securityContext.allowPrivilegeEscalation, /may escalate/],
  ['Deployment', (it) => (pod(it).containers[0].securityContext.readOnlyRootFilesystem = false), /write its root/],
  ['Deployment', (it) => (pod(it).initContainers[0].securityContext.capabilities.add = ['NET_ADMIN']), /capabilities/],
  ['Deployment', (it) => delete pod(it).containers[0].resources.limits, /requests or limits/],
  ['Deployment', (it) => (pod(it).containers[0].image = 'busybox'), /image busybox/],
  ['Deployment', (it) => (pod(it).containers[0].ports[0].hostPort = 80), /port of the node/],
  ['Deployment', (it) => (pod(it).hostNetwork = true), /hostNetwork/],
  ['Deployment', (it) => (pod(it).securityContext.runAsUser = 0), /root/],
  ['Deployment', (it) => delete pod(it).securityContext.seccompProfile, /seccomp/],
  ['Deployment', (it) => pod(it).volumes.push({ name: 'node', hostPath: { path: '/' } }), /forbidden kind/],
  ['Deployment', (it) => delete pod(it).enableServiceLinks, /variables of Services/],
  ['Deployment', (it) => (pod(it).automountServiceAccountToken = false), /token/],
  ['Pod', (it) => delete it['spec'].automountServiceAccountToken, /token/],
  ['ServiceAccount', (it) => Object.assign(it, { automountServiceAccountToken: true }), /mounts its token/],
  ['Role', (it) => it['rules'][0].verbs.push('list'), /allows/],
  ['Role', (it) => (it['rules'][0].resources = ['*']), /allows/],
  ['RoleBinding', (it) => (it['roleRef'].kind = 'ClusterRole'), /role of the cluster/],
  ['Role', (it) => Object.assign(it, { kind: 'ClusterRole' }), /may not make/],
  [
    'Namespace',
    (it) => Object.assign(it.metadata.labels!, { 'pod-security.kubernetes.io/enforce': 'privileged' }),
    /enforce/,
  ],
  ['ConfigMap', (it) => (it['data'].more = 'password: hunter2hunter2hunter2'), /secret/],
  ['ConfigMap', (it) => Object.assign(it.metadata, { namespace: 'default' }), /foreign namespace/],
];

describe('the check of policy', () => {
  it('has nothing against the chart', () => assert.deepEqual(checkPolicy(sound, OPTIONS), []));

  for (const [kind, change, said] of BREACHES)
    it(`names a ${kind} that breaks it: ${said.source}`, () => {
      const manifests = structuredClone(sound);
      change(manifests.find((manifest) => manifest.kind === kind)!);
      assert.match(checkPolicy(manifests, OPTIONS).join('\n'), said);
    });
});
