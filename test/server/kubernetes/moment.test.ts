import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { markMoment } from '../../../server/kubernetes/moment.ts';

describe('a moment', () => {
  it('is as long ago as the clock says that moved more, so that neither sleep nor a corrected time hides its age', () => {
    const clock = { monotonic: 1_000, now: 50_000 };
    const moment = markMoment({
      monotonic: () => clock.monotonic,
      now: () => clock.now,
      sleep: () => Promise.resolve(),
    });
    clock.monotonic += 300;
    clock.now -= 10_000;
    assert.equal(moment.elapsedMs(), 300);
    clock.now += 70_000;
    assert.equal(moment.elapsedMs(), 60_000);
  });
});
