import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { createBackOff } from '../../../server/kubernetes/back-off.ts';

describe('pauses between attempts', () => {
  it('double up to the longest, give or take half, and begin anew after a success', () => {
    const random = fc.double({ min: 0, max: 0.999, noNaN: true });
    fc.assert(
      fc.property(fc.array(random, { minLength: 1, maxLength: 20 }), (randoms) => {
        let index = 0;
        const backOff = createBackOff({ firstMs: 100, maxMs: 1_500, random: () => randoms[index]! });
        for (; index < randoms.length; index += 1) {
          const pauseMs = Math.min(100 * 2 ** index, 1_500);
          const jittered = backOff.next();
          assert.ok(jittered >= pauseMs / 2 && jittered < pauseMs * 1.5, `${jittered} where ${pauseMs} was due`);
        }
        index = 0;
        backOff.reset();
        assert.ok(backOff.next() < 150);
      }),
    );
  });
});
