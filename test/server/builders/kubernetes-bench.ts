import { createHash } from 'node:crypto';
import {
  createKubernetesBuilder,
  type KubernetesBuilder,
  type KubernetesBuilderOptions,
} from '../../../server/builders/kubernetes-builder.ts';
import type { Clock } from '../../../server/clock.ts';
import { environmentKey } from '../../../server/environments/environment-key.ts';
import type { PythonPlan } from '../../../server/environments/plan.ts';
import { HubError } from '../../../server/errors.ts';
import { createFakeKubernetesApi, type FakeKubernetesApi } from '../../helpers/fake-kubernetes-api.ts';
import { createSteeredClock } from '../../helpers/steered-clock.ts';
import type { ImageManifest, ImageName, Registry } from '../../../server/registry/registry.ts';

interface Stored {
  readonly manifest: ImageManifest;
  readonly content?: Buffer;
  readonly labels: Readonly<Record<string, string>>;
}

/** A registry in memory. */
export interface MemoryRegistry extends Registry {
  /** While set, every call is answered so. */
  fault: 'registry_down' | 'push_failed' | undefined;
  /** Called before each answer; may wait. */
  onCall: ((verb: string) => void | Promise<void>) | undefined;
  readonly calls: string[];
  /** Puts an image there as a push would; returns its digest. */
  push(repository: string, tag: string, labels?: Readonly<Record<string, string>>, bytes?: number): string;
  /** Tags by repository. */
  held(): Readonly<Record<string, readonly string[]>>;
}

const digestOf = (text: string | Buffer): string => `sha256:${createHash('sha256').update(text).digest('hex')}`;

export const createMemoryRegistry = (): MemoryRegistry => {
  const images = new Map<string, Map<string, Stored>>();
  const tagsOf = (repository: string): Map<string, Stored> => {
    const tags = images.get(repository) ?? new Map<string, Stored>();
    images.set(repository, tags);
    return tags;
  };
  const call = async (verb: string): Promise<void> => {
    registry.calls.push(verb);
    await registry.onCall?.(verb);
    if (registry.fault) throw new HubError(registry.fault, 'The registry does not answer.');
  };
  const find = ({ repository }: ImageName, reference: string): Stored | undefined => {
    const tags = images.get(repository);
    return tags?.get(reference) ?? [...(tags?.values() ?? [])].find(({ manifest }) => manifest.digest === reference);
  };
  const store = (repository: string, tag: string, name: string, size: number, more: Partial<Stored>): string => {
    const digest = digestOf(`${repository}:${name}`);
    const blob = (kind: string, bytes: number) => ({
      mediaType: kind,
      digest: digestOf(`${kind} ${name}`),
      size: bytes,
    });
    const manifest: ImageManifest = {
      digest,
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      config: blob('config', 100),
      layers: [{ mediaType: 'layer', digest: digestOf('base'), size: 1_000 }, blob('layer', size)],
      annotations: {},
    };
    tagsOf(repository).set(tag, { manifest, labels: {}, ...more });
    return digest;
  };

  const registry: MemoryRegistry = {
    fault: undefined,
    onCall: undefined,
    calls: [],
    push: (repository, tag, labels = { 'liveleaf.python': '3.11.2' }, bytes = 10_000) =>
      store(repository, tag, `${repository} image ${tag}`, bytes, { labels }),
    held: () => Object.fromEntries([...images].map(([name, tags]) => [name, [...tags.keys()].sort()])),
    async manifest(image, reference) {
      await call('manifest');
      return find(image, reference)?.manifest;
    },
    async config(image, manifest) {
      await call('config');
      return { labels: find(image, manifest.digest)?.labels ?? {}, env: [] };
    },
    async readArtifact(image, tag) {
      await call('readArtifact');
      return find(image, tag)?.content;
    },
    async writeArtifact({ repository }, tag, { content }) {
      await call('writeArtifact');
      store(repository, tag, digestOf(content), content.length, { content });
    },
    async tags({ repository }) {
      await call('tags');
      return [...(images.get(repository)?.keys() ?? [])];
    },
    async repositories(_registry, prefix) {
      await call('repositories');
      return [...images.keys()].filter((name) => name.startsWith(prefix));
    },
    async delete({ repository }, digest) {
      await call('delete');
      const tags = images.get(repository);
      const found = [...(tags ?? [])].filter(([, { manifest }]) => manifest.digest === digest);
      for (const [tag] of found) tags?.delete(tag);
      if (tags?.size === 0) images.delete(repository);
      return found.length > 0;
    },
  };
  return registry;
};

const NAMESPACE = 'builds';
export const REGISTRY_URL = 'https://registry.example.org';
const PREFIX = 'liveleaf/';
const BASE = `registry.example.org/liveleaf/session@sha256:${'0'.repeat(64)}`;

export const PLAN: PythonPlan = {
  kind: 'python',
  python: '3.11.2',
  install: {
    from: 'requirements',
    lines: [
      { text: 'numpy', file: 'requirements.txt', line: 1 },
      { text: 'nmupy', file: 'requirements.txt', line: 2 },
    ],
    options: [],
  },
  tools: { uv: '0', format: 1 },
  platform: 'test',
  base: 'sha256:0',
};

type Container = 'canary' | 'fetch' | 'install' | 'push';

/** What a node's agent does to pods, step by step. */
class FakeKubelet {
  readonly #api: FakeKubernetesApi;
  readonly #clock: Clock;
  readonly #registry: MemoryRegistry;
  readonly #lines = new Map<string, string[]>();

  constructor(api: FakeKubernetesApi, clock: Clock, registry: MemoryRegistry) {
    this.#api = api;
    this.#clock = clock;
    this.#registry = registry;
  }

  #status(name: string, container: Container, state: object): void {
    this.#api.change(NAMESPACE, name, (pod) => {
      const status = (pod.status ??= {});
      status.phase = 'Running';
      if (!status.conditions?.some(({ type }) => type === 'PodScheduled'))
        status.conditions = [{ type: 'PodScheduled', status: 'True', lastTransitionTime: new Date(this.#clock.now()) }];
      const list = container === 'push' ? 'containerStatuses' : 'initContainerStatuses';
      const others = (status[list] ?? []).filter((each) => each.name !== container);
      status[list] = [...others, { name: container, state } as never];
    });
  }

  start(name: string, container: Container): void {
    this.#status(name, container, { running: { startedAt: new Date(this.#clock.now()) } });
    this.#api.write(NAMESPACE, name, container, []);
  }

  wait(name: string, container: Container, reason: string, message = ''): void {
    this.#status(name, container, { waiting: { reason, message } });
  }

  /** Writes lines as the log's wrapper does. */
  say(name: string, container: Container, ...lines: string[]): void {
    const id = `${name}/${container}`;
    const before = this.#lines.get(id) ?? [];
    this.#lines.set(id, [...before, ...lines]);
    this.#api.write(
      NAMESPACE,
      name,
      container,
      lines.map((line, at) => `${before.length + at + 1} ${line}`),
    );
  }

  /** Ends a container; `marked` tells whether its log has its end marker. */
  end(name: string, container: Container, exitCode: number, result: object = {}, marked = true): void {
    if (marked) {
      const lines = this.#lines.get(`${name}/${container}`) ?? [];
      const text = lines.map((line, at) => `${at + 1} ${line}\n`).join('');
      const digest = createHash('sha256').update(text).digest('hex');
      this.#api.write(NAMESPACE, name, container, [`END ${lines.length} ${digest}`]);
    }
    this.#api.closeLog(NAMESPACE, name, container);
    const message = JSON.stringify(result);
    const finishedAt = new Date(this.#clock.now());
    this.#status(name, container, {
      terminated: { exitCode, message, finishedAt, reason: exitCode === 0 ? 'Completed' : 'Error' },
    });
  }

  /** Begins anew with a pod that has the name of one before. */
  forget(name: string): void {
    for (const id of this.#lines.keys()) if (id.startsWith(`${name}/`)) this.#lines.delete(id);
  }

  phase(name: string, phase: 'Succeeded' | 'Failed', more: object = {}): void {
    this.#api.change(NAMESPACE, name, (pod) => {
      pod.status = { ...pod.status, ...more, phase };
    });
  }

  /** Runs a container from beginning to end. */
  run(name: string, container: Container, lines: readonly string[], exitCode = 0, result: object = {}): void {
    this.start(name, container);
    this.say(name, container, ...lines);
    this.end(name, container, exitCode, result);
    if (exitCode !== 0) this.phase(name, 'Failed');
  }

  /** Runs a build to its good end, from its install on. */
  build(name: string): void {
    const pod = this.#api.pods(NAMESPACE).get(name);
    const record = JSON.parse(pod?.metadata?.annotations?.['liveleaf/record'] ?? '{}') as {
      key: string;
      generation: string;
    };
    this.run(name, 'canary', []);
    this.run(name, 'install', ['installing', 'installed']);
    this.start(name, 'push');
    this.say(name, 'push', 'pushing');
    const digest = this.#registry.push(`${PREFIX}env-${record.key}`, record.generation);
    this.end(name, 'push', 0, { ok: true, digest });
    this.phase(name, 'Succeeded');
  }
}

/** A cluster and a registry in memory, and builders on them as of several hubs. */
export const openKubernetesBench = (change: Partial<KubernetesBuilderOptions> = {}) => {
  const clock = createSteeredClock();
  const api = createFakeKubernetesApi(clock);
  const registry = createMemoryRegistry();
  const kubelet = new FakeKubelet(api, clock, registry);
  const errors: unknown[] = [];
  const builders: KubernetesBuilder[] = [];
  const note = (fields: unknown) => errors.push(fields);
  const open = async (more: Partial<KubernetesBuilderOptions> = {}): Promise<KubernetesBuilder> => {
    const builder = await createKubernetesBuilder({
      api,
      registry,
      prefix: PREFIX,
      clock,
      log: { info: () => undefined, warn: () => undefined, error: note } as never,
      pod: {
        namespace: NAMESPACE,
        baseImage: BASE,
        registry: REGISTRY_URL,
        canary: '10.0.0.1:443',
        requests: {},
        limits: {},
      },
      ...change,
      ...more,
    });
    await builder.watch.whenFresh(AbortSignal.timeout(5_000));
    builders.push(builder);
    return builder;
  };
  return {
    clock,
    api,
    registry,
    kubelet,
    errors,
    key: environmentKey(PLAN),
    open,
    /** Names of the build pods that there are. */
    pods: () => [...api.pods(NAMESPACE).keys()],
    close: async () => {
      await Promise.all(builders.map((builder) => builder.close()));
    },
  };
};
