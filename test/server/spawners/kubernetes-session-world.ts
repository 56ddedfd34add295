import { createHmac } from 'node:crypto';
import type { Readable } from 'node:stream';
import type { BuiltEnvironment } from '../../../server/builders/builder.ts';
import type { Log } from '../../../server/log.ts';
import type { V1Pod } from '../../../server/kubernetes/kubernetes-api.ts';
import { createPodWatch, type PodWatch } from '../../../server/kubernetes/pod-watch.ts';
import { isSessionName, SESSION_SELECTOR } from '../../../server/spawners/kubernetes-session-name.ts';
import type { SessionClient } from '../../../server/spawners/kubernetes-session-readiness.ts';
import { createKubernetesSpawner, type KubernetesSpawner } from '../../../server/spawners/kubernetes-spawner.ts';
import type { KubernetesSpawnerOptions } from '../../../server/spawners/kubernetes-spawner-options.ts';
import type { Launchable, SessionRecord, SessionSeed } from '../../../server/spawners/spawner.ts';
import { createFakeKubernetesApi, type FakeKubernetesApi } from '../../helpers/fake-kubernetes-api.ts';
import { createSteeredClock, settle, type SteeredClock } from '../../helpers/steered-clock.ts';
import { filesContent, newName, seed as localSeed } from './session-world.ts';

export const NAMESPACE = 'sessions';
export const BASE_IMAGE = `registry.example.org/liveleaf/session@sha256:${'b'.repeat(64)}`;
export const IMAGE = `registry.example.org/liveleaf/env-k@sha256:${'e'.repeat(64)}`;

export const tokenOf = (session: string, keyId = 'k1'): string =>
  createHmac('sha256', keyId).update(session).digest('base64url');

export const environment = (change: Partial<BuiltEnvironment> = {}): BuiltEnvironment => ({
  key: 'k'.repeat(52),
  generation: 'g1',
  prefix: '/srv/env',
  python: '/srv/env/bin/python',
  displayName: 'Python 3.11',
  image: IMAGE,
  ...change,
});

export const launchable = (change: Partial<BuiltEnvironment> = {}): Launchable => ({
  environment: environment(change),
  content: filesContent({ 'a.txt': 'hello' }),
  variables: { BINDER_REF_URL: 'https://example.org/ref' },
});

/** What the sessions' servers were asked, and how they answer. */
export interface FakeServers {
  readonly filled: Map<string, string[]>;
  readonly kernels: Map<string, { environment: string; path: string; variables: object; warm: boolean }[]>;
  /** Called before each answer: waits, or throws. */
  before: ((session: string, what: 'status' | 'content' | 'kernel') => void | Promise<void>) | undefined;
  answersStatus: boolean;
}

const fakeServers = (
  running: (session: string, origin: string) => boolean,
): FakeServers & { client: SessionClient } => {
  const servers: FakeServers = { filled: new Map(), kernels: new Map(), before: undefined, answersStatus: true };
  const reach = async (
    { name, origin, token }: { name: string; origin?: string; token: string },
    what: 'status' | 'content' | 'kernel',
    signal: AbortSignal,
  ) => {
    signal.throwIfAborted();
    await servers.before?.(name, what);
    signal.throwIfAborted();
    if (!running(name, origin ?? '')) throw new Error('connect ECONNREFUSED');
    if (token !== tokenOf(name)) throw new Error('a wrong token was presented');
  };
  const note = <T>(map: Map<string, T[]>, name: string, value: T) => map.set(name, [...(map.get(name) ?? []), value]);
  return Object.assign(servers, {
    client: {
      async askStatus(address, signal) {
        await reach(address, 'status', signal);
        return servers.answersStatus;
      },
      async putContent(address, stream: Readable, _path, signal, launchId = '') {
        for await (const _ of stream);
        await reach(address, 'content', signal);
        note(servers.filled, address.name, launchId);
        return [];
      },
      async startKernel(address, options, signal) {
        await reach(address, 'kernel', signal);
        note(servers.kernels, address.name, options);
        return { id: `kernel-${address.name}`, name: 'python3' };
      },
    } satisfies SessionClient,
  });
};

export interface KubernetesWorld {
  readonly clock: SteeredClock;
  readonly api: FakeKubernetesApi;
  readonly servers: FakeServers;
  /** What was said to the operator. */
  readonly said: string[];
  /** What a node does with a pod that it is given; default: runs it at once. */
  node: (pod: V1Pod, session: string) => void;
  spawner(change?: Partial<KubernetesSpawnerOptions>): Promise<KubernetesSpawner>;
  seed(change?: Partial<SessionSeed>): SessionSeed;
  launch(spawner: KubernetesSpawner, change?: Partial<SessionSeed>): Promise<SessionRecord>;
  /** Starts a session with the clock moving until it is done. */
  start(spawner: KubernetesSpawner, name: string, what?: Launchable, signal?: AbortSignal): Promise<SessionRecord>;
  /** Lets work go on, moving the clock, until it is done. */
  finish<T>(work: Promise<T>, stepMs?: number): Promise<T>;
  pod(session: string): V1Pod | undefined;
  run(session: string, change?: (pod: V1Pod) => void): void;
  names(): string[];
  end(): Promise<void>;
}

/** Puts a pod into the state of one whose container runs. */
export const runPod = (pod: V1Pod, ip = '10.0.0.9'): void => {
  pod.spec = { ...pod.spec, containers: pod.spec?.containers ?? [], nodeName: 'node-1' };
  pod.status = {
    phase: 'Running',
    podIP: ip,
    conditions: [{ type: 'PodScheduled', status: 'True', lastTransitionTime: new Date(0) }],
    containerStatuses: [
      { name: 'session', image: '', imageID: '', ready: true, restartCount: 0, state: { running: {} } },
    ],
  };
};

/** Puts a pod into the state of one whose container has ended. */
export const endPod = (pod: V1Pod, exitCode: number, reason = 'Error', at = new Date()): void => {
  pod.status = {
    ...pod.status,
    phase: exitCode === 0 ? 'Succeeded' : 'Failed',
    containerStatuses: [
      {
        name: 'session',
        image: '',
        imageID: '',
        ready: false,
        restartCount: 0,
        state: { terminated: { exitCode, reason, finishedAt: at } },
      },
    ],
  };
};

/** A cluster in memory with one node, servers that answer as told, and spawners that share both. */
export const kubernetesWorld = (): KubernetesWorld => {
  const clock = createSteeredClock();
  const api = createFakeKubernetesApi(clock);
  const said: string[] = [];
  const say = (_: object, message: string) => void said.push(message);
  const log = { info: say, warn: say, error: say } as unknown as Log;
  const made: { readonly spawner: KubernetesSpawner; readonly watch: PodWatch }[] = [];
  const stop = new AbortController();
  const podOf = (session: string) => api.pods(NAMESPACE).get(`session-${session}`);
  const servers = fakeServers((session, origin) => {
    const pod = podOf(session);
    return pod?.status?.phase === 'Running' && origin === `http://${pod.status.podIP}:8888`;
  });
  let ips = 1;

  const world: KubernetesWorld = {
    clock,
    api,
    servers,
    said,
    node: (_, session) => world.run(session),
    async spawner(change = {}) {
      const watch = createPodWatch({ api, namespace: NAMESPACE, labelSelector: SESSION_SELECTOR, clock, log });
      const spawner = await world.finish(
        createKubernetesSpawner({
          api,
          namespace: NAMESPACE,
          watch,
          clock,
          log,
          newName,
          upstreamTokens: { keyId: 'k1', of: (session, keyId) => (keyId === 'k1' ? tokenOf(session) : undefined) },
          variables: (seed) => ({ BINDER_REF_URL: seed.refUrl }),
          pod: { baseImage: BASE_IMAGE },
          warmSessions: 0,
          client: servers.client,
          ...change,
        }),
      );
      made.push({ spawner, watch });
      return spawner;
    },
    seed: (change = {}) =>
      localSeed({ launchId: newName(), profile: 'default', createdAt: clock.now(), repo: 'gh/owner/book', ...change }),
    async launch(spawner, change = {}) {
      const { name } = await world.finish(spawner.reserve(world.seed(change)));
      return world.start(spawner, name);
    },
    start: (spawner, name, what = launchable(), signal = new AbortController().signal) =>
      world.finish(spawner.start(name, what, () => undefined, signal)),
    async finish(work, stepMs = 100) {
      let done = false;
      const end = () => (done = true);
      work.then(end, end);
      for (let step = 0; step < 20_000; step++) {
        await settle();
        if (done) return work;
        await clock.advance(stepMs);
      }
      throw new Error('It does not end.');
    },
    pod: podOf,
    run(session, change = () => undefined) {
      const ip = `10.0.0.${ips++}`;
      api.change(NAMESPACE, `session-${session}`, (pod) => {
        runPod(pod, ip);
        change(pod);
      });
    },
    names: () => [...api.pods(NAMESPACE).keys()],
    async end() {
      stop.abort();
      api.onCall = undefined;
      api.onAnswer = undefined;
      for (const { spawner, watch } of made) {
        await world.finish(spawner.close());
        await world.finish(watch.close());
      }
    },
  };

  const given = new Set<string>();
  const take = ({ metadata, spec }: V1Pod): void => {
    const session = metadata?.name?.slice('session-'.length) ?? '';
    if ((spec?.schedulingGates ?? []).length > 0 || given.has(metadata?.uid ?? '') || !isSessionName(session)) return;
    given.add(metadata?.uid ?? '');
    const pod = podOf(session);
    if (pod !== undefined) world.node(pod, session);
  };
  const serve = async (): Promise<void> => {
    const { items, resourceVersion } = await api.listPods(NAMESPACE, '');
    items.forEach(take);
    const options = { labelSelector: '', resourceVersion, timeoutSeconds: 1e9 };
    for await (const event of api.watchPods(NAMESPACE, options, stop.signal))
      if (event.type === 'added' || event.type === 'modified') take(event.object);
  };
  void (async () => {
    while (!stop.signal.aborted) {
      await serve().catch(() => undefined);
      await clock.sleep(1_000, stop.signal).catch(() => undefined);
    }
  })();
  return world;
};
