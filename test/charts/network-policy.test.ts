import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import ipaddr from 'ipaddr.js';
import { classifyAddress, inRange, parseRange } from '../../server/network/address-class.ts';
import { only, renderChart, valuesFile, type Manifest } from './render-chart.ts';

interface Peer {
  readonly ipBlock?: { readonly cidr: string; readonly except?: readonly string[] };
  readonly namespaceSelector?: { readonly matchLabels: Readonly<Record<string, string>> };
  readonly podSelector?: { readonly matchLabels: Readonly<Record<string, string>> };
}
interface Rule {
  readonly to?: readonly Peer[];
  readonly from?: readonly Peer[];
  readonly ports: readonly { readonly port: number; readonly protocol: string }[];
}

const policyOf = (manifests: readonly Manifest[], namespace: string) =>
  only(manifests, 'NetworkPolicy', namespace)['spec'];
const minimal = renderChart(['--values', valuesFile('minimal')]);
const gateway = renderChart(['--values', valuesFile('gateway')]);
const oneHostname = renderChart(['--values', valuesFile('one-hostname')]);

const within = (address: string, cidr: string): boolean => inRange(ipaddr.process(address), parseRange(cidr)!);

/** Whether a policy lets a pod of its namespace connect to an address outside the cluster, over TCP. */
const reaches = (policy: { readonly egress: readonly Rule[] }, address: string, port: number): boolean =>
  policy.egress.some(
    ({ to = [], ports }) =>
      ports.some((each) => each.port === port && each.protocol === 'TCP') &&
      to.some(
        ({ ipBlock }) =>
          ipBlock && within(address, ipBlock.cidr) && !ipBlock.except?.some((cidr) => within(address, cidr)),
      ),
  );

/** Neither public nor anybody's inside: documentation, and relays of the Internet's own. The policies pass over them. */
const NOBODYS = ['192.0.2.0/24', '198.51.100.0/24', '203.0.113.0/24'].concat([
  '192.31.196.0/24',
  '192.52.193.0/24',
  '192.88.99.0/24',
  '192.175.48.0/24',
]);

/** Numbers that are the same in every run. */
const random = (seed: number) => () => (seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648) / 2_147_483_648;

/** The first and last address of every special range and of its neighbours, and many others. */
const addresses = (): string[] => {
  const next = random(7);
  const byte = () => Math.floor(next() * 256);
  const edges = [0, 10, 100, 127, 168, 169, 172, 192, 198, 203, 223, 224, 239, 240, 255].flatMap((first) =>
    [0, 15, 16, 18, 19, 20, 31, 32, 51, 52, 63, 64, 88, 100, 127, 128, 168, 175, 196, 254, 255].flatMap((second) =>
      [0, 1, 2, 48, 99, 100, 113, 129, 193, 196, 255].map((third) => `${first}.${second}.${third}.${byte()}`),
    ),
  );
  const anywhere = Array.from({ length: 20_000 }, () => [byte(), byte(), byte(), byte()].join('.'));
  return ['169.254.169.254', '168.63.129.16', '168.63.129.17', ...edges, ...anywhere];
};

/** The same for IPv6, half of them near what is public or special. */
const addresses6 = (): string[] => {
  const next = random(11);
  const group = () => Math.floor(next() * 65_536).toString(16);
  const heads = [
    '2001:0',
    '2001:1ff',
    '2001:200',
    '2001:db8',
    '2002:a00',
    '2003:0',
    '2620:4f',
    '3fff:0',
    '3fff:1000',
    '64:ff9b',
    'fc00:0',
    'fe80:0',
    '::ffff',
  ];
  return Array.from({ length: 6_000 }, (_, at) => {
    const head = heads[at % (heads.length * 2)] ?? `${group()}:${group()}`;
    return head === '::ffff'
      ? `::ffff:10.0.0.${at % 256}`
      : `${head}:${group()}:${group()}:${group()}:${group()}:${group()}:${group()}`;
  });
};

describe('the network policies', () => {
  it('select every pod of their namespace, and both directions', () => {
    for (const namespace of ['liveleaf-sessions', 'liveleaf-builds']) {
      const policy = policyOf(minimal, namespace);
      assert.deepEqual(policy.podSelector, {});
      assert.deepEqual(policy.policyTypes, ['Ingress', 'Egress']);
    }
  });

  it('let the hub’s pods alone reach sessions, at one port, and nobody builds', () => {
    assert.deepEqual(policyOf(minimal, 'liveleaf-builds').ingress, []);
    const labels = only(minimal, 'Deployment')['spec'].template.metadata.labels;
    assert.deepEqual(policyOf(minimal, 'liveleaf-sessions').ingress, [
      {
        from: [
          {
            namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'hub' } },
            podSelector: { matchLabels: labels },
          },
        ],
        ports: [{ protocol: 'TCP', port: 8888 }],
      },
    ]);
  });

  it('allow the public Internet and no other address, by the hub’s own measure', () => {
    for (const namespace of ['liveleaf-sessions', 'liveleaf-builds']) {
      const policy = policyOf(minimal, namespace);
      for (const address of addresses()) {
        const isOpen = classifyAddress(address) === 'unicast' || NOBODYS.some((cidr) => within(address, cidr));
        assert.equal(reaches(policy, address, 443), isOpen, address);
      }
    }
  });

  it('allow no IPv6 by themselves, and the public one where told', () => {
    const closed = policyOf(minimal, 'liveleaf-sessions');
    const open = policyOf(gateway, 'liveleaf-sessions');
    for (const address of addresses6()) {
      const isPublic = classifyAddress(address) === 'unicast' && ipaddr.process(address).kind() === 'ipv6';
      assert.equal(reaches(closed, address, 443), false, address);
      assert.equal(reaches(open, address, 443), isPublic, address);
    }
    assert.equal(reaches(open, '2600:1234::1', 443), false, 'is excepted');
  });

  it('allow ports 80 and 443, and names only from the cluster’s own pods for them', () => {
    const policy = policyOf(minimal, 'liveleaf-sessions') as { egress: Rule[] };
    for (const port of [22, 25, 53, 6443, 8080, 8585]) assert.equal(reaches(policy, '1.1.1.1', port), false);
    assert.equal(reaches(policy, '1.1.1.1', 80), true);
    const [inside] = policy.egress.filter(({ to }) => to?.some(({ podSelector }) => podSelector));
    assert.deepEqual(inside?.to, [
      {
        namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'kube-system' } },
        podSelector: { matchLabels: { 'k8s-app': 'kube-dns' } },
      },
    ]);
    assert.deepEqual(
      inside?.ports.map(({ port, protocol }) => `${protocol} ${port}`),
      ['UDP 53', 'TCP 53'],
    );
  });

  it('let builds, and not sessions, reach the registry at its own address and port', () => {
    assert.equal(reaches(policyOf(oneHostname, 'liveleaf-builds'), '10.1.2.3', 5000), true);
    assert.equal(reaches(policyOf(oneHostname, 'liveleaf-builds'), '10.1.2.4', 5000), false);
    assert.equal(reaches(policyOf(oneHostname, 'liveleaf-sessions'), '10.1.2.3', 5000), false);
    assert.equal(reaches(policyOf(gateway, 'liveleaf-builds'), '10.1.2.3', 5443), true);
    assert.equal(reaches(policyOf(gateway, 'liveleaf-builds'), '1.1.1.1', 5443), true, 'a public registry');
    assert.equal(reaches(policyOf(gateway, 'liveleaf-sessions'), '1.1.1.1', 5443), false);
  });

  it('allow what values add, and refuse what they except', () => {
    const policy = policyOf(gateway, 'liveleaf-sessions');
    assert.equal(reaches(policy, '10.1.2.9', 3128), true);
    assert.equal(reaches(policy, '10.1.2.9', 443), false);
  });
});
