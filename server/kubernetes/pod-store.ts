import type { Listed, V1Pod, WatchEvent } from './kubernetes-api.ts';
import { KubernetesError } from './kubernetes-error.ts';

export interface PodChange {
  readonly type: 'added' | 'modified' | 'deleted';
  /** As it is now, or as it was last. */
  readonly pod: V1Pod;
}

/** The pods of a namespace as lists and watches tell of them; every change is told once, and nothing goes back in time. */
export interface PodStore {
  readonly pods: ReadonlyMap<string, V1Pod>;
  /** Where a watch goes on. */
  readonly resourceVersion: string;
  /** Takes a list for the truth. */
  replaceAll(listed: Listed<V1Pod>): PodChange[];
  /** Throws KubernetesError `Disorder` where a watch does not tell in order: then a list is due. */
  apply(event: WatchEvent<V1Pod>): PodChange[];
  /** Takes what a call answered, unless the watch is beyond it. */
  note(pod: V1Pod): PodChange[];
}

const NUMBER = /^\d+$/;

const areNumbers = (a: string, b: string): boolean => NUMBER.test(a) && NUMBER.test(b);

/** Whether one resource version comes after another; those that are no numbers cannot be told apart, and count as newer. */
const isAfter = (a: string, b: string): boolean =>
  !areNumbers(a, b) || a.length > b.length || (a.length === b.length && a > b);

const nameOf = ({ metadata }: V1Pod): string => metadata?.name ?? '';
const versionOf = ({ metadata }: V1Pod): string => metadata?.resourceVersion ?? '';
const isSame = (a: V1Pod, b: V1Pod): boolean => a.metadata?.uid === b.metadata?.uid;

export const createPodStore = (): PodStore => {
  const pods = new Map<string, V1Pod>();
  /** Pods that a call told of before the watch did. */
  const noted = new Set<string>();
  let version = '';

  const remove = (pod: V1Pod): PodChange[] => {
    pods.delete(nameOf(pod));
    noted.delete(nameOf(pod));
    return [{ type: 'deleted', pod }];
  };
  /** Puts a pod in, unless what is held is as new. */
  const put = (pod: V1Pod): PodChange[] => {
    const held = pods.get(nameOf(pod));
    if (held && versionOf(held) === versionOf(pod)) return [];
    if (held && noted.has(nameOf(pod)) && !isAfter(versionOf(pod), versionOf(held))) return [];
    const before = held && !isSame(held, pod) ? remove(held) : [];
    const type = held && isSame(held, pod) ? 'modified' : 'added';
    pods.set(nameOf(pod), pod);
    return [...before, { type, pod }];
  };

  return {
    pods,
    get resourceVersion() {
      return version;
    },
    replaceAll({ items, resourceVersion }) {
      const listed = new Set(items.map(nameOf));
      // What was made while the list was on its way is not in it yet.
      const isMissing = (pod: V1Pod) =>
        !listed.has(nameOf(pod)) && !(noted.has(nameOf(pod)) && isAfter(versionOf(pod), resourceVersion));
      const gone = [...pods.values()].filter(isMissing).flatMap(remove);
      const changes = [...gone, ...items.flatMap(put)];
      noted.clear();
      version = resourceVersion;
      return changes;
    },
    apply(event) {
      const next = event.type === 'bookmark' ? event.resourceVersion : versionOf(event.object);
      if (next === version) return [];
      // What was told late may have been undone meanwhile, or may be all that was told of it: only a list knows.
      if (!isAfter(next, version))
        throw new KubernetesError(0, 'Disorder', `A watch told of version ${next} after version ${version}.`);
      version = next;
      if (event.type === 'bookmark') return [];
      if (event.type !== 'deleted') return put(event.object);
      const held = pods.get(nameOf(event.object));
      return held && isSame(held, event.object) ? remove(event.object) : [];
    },
    note(pod) {
      const next = versionOf(pod);
      if (!areNumbers(next, version) || !isAfter(next, version)) return [];
      const changes = put(pod);
      if (changes.length > 0) noted.add(nameOf(pod));
      return changes;
    },
  };
};
