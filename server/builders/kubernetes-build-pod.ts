import { gzipSync, gunzipSync } from 'node:zlib';
import type { ContentSource } from '../content/content.ts';
import type { EnvironmentPlan } from '../environments/plan.ts';
import { HubError } from '../errors.ts';
import type { V1Pod } from '../kubernetes/kubernetes-api.ts';
import type { BuildLimits } from './build-result.ts';
import {
  ANNOTATIONS,
  buildPodName,
  LABELS,
  type BuildIdentity,
  type BuildRecord,
  type LogFloor,
} from './kubernetes-build-identity.ts';

export interface BuildResources {
  readonly cpu?: string;
  readonly memory?: string;
  readonly ephemeralStorage?: string;
}

/** What all build pods of a hub have in common. */
export interface BuildPodSettings {
  readonly namespace: string;
  /** The session base, `<registry host>/<repository>@<digest>`. */
  readonly baseImage: string;
  /** The registry that is pushed to, an origin. */
  readonly registry: string;
  /** Names of ConfigMaps: one that ends in `-env` gives variables, any other files at `/etc/<its name>`. Default none. */
  readonly egressConfigMaps?: readonly string[];
  /** A Secret whose `config.json` may push; default none. */
  readonly pushSecret?: string;
  /** A file with the registry's certificates as the push sees it: of its Secret (`/creds/…`) or of a ConfigMap (`/etc/…`). Default the system's. */
  readonly pushCertificates?: string;
  readonly imagePullSecret?: string;
  readonly serviceAccount?: string;
  readonly priorityClass?: string;
  readonly runtimeClass?: string;
  /** `host:port` that the network policy must refuse before anything of a repository runs; default not tried. */
  readonly canary?: string;
  readonly requests: BuildResources;
  readonly limits: BuildResources;
  readonly bounds: BuildLimits;
  /** Variables that name the owner's package indexes, without logins: a pod's specification is no place for them. Default none. */
  readonly variables?: Readonly<Record<string, string>>;
}

export interface BuildRequest {
  readonly identity: BuildIdentity;
  readonly generation: string;
  /** Default 1. */
  readonly attempt?: number;
  readonly plan: EnvironmentPlan;
  /** Where the repository's own code comes from; only where the plan runs it. */
  readonly source?: Extract<ContentSource, { kind: 'git' }>;
  /** Default `building`. */
  readonly floor?: LogFloor;
}

/** The containers of a build, in the order in which they run. */
export const BUILD_CONTAINERS = ['canary', 'fetch', 'install', 'push'] as const;
export type BuildContainer = (typeof BUILD_CONTAINERS)[number];

/** Linux takes no variable of 128 KiB or more. */
const MAX_PLAN_CHARACTERS = 120 * 1024;

const VARIABLES = {
  plan: 'LIVELEAF_PLAN',
  limits: 'LIVELEAF_LIMITS',
  source: 'LIVELEAF_SOURCE',
  push: 'LIVELEAF_PUSH',
  canary: 'LIVELEAF_CANARY',
} as const;

const SCRIPTS = '/opt/liveleaf/build';
const PYTHON = ['/usr/bin/python3', '-I', '-S'];

const RESTRICTED = {
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  capabilities: { drop: ['ALL'] },
};

/** A build that its node leaves in the lurch is begun elsewhere after so many seconds. */
const NODE_GONE_SECONDS = 60;

type Container = NonNullable<NonNullable<V1Pod['spec']>['containers']>[number];
type Volume = NonNullable<NonNullable<V1Pod['spec']>['volumes']>[number];

const quantities = ({ cpu, memory, ephemeralStorage }: BuildResources): Record<string, string> => ({
  ...(cpu === undefined ? {} : { cpu }),
  ...(memory === undefined ? {} : { memory }),
  ...(ephemeralStorage === undefined ? {} : { 'ephemeral-storage': ephemeralStorage }),
});

/** A plan as it travels in a variable. Throws HubError `unsupported_environment` where it is too long. */
const packed = (plan: EnvironmentPlan): string => {
  const text = gzipSync(JSON.stringify(plan)).toString('base64');
  if (text.length > MAX_PLAN_CHARACTERS)
    throw new HubError(
      'unsupported_environment',
      `The repository's list of packages takes ${text.length} bytes compressed, and ${MAX_PLAN_CHARACTERS} are built. Use a shorter uv.lock or requirements.txt.`,
    );
  return text;
};

/** What the installer enforces itself, so that it can say why; the log's wrapper bounds the log. */
const limitsInPod = ({ deadlineMs, silenceMs, diskBytes, keepFreeBytes }: BuildLimits) => ({
  deadlineMs,
  silenceMs,
  diskBytes,
  keepFreeBytes,
});

const variableOf = (pod: V1Pod, name: string): string | undefined => {
  for (const container of [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])])
    for (const variable of container.env ?? []) if (variable.name === name && variable.value) return variable.value;
  return undefined;
};

/** The plan that a build pod carries; undefined where it carries none that can be read. */
export const planOf = (pod: V1Pod): EnvironmentPlan | undefined => {
  const text = variableOf(pod, VARIABLES.plan);
  if (text === undefined) return undefined;
  try {
    return JSON.parse(gunzipSync(Buffer.from(text, 'base64')).toString()) as EnvironmentPlan;
  } catch {
    return undefined;
  }
};

/** The source that a build pod fetches. */
export const sourceOf = (pod: V1Pod): BuildRequest['source'] => {
  const text = variableOf(pod, VARIABLES.source);
  if (text === undefined) return undefined;
  const { url, commit } = JSON.parse(text) as { url: string; commit: string };
  return { kind: 'git', url, commit };
};

/** Throws HubError `unhealthy` where a variable holds a login: everybody who may read pods would see it. */
export const checkVariables = (variables: Readonly<Record<string, string>>): void => {
  for (const [name, value] of Object.entries(variables))
    if (/:\/\/[^/\s]*@/.test(value))
      throw new HubError(
        'unhealthy',
        `${name} holds a login, and a build pod’s specification is no place for one. Put the variable into a ConfigMap whose name ends in -env, and name it in kubernetes.egressConfigMaps.`,
      );
};

/** The pod of a build, as data: the same request and settings give the same pod. */
export const buildPod = (request: BuildRequest, settings: BuildPodSettings): V1Pod => {
  const { identity, generation, attempt = 1, plan, source, floor = 'building' } = request;
  const egress = settings.egressConfigMaps ?? [];
  const files = egress.filter((name) => !name.endsWith('-env'));
  const volumes: Volume[] = [
    { name: 'work', emptyDir: {} },
    { name: 'srv', emptyDir: {} },
    ...files.map((name) => ({ name: `egress-${name}`, configMap: { name } })),
    ...(settings.pushSecret === undefined
      ? []
      : [{ name: 'creds', secret: { secretName: settings.pushSecret, defaultMode: 0o440 } }]),
  ];
  const egressMounts = files.map((name) => ({ name: `egress-${name}`, mountPath: `/etc/${name}`, readOnly: true }));
  const envFrom = egress.filter((name) => name.endsWith('-env')).map((name) => ({ configMapRef: { name } }));
  const work = { name: 'work', mountPath: '/build' };
  const srv = { name: 'srv', mountPath: '/srv' };

  const container = (
    name: BuildContainer,
    script: string,
    variables: Readonly<Record<string, string>>,
    more: Partial<Container> = {},
  ): Container => {
    volumes.push({ name: `tmp-${name}`, emptyDir: {} });
    return {
      name,
      image: settings.baseImage,
      imagePullPolicy: 'IfNotPresent',
      command: [...PYTHON, `${SCRIPTS}/run_logged.py`, ...PYTHON, `${SCRIPTS}/${script}`],
      env: Object.entries(variables).map(([key, value]) => ({ name: key, value })),
      ...more,
      volumeMounts: [{ name: `tmp-${name}`, mountPath: '/tmp' }, ...(more.volumeMounts ?? [])],
      resources: { requests: quantities(settings.requests), limits: quantities(settings.limits) },
      securityContext: RESTRICTED,
      terminationMessagePolicy: 'File',
    };
  };

  const record: BuildRecord = { kind: 'build', ...identity, generation, attempt, floor };
  const [, ...path] = identity.target.split('/');
  const [, baseRepository] = /^[^/]+\/(.+)$/.exec(settings.baseImage) ?? [];
  const push = {
    registry: settings.registry,
    repository: path.join('/'),
    tag: generation,
    base: baseRepository,
    config: settings.pushSecret === undefined ? null : '/creds/config.json',
    ...(settings.pushCertificates === undefined ? {} : { ca: settings.pushCertificates }),
    labels: { 'liveleaf.python': plan.python, 'liveleaf.key': identity.key },
    maxBytes: settings.bounds.diskBytes,
  };
  const network = { envFrom, volumeMounts: egressMounts };

  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: buildPodName(identity.key),
      namespace: settings.namespace,
      labels: { [LABELS.managedBy]: 'liveleaf', [LABELS.component]: 'build', [LABELS.key]: identity.key },
      annotations: { [ANNOTATIONS.record]: JSON.stringify(record) },
    },
    spec: {
      restartPolicy: 'Never',
      activeDeadlineSeconds: Math.ceil(settings.bounds.deadlineMs / 1000),
      // Time for the log's wrapper to end the log of a build that is ended.
      terminationGracePeriodSeconds: 5,
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      ...(settings.serviceAccount === undefined ? {} : { serviceAccountName: settings.serviceAccount }),
      ...(settings.priorityClass === undefined ? {} : { priorityClassName: settings.priorityClass }),
      ...(settings.runtimeClass === undefined ? {} : { runtimeClassName: settings.runtimeClass }),
      ...(settings.imagePullSecret === undefined ? {} : { imagePullSecrets: [{ name: settings.imagePullSecret }] }),
      securityContext: {
        runAsNonRoot: true,
        runAsUser: 1000,
        runAsGroup: 1000,
        fsGroup: 1000,
        seccompProfile: { type: 'RuntimeDefault' },
      },
      tolerations: ['not-ready', 'unreachable'].map((state) => ({
        key: `node.kubernetes.io/${state}`,
        operator: 'Exists',
        effect: 'NoExecute',
        tolerationSeconds: NODE_GONE_SECONDS,
      })),
      initContainers: [
        ...(settings.canary === undefined
          ? []
          : [container('canary', 'wait_canary.py', { [VARIABLES.canary]: settings.canary })]),
        ...(source === undefined
          ? []
          : [
              container(
                'fetch',
                'fetch_commit.py',
                { [VARIABLES.source]: JSON.stringify(source) },
                {
                  envFrom,
                  volumeMounts: [work, ...egressMounts],
                },
              ),
            ]),
        container(
          'install',
          'install_plan.py',
          {
            ...settings.variables,
            [VARIABLES.limits]: JSON.stringify(limitsInPod(settings.bounds)),
            [VARIABLES.plan]: packed(plan),
          },
          {
            envFrom,
            volumeMounts: [work, srv, ...egressMounts],
          },
        ),
      ],
      containers: [
        container(
          'push',
          'push_image.py',
          { [VARIABLES.push]: JSON.stringify(push) },
          {
            ...network,
            volumeMounts: [
              { ...srv, readOnly: true },
              ...(settings.pushSecret === undefined ? [] : [{ name: 'creds', mountPath: '/creds', readOnly: true }]),
            ],
          },
        ),
      ],
      volumes,
    },
  };
};
