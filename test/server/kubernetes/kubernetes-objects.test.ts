import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { decodeObject, encodeObject } from '../../../server/kubernetes/kubernetes-objects.ts';

describe('objects of the API', () => {
  it('have times as Dates, at any depth, and nothing of who manages which field', () => {
    const at = '2026-11-25T01:02:03Z';
    const decoded = decodeObject<unknown>({
      metadata: { creationTimestamp: at, managedFields: [{ time: at, fieldsV1: {} }] },
      status: { containerStatuses: [{ state: { terminated: { startedAt: at, finishedAt: null } } }] },
    });
    assert.deepEqual(decoded, {
      metadata: { creationTimestamp: new Date(at) },
      status: { containerStatuses: [{ state: { terminated: { startedAt: new Date(at), finishedAt: null } } }] },
    });
  });

  it('keep what their owners wrote as it is, though it be called as a time is', () => {
    const object = {
      metadata: { annotations: { startTime: '2026-11-25' }, labels: { eventTime: '2026' } },
      data: { startedAt: '2026-11-25' },
    };
    assert.deepEqual(decodeObject(structuredClone(object)), object);
  });

  it('leave a text that is no time as it is', () => {
    assert.deepEqual(decodeObject({ startTime: 'soon' }), { startTime: 'soon' });
  });

  it('are written with six digits after the second where the API takes no fewer', () => {
    const at = new Date('2026-11-25T01:02:03.456Z');
    assert.equal(
      encodeObject({ spec: { renewTime: at, acquireTime: at }, metadata: { creationTimestamp: at } }),
      '{"spec":{"renewTime":"2026-11-25T01:02:03.456000Z","acquireTime":"2026-11-25T01:02:03.456000Z"},"metadata":{"creationTimestamp":"2026-11-25T01:02:03.456Z"}}',
    );
  });

  it('come back as they were sent', () => {
    const lease = { spec: { holderIdentity: 'a', renewTime: new Date(1_764_000_000_123) } };
    assert.deepEqual(decodeObject(JSON.parse(encodeObject(lease))), lease);
  });
});
