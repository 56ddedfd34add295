import { createHash } from 'node:crypto';
import { RECEIVED_PARAMETER, sessionPath } from '../../sdk/contract/index.ts';
import { HubError } from '../errors.ts';
import type { V1Pod } from '../kubernetes/kubernetes-api.ts';
import {
  ANNOTATIONS,
  CONTAINER,
  LABELS,
  MANAGER,
  podNameOf,
  QUEUE_GATE,
  SESSION_PORT,
} from './kubernetes-session-name.ts';

/** Amounts as Kubernetes writes them: `500m`, `256Mi`. */
export interface SessionResources {
  readonly cpu?: string | undefined;
  readonly memory?: string | undefined;
  readonly ephemeralStorage?: string | undefined;
}

interface ResourceProfile {
  readonly requests?: SessionResources | undefined;
  readonly limits?: SessionResources | undefined;
}

/** What the pods of all sessions have in common. */
export interface SessionPodSettings {
  /** The session base, `<registry host>/<repository>@<digest>`; stands in a reserved pod until its environment exists. */
  readonly baseImage: string;
  /** Default `default`; its token is never mounted. */
  readonly serviceAccount?: string | undefined;
  readonly priorityClass?: string | undefined;
  readonly runtimeClass?: string | undefined;
  readonly imagePullSecret?: string | undefined;
  /** `host:port` that the network policy must refuse before anything of a repository runs; default not tried. */
  readonly canary?: string | undefined;
  /** Default 50m and 256Mi, and 128Mi of the node's disk. */
  readonly requests?: SessionResources | undefined;
  /** Default 1, 1Gi, and 4Gi of the node's disk. */
  readonly limits?: SessionResources | undefined;
  /** Other sizes, by name; what one does not say is as above. */
  readonly profiles?: Readonly<Record<string, ResourceProfile>> | undefined;
  /** Sizes by repository, such as `gh/owner/*`: the first that fits counts, where the launch names no profile itself. */
  readonly repositories?: readonly { readonly match: string; readonly profile: string }[] | undefined;
  /** Default: JupyterLab, no terminals. */
  readonly features?: { readonly lab: boolean; readonly terminals: boolean } | undefined;
  /** Default 2 GiB and 200,000. */
  readonly contentLimits?: { readonly contentBytes: number; readonly contentEntries: number } | undefined;
}

/** What a session may use. */
export interface SessionSize {
  readonly profile: string;
  readonly requests: SessionResources;
  readonly limits: SessionResources;
}

/** What one pod is made of. */
export interface SessionPodRequest {
  readonly name: string;
  /** The image of a pod that starts at once; without one it waits behind the gate. */
  readonly image?: string;
  readonly kernel: {
    readonly prefix: string;
    readonly python: string;
    readonly displayName: string;
    /** Notebook path; empty for the default one. */
    readonly path: string;
    readonly variables: Readonly<Record<string, string>>;
  } | null;
  readonly size: SessionSize;
  /** What the server compares the presented token with: its SHA-256, in hex. */
  readonly tokenSha256: string;
  readonly tokenKey: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  /** How long the pod may run, whatever the hub does; in milliseconds. */
  readonly deadlineMs: number;
}

const DEFAULT_REQUESTS: SessionResources = { cpu: '50m', memory: '256Mi', ephemeralStorage: '128Mi' };
const DEFAULT_LIMITS: SessionResources = { cpu: '1', memory: '1Gi', ephemeralStorage: '4Gi' };
const DEFAULT_CONTENT = { contentBytes: 2 * 2 ** 30, contentEntries: 200_000 };
const DEFAULT_PROFILE = 'default';

/** The program that every session runs. */
const COMMAND = ['/opt/liveleaf/venv/bin/python', '-E', '-s', '/opt/liveleaf/session/start.py'];
const VARIABLE = 'LIVELEAF_SESSION';
const CANARY_VARIABLE = 'LIVELEAF_CANARY';
const HOME = '/home/jovyan';
const USER_ID = 1000;
/** A session that its node leaves in the lurch is given up after so many seconds. */
const NODE_GONE_SECONDS = 60;

export const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

const fits = (pattern: string, repo: string): boolean => {
  const parts = pattern.split('*').map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`, 'i').test(repo);
};

/** Throws a TypeError where the settings name a profile that they do not hold. */
export const checkProfiles = ({ profiles = {}, repositories = [] }: SessionPodSettings): void => {
  for (const { match, profile } of repositories)
    if (profile !== DEFAULT_PROFILE && !Object.hasOwn(profiles, profile))
      throw new TypeError(
        `kubernetes.repositories gives ${match} the profile "${profile}", and there are ${[DEFAULT_PROFILE, ...Object.keys(profiles)].join(', ')}; add it to kubernetes.profiles.`,
      );
};

const over = (base: SessionResources, change: SessionResources = {}): SessionResources => ({
  cpu: change.cpu ?? base.cpu,
  memory: change.memory ?? base.memory,
  ephemeralStorage: change.ephemeralStorage ?? base.ephemeralStorage,
});

/** Which size the sessions of a launch have: the one that it names, else its repository's. */
export const profileFor = (
  { repo, profile }: { readonly repo: string; readonly profile: string },
  { repositories = [] }: SessionPodSettings,
): string =>
  profile === DEFAULT_PROFILE
    ? (repositories.find(({ match }) => fits(match, repo))?.profile ?? DEFAULT_PROFILE)
    : profile;

/** What a profile comes to. Throws HubError `bad_spec` for one that there is not. */
export const sizeOf = (profile: string, { requests, limits, profiles = {} }: SessionPodSettings): SessionSize => {
  const chosen = Object.hasOwn(profiles, profile) ? profiles[profile] : undefined;
  if (chosen === undefined && profile !== DEFAULT_PROFILE)
    throw new HubError(
      'bad_spec',
      `This hub has no profile ${JSON.stringify(profile)}; leave it out, or use one of ${[DEFAULT_PROFILE, ...Object.keys(profiles)].join(', ')}.`,
    );
  return {
    profile,
    requests: over(over(DEFAULT_REQUESTS, requests), chosen?.requests),
    limits: over(over(DEFAULT_LIMITS, limits), chosen?.limits),
  };
};

const quantities = ({ cpu, memory, ephemeralStorage }: SessionResources): Record<string, string> => ({
  ...(cpu === undefined ? {} : { cpu }),
  ...(memory === undefined ? {} : { memory }),
  ...(ephemeralStorage === undefined ? {} : { 'ephemeral-storage': ephemeralStorage }),
});

/** What the session's server finds in its environment. */
const sessionVariable = (request: SessionPodRequest, settings: SessionPodSettings): string =>
  JSON.stringify({
    baseUrl: sessionPath(request.name),
    tokenSha256: request.tokenSha256,
    features: settings.features ?? { lab: true, terminals: false },
    limits: settings.contentLimits ?? DEFAULT_CONTENT,
    received: RECEIVED_PARAMETER,
    kernel: request.kernel,
  });

/** The token's digest that a pod was created with; undefined where it has none, as a stranger's. */
export const tokenDigestOf = (pod: V1Pod): string | undefined => {
  const text = pod.spec?.containers
    .find(({ name }) => name === CONTAINER)
    ?.env?.find(({ name }) => name === VARIABLE)?.value;
  try {
    const { tokenSha256 } = JSON.parse(text ?? '') as { tokenSha256?: unknown };
    return typeof tokenSha256 === 'string' ? tokenSha256 : undefined;
  } catch {
    return undefined;
  }
};

/** The pod of a session, as data: the same request and settings give the same pod. It passes Pod Security *restricted*. */
export const sessionPod = (request: SessionPodRequest, settings: SessionPodSettings): V1Pod => {
  const { name, image, size, labels, annotations, tokenKey, deadlineMs } = request;
  const { serviceAccount, priorityClass, runtimeClass, imagePullSecret, canary } = settings;
  const volume = (volumeName: string) => ({
    name: volumeName,
    emptyDir: { sizeLimit: size.limits.ephemeralStorage ?? '4Gi' },
  });
  const gone = (key: string) => ({
    key,
    operator: 'Exists',
    effect: 'NoExecute',
    tolerationSeconds: NODE_GONE_SECONDS,
  });
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: podNameOf(name),
      labels: { ...labels, [LABELS.managedBy]: MANAGER, [LABELS.session]: name },
      annotations: { ...annotations, [ANNOTATIONS.tokenKey]: tokenKey, [ANNOTATIONS.profile]: size.profile },
    },
    spec: {
      ...(image === undefined && { schedulingGates: [{ name: QUEUE_GATE }] }),
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      restartPolicy: 'Never',
      // Nothing in a session is worth waiting for once it is to end.
      terminationGracePeriodSeconds: 1,
      activeDeadlineSeconds: Math.ceil(deadlineMs / 1_000),
      ...(serviceAccount !== undefined && { serviceAccountName: serviceAccount }),
      ...(priorityClass !== undefined && { priorityClassName: priorityClass }),
      ...(runtimeClass !== undefined && { runtimeClassName: runtimeClass }),
      ...(imagePullSecret !== undefined && { imagePullSecrets: [{ name: imagePullSecret }] }),
      tolerations: [gone('node.kubernetes.io/not-ready'), gone('node.kubernetes.io/unreachable')],
      securityContext: {
        runAsNonRoot: true,
        runAsUser: USER_ID,
        runAsGroup: USER_ID,
        fsGroup: USER_ID,
        fsGroupChangePolicy: 'OnRootMismatch',
        seccompProfile: { type: 'RuntimeDefault' },
      },
      containers: [
        {
          name: CONTAINER,
          image: image ?? settings.baseImage,
          imagePullPolicy: 'IfNotPresent',
          command: COMMAND,
          ports: [{ name: 'http', containerPort: SESSION_PORT }],
          env: [
            { name: VARIABLE, value: sessionVariable(request, settings) },
            ...(canary === undefined ? [] : [{ name: CANARY_VARIABLE, value: canary }]),
          ],
          resources: { requests: quantities(size.requests), limits: quantities(size.limits) },
          securityContext: {
            allowPrivilegeEscalation: false,
            readOnlyRootFilesystem: true,
            capabilities: { drop: ['ALL'] },
          },
          volumeMounts: [
            { name: 'tmp', mountPath: '/tmp' },
            { name: 'home', mountPath: HOME },
          ],
        },
      ],
      volumes: [volume('tmp'), volume('home')],
    },
  };
};
