// The chart's own values, beside `config`: what each takes and means. Their defaults stand in charts/liveleaf/values.yaml.

const text = (description, more = {}) => ({ type: 'string', description, ...more });
const flag = (description) => ({ type: 'boolean', description });
const count = (description, minimum = 0, maximum = undefined) => ({
  type: 'integer',
  description,
  minimum,
  ...(maximum === undefined ? {} : { maximum }),
});
const port = (description) => count(description, 1, 65_535);
const nodePort = (description) => count(description, 0, 32_767);
const list = (items, description) => ({ type: 'array', items, description });
const table = (values, description) => ({ type: 'object', additionalProperties: values, description });
const section = (properties, description, more = {}) => ({
  type: 'object',
  properties,
  additionalProperties: false,
  description,
  ...more,
});

const name = { type: 'string', minLength: 1 };
const cidr = { type: 'string', pattern: '^[0-9a-fA-F.:]+/[0-9]{1,3}$' };
const quantity = { type: 'string', pattern: '^[0-9]+(\\.[0-9]+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$' };
const resources = (description) => section({ requests: table(quantity), limits: table(quantity) }, description);

const egress = (whose) =>
  list(
    section({ cidr, ports: list({ type: 'integer', minimum: 1, maximum: 65_535 }) }, undefined, {
      required: ['cidr', 'ports'],
    }),
    `What else ${whose} may connect to: \`{ cidr: 10.1.2.3/32, ports: [3128] }\`.`,
  );

const parents = (description) =>
  list(
    section(
      { name, namespace: name, sectionName: name, port: { type: 'integer', minimum: 1, maximum: 65_535 } },
      undefined,
      { required: ['name'] },
    ),
    description,
  );

const toleration = section({
  key: name,
  operator: { enum: ['Exists', 'Equal'] },
  value: { type: 'string' },
  effect: { enum: ['NoSchedule', 'PreferNoSchedule', 'NoExecute'] },
  tolerationSeconds: { type: 'integer' },
});

/** What the chart decides itself, or what means nothing in a cluster; these keys of the configuration are no values. */
export const DECIDED_KEYS = [
  'host',
  'allowRemote',
  'port',
  'backend',
  'stateDir',
  'dirs',
  'providers.checkouts',
  'pool.servers',
  'spawner',
  'registry.credentialsFile',
  'registry.caFile',
  'kubernetes.kubeconfig',
  'kubernetes.context',
];

/** Schemas of all values but `config`, in the order of the README. */
export const CHART_VALUES = {
  image: text('The image of the hub, by tag or digest. **Required.**'),
  imagePullSecret: text('A Secret of the release’s namespace with which nodes pull that image.'),
  replicas: count('Replicas of the hub.'),
  demo: flag('Serve the demo’s pages at `/`, and let the environments that they name run.'),
  keysSecret: text(
    'A Secret of the release’s namespace with a key ring in `keys.json`. Empty: one is made, and kept by upgrades.',
  ),
  registrySecret: text(
    'A Secret of the release’s namespace, made with `kubectl create secret docker-registry`, with which images are pushed and pulled. Its copies in the other namespaces are made anew by each upgrade.',
  ),
  registryCa: text(
    'A ConfigMap of the release’s namespace with the certificates of the registry’s authority in `ca.crt`.',
  ),
  service: section(
    {
      type: { enum: ['ClusterIP', 'NodePort', 'LoadBalancer'], description: 'The kind of Service.' },
      port: port('Its port for the hub.'),
      sessionPort: port('Its port for sessions.'),
      nodePort: nodePort('The nodes’ port for the hub; 0 lets the cluster choose.'),
      sessionNodePort: nodePort('The nodes’ port for sessions; 0 lets the cluster choose.'),
      annotations: table({ type: 'string' }, 'Annotations, such as those for a cloud’s load balancer.'),
    },
    'How the hub is reached inside the cluster, and from outside where it is no ClusterIP.',
  ),
  ingress: section(
    {
      enabled: flag('Make an Ingress for the hostnames of `config.publicUrl` and `config.sessionUrl`.'),
      className: text('Its class; empty: the cluster’s default.'),
      tlsSecret: text('A Secret with the certificate of all its hostnames.'),
      sessionHosts: list(name, 'More hostnames that lead to sessions, such as `*.sessions.example.org`.'),
      annotations: table({ type: 'string' }, 'Annotations; the defaults are what nginx needs for sockets and uploads.'),
    },
    'An Ingress.',
  ),
  gateway: section(
    {
      enabled: flag('Make two HTTPRoutes, for the hub and for sessions.'),
      parentRefs: parents('The Gateways to attach to: `{ name: web, namespace: gateways, sectionName: https }`.'),
      sessionParentRefs: parents('The Gateways for sessions; empty: the same.'),
      sessionHosts: list(name, 'More hostnames that lead to sessions.'),
    },
    'Routes of the Gateway API.',
  ),
  namespaces: section(
    {
      create: flag(
        'Make the namespaces of sessions and builds, which enforce Pod Security *restricted* and go when the release goes. False: they exist.',
      ),
    },
    'The namespaces `config.kubernetes.sessionNamespace` and `buildNamespace`.',
  ),
  rbac: section(
    { events: flag('Let the hub read events, so that it can say why a pod does not start.') },
    'What the hub may do.',
  ),
  networkPolicy: section(
    {
      enabled: flag(
        'Make the network policies. False leaves sessions and builds to reach whatever the cluster lets them.',
      ),
      except: list(
        cidr,
        'Public networks that sessions and builds may not reach either, such as the apiserver’s address.',
      ),
      registryCidrs: list(
        cidr,
        'Where a registry with a private address is, for builds; one that `config.registry.url` names by number is known.',
      ),
      sessionEgress: egress('sessions'),
      buildEgress: egress('builds'),
      ipv6: flag('Let them reach public IPv6 addresses too.'),
      dns: section(
        { namespace: name, labels: table(name, 'Their labels.') },
        'The pods that answer for names, the only private ones that may be reached.',
      ),
    },
    'What sessions and builds may connect to.',
  ),
  resourceQuota: section(
    {
      sessions: table(
        { type: ['integer', 'string'] },
        'Limits of the sessions’ namespace; `pods` is `quota.total` + `quota.queue` + warm sessions.',
      ),
      builds: table({ type: ['integer', 'string'] }, 'Limits of the builds’ namespace.'),
    },
    'ResourceQuotas, by their own names.',
  ),
  priorityClass: section(
    {
      create: flag('Make a PriorityClass for sessions, unless `config.kubernetes.priorityClass` names one.'),
      value: { type: 'integer', maximum: 1_000_000_000, description: 'Its value; sessions preempt nothing.' },
    },
    'What sessions give way to. The one object of this chart that is no namespace’s.',
  ),
  resources: resources('Resources of each replica.'),
  stateSize: { ...quantity, description: 'Disk for the sources of repositories, in each replica.' },
  podAnnotations: table({ type: 'string' }, 'Annotations of the hub’s pods.'),
  nodeSelector: table({ type: 'string' }, 'Labels of the nodes that the hub runs on.'),
  tolerations: list(toleration, 'Taints that the hub’s pods bear.'),
  env: {
    ...table({ type: 'string' }, 'Variables of the hub, such as `HTTPS_PROXY`; its own settings go into `config`.'),
    propertyNames: { pattern: '^[A-Za-z_][A-Za-z0-9_]*$', not: { pattern: '^LIVELEAF_' } },
  },
  egressConfigMaps: list(
    name,
    'ConfigMaps of the release’s namespace for the hub: one that ends in `-env` gives variables, any other files at `/etc/<its name>`.',
  ),
  serviceMonitor: section(
    {
      enabled: flag('Make a ServiceMonitor for the Prometheus operator.'),
      interval: text('How often it asks.', { pattern: '^[0-9]+(ms|s|m)$' }),
      labels: table({ type: 'string' }, 'Its labels, such as the `release` that a Prometheus looks for.'),
    },
    'Metrics.',
  ),
  inClusterRegistry: section(
    {
      enabled: flag('Run a registry with a login of its own, for a first try where nodes can pull from it.'),
      image: text('Its image: the official one, or any that holds Docker’s distribution 2 or 3.'),
      command: list(name, 'Its command; the configuration’s file is put behind it.'),
      nodePort: port('The nodes’ port under which nodes and pods reach it; `config.registry.url` names it.'),
      storageSize: { type: 'string', description: 'The size of its volume; empty: it loses everything with its pod.' },
      storageClass: text('The volume’s class; empty: the cluster’s default.'),
      resources: resources('Its resources.'),
    },
    'A registry in the cluster.',
  ),
  test: section(
    {
      launch: text(
        'What `helm test` launches, such as `gh/owner/name/HEAD`; empty: the first of `config.allow` without a star, or of the demo.',
      ),
      timeoutSeconds: count('How long that may take, a first build included.', 1),
    },
    '`helm test`.',
  ),
};
