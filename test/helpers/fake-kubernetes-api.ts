import type { Clock } from '../../server/clock.ts';
import type {
  CoreV1Event,
  DeleteOptions,
  KubernetesApi,
  V1Lease,
  V1Pod,
  V1Secret,
} from '../../server/kubernetes/kubernetes-api.ts';
import { KubernetesError } from '../../server/kubernetes/kubernetes-error.ts';
import { checkNames, checkPodUpdate, matchesSelector, patched } from './fake-kubernetes-rules.ts';
import { createFakeStreams } from './fake-kubernetes-streams.ts';

type Verb = Exclude<keyof KubernetesApi, symbol>;

interface Call {
  readonly verb: Verb;
  readonly namespace: string;
  readonly name: string;
}

export interface FakeKubernetesApi extends KubernetesApi {
  /** All calls so far, the oldest first. */
  readonly calls: Call[];
  /** How many calls changed something on the server, or tried to. */
  writes(): number;
  /** The pods of a namespace as they stand, by name. */
  pods(namespace: string): ReadonlyMap<string, V1Pod>;
  secrets(namespace: string): ReadonlyMap<string, V1Secret>;
  /** Changes a pod as a scheduler, a kubelet or a person would, past every check; watches tell of it. */
  change(namespace: string, name: string, change: (pod: V1Pod) => void): V1Pod;
  /** Removes a pod as a person or a controller would. */
  remove(namespace: string, name: string): void;
  /** Lets a call fail or wait first: the hook is called before each one; what it throws is what the caller gets. */
  onCall: ((call: Call) => void | Promise<void>) | undefined;
  /** Called when a call has done its work, before it answers: what it throws is an answer that was lost. */
  onAnswer: ((call: Call) => void | Promise<void>) | undefined;
  /** How many pods that have not ended a namespace may hold; default unbounded. */
  readonly quota: Map<string, number>;
  /** What `podEvents` tells of a pod, by `<namespace>/<name>`. */
  readonly events: Map<string, readonly CoreV1Event[]>;
  /** Appends lines to a container's log; without any, asking for it is the 400 of a container that waits. */
  write(namespace: string, name: string, container: string, lines: readonly string[]): void;
  /** Ends a container's log, and with it those who follow. */
  closeLog(namespace: string, name: string, container: string): void;
  /** Ends every watch and follow under way: with an error, or as a server does that closes. */
  cut(error?: Error): void;
  /** Forgets what happened before: a watch from an earlier resource version is a 410. */
  compact(): void;
  /** What the account may not do, as `<verb> <resource>`; default nothing. */
  readonly forbidden: Set<string>;
}

const WRITES: ReadonlySet<Verb> = new Set([
  'createPod',
  'patchPod',
  'deletePod',
  'createSecret',
  'deleteSecret',
  'createLease',
  'replaceLease',
]);

const notFound = (kind: string, name: string) =>
  new KubernetesError(404, 'NotFound', `${kind} ${JSON.stringify(name)} not found`);
const conflict = (message: string) => new KubernetesError(409, 'Conflict', message);
const nameOf = (object: { metadata?: { name?: string } }): string => object.metadata?.name ?? '';
const hasEnded = (pod: V1Pod): boolean => pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed';

/** One kind of object in memory, by namespace and name. */
class Store<T extends V1Pod | V1Secret | V1Lease> {
  readonly #byNamespace = new Map<string, Map<string, T>>();

  of(namespace: string): Map<string, T> {
    let objects = this.#byNamespace.get(namespace);
    if (objects === undefined) this.#byNamespace.set(namespace, (objects = new Map<string, T>()));
    return objects;
  }
}

/** A Kubernetes API in memory: what a real one refuses it refuses too, and nothing runs unless a test says so. */
export const createFakeKubernetesApi = (clock: Clock): FakeKubernetesApi => {
  const pods = new Store<V1Pod>();
  const secrets = new Store<V1Secret>();
  const leases = new Store<V1Lease>();
  const streams = createFakeStreams(clock);
  const calls: Call[] = [];
  let version = 1;
  let uids = 0;

  const stamp = <T extends V1Pod | V1Secret | V1Lease>(object: T): T => {
    object.metadata = { ...object.metadata, resourceVersion: String(++version) };
    return object;
  };
  const create = <T extends V1Pod | V1Secret | V1Lease>(
    kind: string,
    store: Store<T>,
    namespace: string,
    given: T,
  ): T => {
    const name = nameOf(given);
    if (store.of(namespace).has(name))
      throw new KubernetesError(409, 'AlreadyExists', `${kind} ${JSON.stringify(name)} already exists`);
    const object = structuredClone(given);
    object.metadata = { ...object.metadata, namespace, uid: `uid-${++uids}`, creationTimestamp: new Date(clock.now()) };
    return object;
  };
  const tell = (namespace: string, before: V1Pod | undefined, after: V1Pod, deleted: boolean) => {
    streams.tell({ version, namespace, before, after, deleted });
  };
  const put = (namespace: string, pod: V1Pod): V1Pod => {
    const name = nameOf(pod);
    const before = pods.of(namespace).get(name);
    pods.of(namespace).set(name, stamp(pod));
    tell(namespace, before, pod, false);
    return structuredClone(pod);
  };
  const mustFind = (namespace: string, name: string): V1Pod => {
    const pod = pods.of(namespace).get(name);
    if (pod === undefined) throw notFound('pods', name);
    return pod;
  };
  const remove = (namespace: string, name: string) => {
    const pod = pods.of(namespace).get(name);
    if (pod === undefined) return;
    pods.of(namespace).delete(name);
    streams.forget(namespace, name);
    tell(namespace, pod, stamp(structuredClone(pod)), true);
  };
  const checkPreconditions = (kind: string, object: V1Pod | V1Secret, options: DeleteOptions) => {
    const { uid, resourceVersion } = object.metadata ?? {};
    if (options.uid !== undefined && options.uid !== uid)
      throw conflict(`Precondition failed: UID in precondition: ${options.uid}, UID in ${kind} meta: ${uid}`);
    if (options.resourceVersion !== undefined && options.resourceVersion !== resourceVersion)
      throw conflict('Precondition failed: the resource version is another one');
  };

  /** Runs one call: noted, then perhaps refused, then done, then perhaps its answer lost. */
  const call = async <T>(verb: Verb, namespace: string, name: string, work: () => T): Promise<T> => {
    const noted = { verb, namespace, name };
    calls.push(noted);
    await fake.onCall?.(noted);
    // As over a network, no call answers in the turn that made it.
    await Promise.resolve();
    const answer = work();
    await fake.onAnswer?.(noted);
    return answer;
  };

  const watchPods: KubernetesApi['watchPods'] = async function* (namespace, options, signal) {
    await call('watchPods', namespace, '', () => undefined);
    yield* streams.watch(namespace, options, signal);
  };

  const podLog: KubernetesApi['podLog'] = async function* (namespace, name, options, signal) {
    await call('podLog', namespace, name, () => mustFind(namespace, name));
    yield* streams.log(namespace, name, options, signal);
  };

  const fake: FakeKubernetesApi = {
    calls,
    onCall: undefined,
    onAnswer: undefined,
    quota: new Map(),
    events: new Map(),
    forbidden: new Set(),
    writes: () => calls.filter(({ verb }) => WRITES.has(verb)).length,
    pods: (namespace) => pods.of(namespace),
    secrets: (namespace) => secrets.of(namespace),
    remove,
    change(namespace, name, change) {
      const pod = structuredClone(mustFind(namespace, name));
      change(pod);
      return put(namespace, pod);
    },
    write: streams.write,
    closeLog: streams.closeLog,
    cut: streams.cut,
    compact: () => streams.compact(version),

    createPod(namespace, given, options) {
      return call('createPod', namespace, nameOf(given), () => {
        checkNames(given);
        const pod = create('pods', pods, namespace, given);
        const limit = fake.quota.get(namespace);
        const used = [...pods.of(namespace).values()].filter((other) => !hasEnded(other)).length;
        if (limit !== undefined && used >= limit)
          throw new KubernetesError(
            403,
            'Forbidden',
            `pods ${JSON.stringify(nameOf(given))} is forbidden: exceeded quota: sessions, requested: pods=1, used: pods=${used}, limited: pods=${limit}`,
          );
        const isGated = (pod.spec?.schedulingGates ?? []).length > 0;
        pod.status = {
          phase: 'Pending',
          ...(isGated && {
            conditions: [
              {
                type: 'PodScheduled',
                status: 'False',
                reason: 'SchedulingGated',
                message: 'Scheduling is blocked due to non-empty scheduling gates',
              },
            ],
          }),
        };
        return options?.dryRun ? pod : put(namespace, pod);
      });
    },
    getPod: (namespace, name) => call('getPod', namespace, name, () => structuredClone(mustFind(namespace, name))),
    listPods: (namespace, labelSelector) =>
      call('listPods', namespace, '', () => ({
        items: [...pods.of(namespace).values()]
          .filter((pod) => matchesSelector(pod.metadata?.labels, labelSelector))
          .sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1))
          .map((pod) => structuredClone(pod)),
        resourceVersion: String(version),
      })),
    patchPod: (namespace, name, patch) =>
      call('patchPod', namespace, name, () => {
        const before = mustFind(namespace, name);
        const after = patched(before, patch);
        checkNames(after);
        checkPodUpdate(before, after);
        return put(namespace, after);
      }),
    deletePod: (namespace, name, options = {}) =>
      call('deletePod', namespace, name, () => {
        const pod = pods.of(namespace).get(name);
        if (pod === undefined) return false;
        checkPreconditions('pod', pod, options);
        remove(namespace, name);
        return true;
      }),
    podLog,
    podEvents(namespace, name) {
      return call('podEvents', namespace, name, () => fake.events.get(`${namespace}/${name}`) ?? []);
    },
    watchPods,
    createSecret: (namespace, given) =>
      call('createSecret', namespace, nameOf(given), () => {
        const secret = stamp(create('secrets', secrets, namespace, given));
        secrets.of(namespace).set(nameOf(secret), secret);
        return structuredClone(secret);
      }),
    deleteSecret: (namespace, name, options = {}) =>
      call('deleteSecret', namespace, name, () => {
        const secret = secrets.of(namespace).get(name);
        if (secret !== undefined) checkPreconditions('secret', secret, options);
        return secrets.of(namespace).delete(name);
      }),
    getLease: (namespace, name) =>
      call('getLease', namespace, name, () => {
        const lease = leases.of(namespace).get(name);
        if (lease === undefined) throw notFound('leases', name);
        return structuredClone(lease);
      }),
    createLease: (namespace, given) =>
      call('createLease', namespace, nameOf(given), () => {
        const lease = stamp(create('leases', leases, namespace, given));
        leases.of(namespace).set(nameOf(lease), lease);
        return structuredClone(lease);
      }),
    replaceLease: (namespace, given) =>
      call('replaceLease', namespace, nameOf(given), () => {
        const before = leases.of(namespace).get(nameOf(given));
        if (before === undefined) throw notFound('leases', nameOf(given));
        if (given.metadata?.resourceVersion !== before.metadata?.resourceVersion)
          throw conflict('the object has been modified; apply your changes to the latest version');
        const lease = stamp(structuredClone(given));
        leases.of(namespace).set(nameOf(lease), lease);
        return structuredClone(lease);
      }),
    may(access) {
      const resource = access.subresource === undefined ? access.resource : `${access.resource}/${access.subresource}`;
      return call('may', access.namespace, '', () => !fake.forbidden.has(`${access.verb} ${resource}`));
    },
    version: () => call('version', '', '', () => 'v1.34.4'),
  };
  return fake;
};
