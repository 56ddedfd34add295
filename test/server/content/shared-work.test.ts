import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SharedWork } from '../../../server/content/shared-work.ts';

const forever = (signal: AbortSignal): Promise<string> =>
  new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }));

describe('Shared work', () => {
  it('is done once for all who ask at once, and again for who asks later', async () => {
    const shared = new SharedWork<number>();
    let runs = 0;
    const { signal } = new AbortController();
    const join = () => shared.join('key', async () => ++runs, signal);
    assert.deepEqual(await Promise.all([join(), join(), join()]), [1, 1, 1]);
    assert.equal(await join(), 2);
  });

  it('fails for all who asked, and is begun anew afterwards', async () => {
    const shared = new SharedWork<string>();
    const { signal } = new AbortController();
    const failing = () => shared.join('key', async () => Promise.reject(new Error('no')), signal);
    const results = await Promise.allSettled([failing(), failing()]);
    assert.ok(results.every(({ status }) => status === 'rejected'));
    assert.equal(await shared.join('key', async () => 'yes', signal), 'yes');
  });

  it('is aborted when the last has left, and who comes then gets work of its own', async () => {
    const shared = new SharedWork<string>();
    const [first, second] = [new AbortController(), new AbortController()];
    let aborted = 0;
    const work = (signal: AbortSignal): Promise<string> => {
      signal.addEventListener('abort', () => (aborted += 1));
      return forever(signal);
    };
    const waiting = [shared.join('key', work, first.signal), shared.join('key', work, second.signal)];
    first.abort(new Error('one'));
    await assert.rejects(waiting[0]!, /one/);
    assert.equal(aborted, 0);
    second.abort(new Error('two'));
    await assert.rejects(waiting[1]!, /two/);
    assert.equal(aborted, 1);
    assert.equal(await shared.join('key', async () => 'new', new AbortController().signal), 'new');
  });

  it('is not begun for who has left already', async () => {
    const shared = new SharedWork<string>();
    await assert.rejects(
      shared.join('key', () => assert.fail('begun'), AbortSignal.abort(new Error('gone'))),
      /gone/,
    );
  });
});
