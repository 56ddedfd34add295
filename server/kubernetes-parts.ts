import type { Backend } from './backend.ts';
import { indexesForPlan, indexVariables } from './builders/build-environment.ts';
import { baseInterpreters } from './builders/kubernetes-base-image.ts';
import { createKubernetesBuilder } from './builders/kubernetes-builder.ts';
import { systemClock } from './clock.ts';
import { ConfigError } from './config/config-error.ts';
import type { Config } from './config/config.ts';
import { createEnvironmentPlanner } from './environments/python-environment-planner.ts';
import { createKubernetesClient } from './kubernetes/kubernetes-client.ts';
import { createPodWatch } from './kubernetes/pod-watch.ts';
import { binderVariables } from './launches/binder-variables.ts';
import type { Log } from './log.ts';
import { createRegistryClient } from './registry/registry-client.ts';
import { loadKeyRing } from './sessions/key-ring.ts';
import { newSessionName } from './sessions/session-name.ts';
import { upstreamTokens } from './sessions/session-tokens.ts';
import { createSources, indexOptions } from './sources.ts';
import { SESSION_SELECTOR } from './spawners/kubernetes-session-name.ts';
import { createKubernetesSpawner } from './spawners/kubernetes-spawner.ts';
import { stateFolder } from './state/state-folder.ts';

export interface KubernetesPartsOptions {
  readonly config: Config;
  /** The hub's address, with a trailing slash. */
  readonly hubUrl: string;
  readonly log: Log;
  /** The hub's own environment. */
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** An optional property: absent rather than undefined. */
const given = <Name extends string, Value>(name: Name, value: Value | undefined) =>
  (value === undefined ? {} : { [name]: value }) as { readonly [Key in Name]?: Value };

/** What a cluster's hub cannot do without. Throws ConfigError that names what is missing. */
const requiredOf = ({ registry, kubernetes }: Config): { readonly url: string; readonly baseImage: string } => {
  const missing = [
    ...(registry.url === undefined
      ? ['registry.url is missing; with "backend: kubernetes" it says where environments’ images are kept.']
      : []),
    ...(kubernetes.baseImage === undefined
      ? ['kubernetes.baseImage is missing; it is the image that images/session builds.']
      : []),
  ];
  if (registry.url === undefined || kubernetes.baseImage === undefined) throw new ConfigError(missing);
  return { url: registry.url, baseImage: kubernetes.baseImage };
};

/** Makes the parts of a hub that builds and runs in a cluster; any number of hubs with the same keys may share it. */
export const createKubernetesParts = async (options: KubernetesPartsOptions): Promise<Backend> => {
  const { config, log, env, hubUrl } = options;
  const { url, baseImage } = requiredOf(config);
  const { kubernetes, registry: registrySettings, builder: building, sessions, pool } = config;
  const clock = systemClock;
  const state = stateFolder(config.stateDir);
  const { providers, content } = await createSources(config, state, log, env['PATH']);
  const { kubeconfig, context } = kubernetes;
  const api = await createKubernetesClient({ kubeconfig, context, log, env, clock });
  const { allowHttp, caFile, credentialsFile, prefix } = registrySettings;
  const registry = createRegistryClient({
    allowHttp,
    ...(caFile === undefined ? {} : { caFile }),
    ...(credentialsFile === undefined ? {} : { credentialsFile }),
    clock,
    log,
  });
  const base = await baseInterpreters(registry, baseImage, url);
  const index = indexOptions(config, env);
  const planner = createEnvironmentPlanner({
    interpreters: async () => base.interpreters,
    uvVersion: base.uvVersion,
    // Nodes are Linux; which architecture is the base image's own.
    platform: `linux-${process.arch}`,
    options: {
      allowedIndexes: config.environments.allowedIndexes,
      indexes: indexesForPlan(index),
      base: base.digest,
    },
  });
  const builder = await createKubernetesBuilder({
    api,
    registry,
    prefix,
    clock,
    log,
    limits: { deadlineMs: building.timeoutMs, silenceMs: building.silenceMs, diskBytes: building.maxBytes },
    pod: {
      namespace: kubernetes.buildNamespace,
      baseImage: base.image,
      registry: url,
      egressConfigMaps: kubernetes.egressConfigMaps,
      serviceAccount: kubernetes.serviceAccount,
      ...given('pushSecret', kubernetes.pushSecret),
      ...given('imagePullSecret', kubernetes.imagePullSecret),
      ...given('runtimeClass', kubernetes.runtimeClass),
      ...given('canary', kubernetes.canary),
      requests: kubernetes.build.requests,
      limits: kubernetes.build.limits,
      variables: indexVariables(index),
    },
  });
  const keys = await loadKeyRing(state.keys);
  const watch = createPodWatch({
    api,
    namespace: kubernetes.sessionNamespace,
    labelSelector: SESSION_SELECTOR,
    clock,
    log,
  });
  const spawner = await createKubernetesSpawner({
    api,
    namespace: kubernetes.sessionNamespace,
    watch,
    clock,
    log,
    newName: newSessionName,
    upstreamTokens: upstreamTokens(keys),
    variables: (seed) => binderVariables(seed, hubUrl),
    pod: {
      ...kubernetes,
      baseImage: base.image,
      features: { lab: true, terminals: sessions.terminals },
    },
    warmSessions: pool.sessions,
    warmSessionIdleMs: pool.sessionIdleMs,
    maxAgeMs: sessions.maxAgeMs,
    startTimeoutMs: sessions.startTimeoutMs,
  });
  const watches = { sessions: watch, builds: builder.watch };
  return {
    hindrance: () =>
      Object.values(watches).every((each) => each.list().isFresh)
        ? undefined
        : 'The cluster has not told of its pods for a while; the hub waits for it.',
    watchAgesS: () =>
      Object.fromEntries(Object.entries(watches).map(([name, each]) => [name, each.list().ageMs / 1_000])),
    providers,
    content,
    planner,
    builder,
    keys,
    spawner: {
      ...spawner,
      close: async () => {
        await spawner.close();
        await watch.close();
        await Promise.all([registry.close(), api.close()]);
      },
    },
  };
};
