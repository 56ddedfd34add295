import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { KubernetesError } from '../../../server/kubernetes/kubernetes-error.ts';
import { readWatchLine } from '../../../server/kubernetes/watch-line.ts';

const read = (value: unknown) => readWatchLine({ text: JSON.stringify(value), isCut: false });
const thrown = (run: () => unknown): KubernetesError => {
  try {
    run();
  } catch (error) {
    assert.ok(error instanceof KubernetesError);
    return error;
  }
  return assert.fail('nothing was thrown');
};

describe('a line of a watch', () => {
  it('is a change with its object, times as Dates', () => {
    const metadata = { name: 'a', resourceVersion: '7', creationTimestamp: '2026-11-25T01:02:03Z' };
    assert.deepEqual(read({ type: 'MODIFIED', object: { metadata } }), {
      type: 'modified',
      object: { metadata: { ...metadata, creationTimestamp: new Date('2026-11-25T01:02:03Z') } },
    });
  });

  it('may be a bookmark, which has no name', () => {
    assert.deepEqual(read({ type: 'BOOKMARK', object: { kind: 'Pod', metadata: { resourceVersion: '9' } } }), {
      type: 'bookmark',
      resourceVersion: '9',
    });
  });

  it('may be an error, which is thrown with its status', () => {
    const error = thrown(() => read({ type: 'ERROR', object: { code: 410, reason: 'Expired', message: 'too old' } }));
    assert.deepEqual([error.status, error.reason, error.message], [410, 'Expired', 'too old']);
  });

  it('is an error where it was cut, even where what is left can be read', () => {
    const text = JSON.stringify({ type: 'ADDED', object: { metadata: { name: 'a', resourceVersion: '1' } } });
    assert.equal(thrown(() => readWatchLine({ text, isCut: true })).reason, 'Garbled');
  });

  it('is an error where it is anything else, and never passed over', () => {
    const anything = fc.oneof(
      fc.string(),
      fc.json(),
      fc.record({ type: fc.string(), object: fc.anything() }).map((value) => JSON.stringify(value)),
    );
    fc.assert(
      fc.property(anything, (text) => {
        assert.equal(thrown(() => readWatchLine({ text, isCut: false })).reason, 'Garbled');
      }),
    );
  });
});
