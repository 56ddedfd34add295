import type { Manifest } from './render-chart.ts';

interface Container {
  readonly name: string;
  readonly image?: string;
  readonly resources?: {
    readonly requests?: Readonly<Record<string, string>>;
    readonly limits?: Readonly<Record<string, string>>;
  };
  readonly ports?: readonly { readonly hostPort?: number }[];
  readonly securityContext?: {
    readonly privileged?: boolean;
    readonly allowPrivilegeEscalation?: boolean;
    readonly readOnlyRootFilesystem?: boolean;
    readonly capabilities?: { readonly drop?: readonly string[]; readonly add?: readonly string[] };
  };
}

interface PodSpec {
  readonly automountServiceAccountToken?: boolean;
  readonly enableServiceLinks?: boolean;
  readonly hostNetwork?: boolean;
  readonly hostPID?: boolean;
  readonly hostIPC?: boolean;
  readonly containers: readonly Container[];
  readonly initContainers?: readonly Container[];
  readonly volumes?: readonly Readonly<Record<string, unknown>>[];
  readonly securityContext?: {
    readonly runAsNonRoot?: boolean;
    readonly runAsUser?: number;
    readonly seccompProfile?: { readonly type?: string };
  };
}

export interface PolicyOptions {
  /** The namespace of the release. */
  readonly hubNamespace: string;
  /** The namespaces of sessions and builds. */
  readonly sandboxNamespaces: readonly string[];
  /** Images that values name; no other may run. */
  readonly images: readonly string[];
}

/** All kinds that the chart may make: two that belong to no namespace, and those that do. */
const CLUSTER_KINDS = ['Namespace', 'PriorityClass'];
const KINDS = CLUSTER_KINDS.concat(
  ['ConfigMap', 'Secret', 'ServiceAccount', 'Role', 'RoleBinding', 'Service', 'Deployment', 'Pod'],
  ['PodDisruptionBudget', 'NetworkPolicy', 'ResourceQuota', 'LimitRange', 'PersistentVolumeClaim'],
  ['Ingress', 'HTTPRoute', 'ServiceMonitor'],
);
const VOLUMES = ['configMap', 'secret', 'emptyDir', 'persistentVolumeClaim'];

/** All that the hub may ever do, by namespace. */
const HUB_RULES = ['leases: get create update'];
const SANDBOX_RULES = [
  'pods: get list watch create patch delete',
  'pods/log: get',
  'events: get list',
  'secrets: create delete',
];

const podOf = ({ kind, ...object }: Manifest): PodSpec | undefined =>
  kind === 'Pod' ? object['spec'] : (object['spec']?.template?.spec as PodSpec | undefined);

const checkContainer = (
  { name, image, resources, ports, securityContext: own }: Container,
  images: readonly string[],
) => [
  ...(image !== undefined && images.includes(image) ? [] : [`${name}: the image ${image} is not named by a value`]),
  ...(resources?.requests?.['cpu'] && resources.requests['memory'] && resources.limits?.['memory']
    ? []
    : [`${name}: requests or limits are missing`]),
  ...(ports?.some(({ hostPort }) => hostPort) ? [`${name}: takes a port of the node`] : []),
  ...(own?.privileged ? [`${name}: is privileged`] : []),
  ...(own?.allowPrivilegeEscalation === false ? [] : [`${name}: may escalate privileges`]),
  ...(own?.readOnlyRootFilesystem ? [] : [`${name}: can write its root`]),
  ...(own?.capabilities?.drop?.includes('ALL') && !own.capabilities.add ? [] : [`${name}: keeps capabilities`]),
];

const checkPod = (pod: PodSpec, isHub: boolean, images: readonly string[]): string[] => [
  ...(['hostNetwork', 'hostPID', 'hostIPC'] as const).filter((host) => pod[host]).map((host) => `uses ${host}`),
  ...(pod.securityContext?.runAsNonRoot && pod.securityContext.runAsUser === 1000 ? [] : ['may run as root']),
  ...(pod.securityContext?.seccompProfile?.type === 'RuntimeDefault' ? [] : ['has no seccomp profile']),
  ...(pod.automountServiceAccountToken === isHub ? [] : ['mounts a token that is not the hub’s, or lacks the hub’s']),
  ...(pod.enableServiceLinks === false ? [] : ['gets variables of Services']),
  ...(pod.volumes ?? [])
    .filter((volume) => !VOLUMES.some((kind) => kind in volume))
    .map(({ name }) => `has the volume ${String(name)} of a forbidden kind`),
  ...[...(pod.initContainers ?? []), ...pod.containers].flatMap((container) => checkContainer(container, images)),
];

const checkRole = ({ metadata, rules }: Manifest, { hubNamespace, sandboxNamespaces }: PolicyOptions): string[] => {
  const allowed = [
    ...(metadata.namespace === hubNamespace ? HUB_RULES : []),
    ...(sandboxNamespaces.includes(metadata.namespace ?? '') ? SANDBOX_RULES : []),
  ];
  return (rules as { resources: string[]; verbs: string[]; resourceNames?: string[] }[])
    .map(({ resources, verbs }) => `${resources.join(',')}: ${verbs.join(' ')}`)
    .filter((rule) => !allowed.includes(rule))
    .map((rule) => `allows ${rule}`);
};

/** What looks like a secret: a password, a token, a private key, a login. */
const SECRET =
  /"?(?:password|passwd|secret|token|auth|htpasswd)"?\s*[:=]\s*["']?[A-Za-z0-9+/_=$.-]{16,}|PRIVATE KEY|\$2[aby]\$/i;

/**
 * What the chart has promised, of every object that it makes: namespaced roles of few verbs, no privilege, nothing of the node,
 * no token but the hub's, *restricted* pods with resources, images by value, no secret outside a Secret. Names each breach.
 */
export const checkPolicy = (manifests: readonly Manifest[], options: PolicyOptions): string[] => {
  const { hubNamespace, sandboxNamespaces, images } = options;
  const problems = manifests.flatMap((manifest) => {
    const { kind, metadata } = manifest;
    const { namespace, labels } = metadata;
    const pod = podOf(manifest);
    const isHub = kind === 'Deployment' && labels?.['app.kubernetes.io/component'] === 'hub';
    const own = [
      ...(KINDS.includes(kind) ? [] : ['is of a kind that the chart may not make']),
      ...(CLUSTER_KINDS.includes(kind) === (namespace === undefined) ? [] : ['belongs to the wrong scope']),
      ...(namespace === undefined || [hubNamespace, ...sandboxNamespaces].includes(namespace)
        ? []
        : [`lies in the foreign namespace ${namespace}`]),
      ...(labels?.['app.kubernetes.io/instance'] === undefined ? ['has no labels of its release'] : []),
      ...(pod === undefined ? [] : checkPod(pod, isHub, images)),
      ...(kind === 'Role' ? checkRole(manifest, options) : []),
      ...(kind === 'RoleBinding' && manifest['roleRef'].kind !== 'Role' ? ['binds a role of the cluster'] : []),
      ...(kind === 'ServiceAccount' && manifest['automountServiceAccountToken'] !== false ? ['mounts its token'] : []),
      ...(kind === 'Namespace' && labels?.['pod-security.kubernetes.io/enforce'] !== 'restricted'
        ? ['does not enforce "restricted"']
        : []),
      ...(kind !== 'Secret' && SECRET.test(JSON.stringify(manifest)) ? ['holds what looks like a secret'] : []),
    ];
    return own.map((problem) => `${kind}/${metadata.name} ${problem}`);
  });
  return problems;
};
