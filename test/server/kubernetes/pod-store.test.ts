import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { V1Pod } from '../../../server/kubernetes/kubernetes-api.ts';
import { KubernetesError } from '../../../server/kubernetes/kubernetes-error.ts';
import { createPodStore, type PodChange, type PodStore } from '../../../server/kubernetes/pod-store.ts';

const pod = (name: string, version: number, uid = name): V1Pod => ({
  metadata: { name, uid, resourceVersion: String(version) },
});
const told = (changes: readonly PodChange[]): string[] =>
  changes.map(({ type, pod: { metadata } }) => `${type} ${metadata?.uid}@${metadata?.resourceVersion}`);
const held = ({ pods }: PodStore): string[] =>
  [...pods.values()].map(({ metadata }) => `${metadata?.uid}@${metadata?.resourceVersion}`).sort();
const storeOf = (version: number, ...items: V1Pod[]): PodStore => {
  const store = createPodStore();
  store.replaceAll({ items, resourceVersion: String(version) });
  return store;
};

describe('the pods that a watch keeps', () => {
  it('are those of the list, and what happened since', () => {
    const store = storeOf(10, pod('a', 3), pod('b', 4));
    assert.deepEqual(told(store.apply({ type: 'added', object: pod('c', 11) })), ['added c@11']);
    assert.deepEqual(told(store.apply({ type: 'modified', object: pod('a', 12) })), ['modified a@12']);
    assert.deepEqual(told(store.apply({ type: 'deleted', object: pod('b', 13) })), ['deleted b@13']);
    assert.deepEqual(store.apply({ type: 'bookmark', resourceVersion: '20' }), []);
    assert.deepEqual(held(store), ['a@12', 'c@11']);
    assert.equal(store.resourceVersion, '20');
  });

  it('are told as changed where a list finds them so: vanished, new, other, or replaced by one of the same name', () => {
    const store = storeOf(10, pod('a', 1), pod('b', 2), pod('c', 3), pod('d', 4));
    const items = [pod('a', 1), pod('b', 15), pod('d', 16, 'another'), pod('e', 17)];
    assert.deepEqual(told(store.replaceAll({ items, resourceVersion: '20' })), [
      'deleted c@3',
      'modified b@15',
      'deleted d@4',
      'added another@16',
      'added e@17',
    ]);
  });

  it('change once where an event comes twice, and not at all where events come in disorder', () => {
    const store = storeOf(10);
    const event = { type: 'added', object: pod('a', 11) } as const;
    assert.equal(store.apply(event).length, 1);
    assert.deepEqual(store.apply(event), []);
    store.apply({ type: 'deleted', object: pod('a', 12) });
    assert.throws(
      () => store.apply(event),
      (error) => KubernetesError.is(error, 0) && error.reason === 'Disorder',
    );
    assert.deepEqual(held(store), []);
  });

  it('compare versions as the numbers that they are', () => {
    const store = storeOf(99);
    assert.deepEqual(told(store.apply({ type: 'added', object: pod('a', 100) })), ['added a@100']);
    assert.throws(() => store.apply({ type: 'modified', object: pod('a', 99) }));
  });

  it('survive versions that are no numbers', () => {
    const store = createPodStore();
    store.replaceAll({ items: [], resourceVersion: 'x1' });
    const object: V1Pod = { metadata: { name: 'a', uid: 'a', resourceVersion: 'x0' } };
    assert.equal(store.apply({ type: 'added', object }).length, 1);
    assert.deepEqual(store.note({ metadata: { name: 'b', resourceVersion: 'x2' } }), []);
  });

  describe('with what calls answered', () => {
    it('have it at once, and are not told of it again', () => {
      const store = storeOf(10);
      assert.deepEqual(told(store.note(pod('a', 12))), ['added a@12']);
      assert.deepEqual(store.apply({ type: 'added', object: pod('a', 11) }), []);
      assert.deepEqual(store.apply({ type: 'modified', object: pod('a', 12) }), []);
      assert.deepEqual(told(store.apply({ type: 'modified', object: pod('a', 13) })), ['modified a@13']);
    });

    it('do not bring back what the watch has seen go', () => {
      const store = storeOf(10);
      store.apply({ type: 'added', object: pod('a', 11) });
      store.apply({ type: 'deleted', object: pod('a', 12) });
      assert.deepEqual(store.note(pod('a', 11)), []);
      assert.deepEqual(held(store), []);
    });

    it('keep the new pod where the end of the old one of its name is told late', () => {
      const store = storeOf(10, pod('a', 9, 'old'));
      assert.deepEqual(told(store.note(pod('a', 12, 'new'))), ['deleted old@9', 'added new@12']);
      assert.deepEqual(store.apply({ type: 'deleted', object: pod('a', 11, 'old') }), []);
      assert.deepEqual(held(store), ['new@12']);
    });

    it('keep it over a list that was on its way, and over that one alone', () => {
      const store = storeOf(10);
      store.note(pod('a', 12));
      assert.deepEqual(store.replaceAll({ items: [], resourceVersion: '11' }), []);
      assert.deepEqual(held(store), ['a@12']);
      assert.deepEqual(told(store.replaceAll({ items: [], resourceVersion: '11' })), ['deleted a@12']);
    });
  });

  it('are those of the cluster, and their listeners know the same, whatever cuts, lists and calls come between', () => {
    const names = ['a', 'b', 'c'];
    const step = fc.record({
      name: fc.constantFrom(...names),
      what: fc.constantFrom('put', 'put', 'delete', 'list', 'cut', 'note', 'bookmark'),
      delivered: fc.nat(5),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        let version = 10;
        const cluster = new Map<string, V1Pod>();
        let queue: Parameters<PodStore['apply']>[0][] = [];
        const history: typeof queue = [];
        const store = storeOf(version);
        const known = new Map<string, string>();
        const listen = (changes: readonly PodChange[]) => {
          for (const {
            type,
            pod: { metadata },
          } of changes) {
            const [name = '', uid = ''] = [metadata?.name, metadata?.uid];
            if (type === 'added') assert.ok(!known.has(name), `${name} was added twice`);
            else assert.equal(known.get(name), uid, `${name} is ${type}, and was not known`);
            if (type === 'deleted') known.delete(name);
            else known.set(name, uid);
          }
        };
        const versionOf = (event: (typeof queue)[number]) =>
          Number(event.type === 'bookmark' ? event.resourceVersion : event.object.metadata?.resourceVersion);
        const happen = (event: (typeof queue)[number]) => {
          queue.push(event);
          history.push(event);
        };
        for (const { name, what, delivered } of steps) {
          const before = cluster.get(name);
          if (what === 'put') {
            const next = pod(name, ++version, before?.metadata?.uid ?? `${name}${version}`);
            cluster.set(name, next);
            happen({ type: before ? 'modified' : 'added', object: next });
          } else if (what === 'delete' && before) {
            cluster.delete(name);
            happen({ type: 'deleted', object: pod(name, ++version, before.metadata?.uid) });
          } else if (what === 'list') {
            listen(store.replaceAll({ items: [...cluster.values()], resourceVersion: String(version) }));
            queue = [];
          } else if (what === 'cut') {
            queue = history.filter((event) => versionOf(event) > Number(store.resourceVersion));
          } else if (what === 'note' && before) listen(store.note(before));
          else if (what === 'bookmark') queue.push({ type: 'bookmark', resourceVersion: String(version) });
          for (const event of queue.splice(0, delivered)) listen(store.apply(event));
        }
        for (const event of queue) listen(store.apply(event));
        assert.deepEqual(
          held(store),
          [...cluster.values()].map(({ metadata }) => `${metadata?.uid}@${metadata?.resourceVersion}`).sort(),
        );
        assert.deepEqual([...known.keys()].sort(), [...cluster.keys()].sort());
      }),
      { numRuns: 500 },
    );
  });
});
