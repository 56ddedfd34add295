import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import fc from 'fast-check';

import { createFrameCounter } from '../../../server/proxy/frames.ts';

interface Frame {
  readonly opcode: number;
  readonly final: boolean;
  readonly length: number;
}

/** A masked frame as a client writes it. */
const frameBytes = ({ opcode, final, length }: Frame): Buffer => {
  const extended =
    length < 126
      ? Buffer.from([0x80 | length])
      : length < 65_536
        ? Buffer.from([0x80 | 126, length >> 8, length & 255])
        : Buffer.concat([Buffer.from([0x80 | 127]), Buffer.from(BigInt(length).toString(16).padStart(16, '0'), 'hex')]);
  return Buffer.concat([
    Buffer.from([(final ? 0x80 : 0) | opcode]),
    extended,
    Buffer.from([1, 2, 3, 4]),
    Buffer.alloc(length, 0x89),
  ]);
};

const dataFrame = fc.record({
  opcode: fc.constantFrom(0, 1, 2),
  final: fc.boolean(),
  length: fc.oneof(fc.integer({ min: 0, max: 200 }), fc.constantFrom(125, 126, 127, 65_535, 65_536, 70_000)),
});
const controlFrame = fc.record({
  opcode: fc.constantFrom(8, 9, 10),
  final: fc.constant(true),
  length: fc.integer({ min: 0, max: 125 }),
});

describe('the frame counter', () => {
  it('counts data and control frames however the stream is cut', () => {
    const stream = fc.array(fc.oneof(dataFrame, controlFrame), { maxLength: 12 });
    const cuts = fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(stream, cuts, (frames, sizes) => {
        const bytes = Buffer.concat(frames.map(frameBytes));
        const counter = createFrameCounter();
        const total = { data: 0, control: 0 };
        for (let at = 0, index = 0; at < bytes.length; index += 1) {
          const size = sizes[index % sizes.length]!;
          const { data, control, broken } = counter.push(bytes.subarray(at, at + size));
          assert.equal(broken, false);
          total.data += data;
          total.control += control;
          at += size;
        }
        assert.equal(total.data, frames.filter(({ opcode }) => opcode < 8).length);
        assert.equal(total.control, frames.filter(({ opcode }) => opcode >= 8).length);
      }),
    );
  });

  const broken: readonly [string, number[]][] = [
    ['an unmasked frame', [0x81, 0x01, 0x41]],
    ['a reserved bit', [0xc1, 0x80, 0, 0, 0, 0]],
    ['a reserved data opcode', [0x83, 0x80, 0, 0, 0, 0]],
    ['a reserved control opcode', [0x8b, 0x80, 0, 0, 0, 0]],
    ['a control frame in parts', [0x09, 0x80, 0, 0, 0, 0]],
    ['a long control frame', [0x89, 0xfe, 0, 126, 0, 0, 0, 0]],
    ['text that is no frame', [...Buffer.from('GET / HTTP/1.1')]],
  ];
  for (const [what, bytes] of broken)
    it(`knows ${what} and stays with it`, () => {
      const counter = createFrameCounter();
      assert.equal(counter.push(frameBytes({ opcode: 1, final: true, length: 3 })).data, 1);
      assert.equal(counter.push(Buffer.from(bytes)).broken, true);
      assert.equal(counter.push(frameBytes({ opcode: 1, final: true, length: 3 })).broken, true);
    });
});
