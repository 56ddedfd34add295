import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { MimeBundle, OutputMessage } from '../../../sdk/kernel.ts';
import { createOutputModel } from '../../../widget/outputs/output-model.ts';
import { outputText, type Output } from '../../../widget/outputs/output.ts';
import { emptyOutputs, reduceOutputs, type OutputLimits } from '../../../widget/outputs/reduce-outputs.ts';

const stream = (text: string, name: 'stdout' | 'stderr' = 'stdout'): OutputMessage => ({ type: 'stream', name, text });
const display = (text: string, displayId?: string): OutputMessage => ({
  type: 'display',
  data: { 'text/plain': text },
  metadata: {},
  ...(displayId === undefined ? {} : { displayId }),
});
const update = (displayId: string, text: string): OutputMessage => ({
  type: 'update',
  displayId,
  data: { 'text/plain': text },
  metadata: {},
});
const clear = (wait: boolean): OutputMessage => ({ type: 'clear', wait });

const after = (messages: readonly OutputMessage[], limits: Partial<OutputLimits> = {}): readonly Output[] =>
  messages.reduce(reduceOutputs, emptyOutputs(limits)).outputs;
const texts = (outputs: readonly Output[]): string[] =>
  outputs.map((output) => `${output.type === 'stream' ? output.name : output.type}:${outputText(output)}`);

describe('reduceOutputs', () => {
  it('joins streams of one name that follow each other, and no others', () => {
    const outputs = after([stream('a'), stream('b\n'), stream('e', 'stderr'), stream('c'), display('d'), stream('f')]);
    assert.deepEqual(texts(outputs), ['stdout:ab\n', 'stderr:e', 'stdout:c', 'display:d', 'stdout:f']);
  });

  it('carries a returned carriage over the border of two messages', () => {
    assert.deepEqual(texts(after([stream(' 10%'), stream('\r 20%'), stream('\r'), stream('done')])), ['stdout:done']);
  });

  it('gives the same outputs however the text of a stream is cut into messages', () => {
    const text = fc
      .array(
        fc.oneof(fc.string({ maxLength: 6 }), fc.constantFrom('\n', '\r', '\b', '\x1b[32m', '\x1b[0m', '\x1b[1A')),
        { maxLength: 60 },
      )
      .map((parts) => parts.join(''));
    fc.assert(
      fc.property(text, fc.array(fc.nat(400), { maxLength: 10 }), (whole, places) => {
        const cuts = [0, ...places.map((place) => place % (whole.length + 1)).sort((a, b) => a - b), whole.length];
        const parts = cuts.slice(1).map((end, index) => stream(whole.slice(cuts[index], end)));
        assert.deepEqual(after(parts, { maxLines: 8 }), after([stream(whole)], { maxLines: 8 }));
      }),
      { numRuns: 500 },
    );
  });

  it('updates every display with the id, wherever it stands, and keeps its identity', () => {
    const before = after([display('a', 'x'), stream('s'), display('b', 'y'), display('c', 'x')]);
    const outputs = after([display('a', 'x'), stream('s'), display('b', 'y'), display('c', 'x'), update('x', 'new')]);
    assert.deepEqual(texts(outputs), ['display:new', 'stdout:s', 'display:b', 'display:new']);
    assert.deepEqual(
      outputs.map((output) => output.id),
      before.map((output) => output.id),
    );
  });

  it('updates results with an id too, and ignores an update that belongs to another cell', () => {
    const result: OutputMessage = {
      type: 'result',
      data: { 'text/plain': 'old' },
      metadata: {},
      executionCount: 3,
      displayId: 'r',
    };
    assert.deepEqual(texts(after([result, update('r', 'new')])), ['result:new']);
    const state = reduceOutputs(emptyOutputs(), result);
    assert.equal(reduceOutputs(state, update('other', 'x')), state);
  });

  it('clears at once, or only when something comes to take the place', () => {
    assert.deepEqual(after([stream('a'), clear(false)]), []);
    assert.deepEqual(texts(after([stream('a'), clear(true)])), ['stdout:a']);
    assert.deepEqual(texts(after([stream('a'), clear(true), stream('b')])), ['stdout:b']);
    assert.deepEqual(texts(after([display('a', 'x'), clear(true), update('x', 'n')])), ['display:n']);
    assert.deepEqual(texts(after([stream('a'), clear(true), clear(false), stream('b'), stream('c')])), ['stdout:bc']);
  });

  it('never changes a state that was given out', () => {
    const message = fc.oneof(
      fc.string({ maxLength: 8 }).map((text) => stream(text)),
      fc.constantFrom(display('d', 'x'), update('x', 'u'), clear(true), clear(false), stream('e', 'stderr')),
    );
    fc.assert(
      fc.property(fc.array(message, { maxLength: 30 }), (messages) => {
        let state = emptyOutputs({ maxLines: 4, maxOutputs: 5 });
        for (const next of messages) {
          const copy = structuredClone(state);
          const result = reduceOutputs(state, next);
          assert.deepEqual(structuredClone(state), copy);
          state = result;
        }
      }),
    );
  });

  it('keeps names from a kernel out of the language', () => {
    const data = JSON.parse(
      '{"__proto__": {"polluted": true}, "constructor": "x", "text/plain": "safe"}',
    ) as MimeBundle;
    const [output] = after([{ type: 'display', data, metadata: data }]);
    assert.equal(output && outputText(output), 'safe');
    assert.equal(({} as Record<string, unknown>)['polluted'], undefined);
    assert.equal(Object.getPrototypeOf(output && 'data' in output ? output.data : {}), null);
  });

  it('keeps the newest outputs and counts the others', () => {
    const outputs = after(Array.from({ length: 5_000 }, (_, index) => display(`d${index}`)));
    const [first] = outputs;
    assert.equal(outputs.length, 1_001);
    assert.equal(first?.type === 'omitted' && first.outputs, 4_000);
    assert.equal(texts(outputs).at(-1), 'display:d4999');
    assert.equal(new Set(outputs.map((output) => output.id)).size, outputs.length);
  });

  it('holds text limits over all streams of a cell together, and leaves displays alone for them', () => {
    const messages = Array.from({ length: 400 }, (_, index) => [
      stream('line\n'.repeat(50), index % 2 ? 'stderr' : 'stdout'),
      ...(index === 0 ? [display('kept')] : []),
    ]).flat();
    const outputs = after(messages);
    const lines = outputs.flatMap((output) => (output.type === 'stream' ? outputText(output).split('\n') : []));
    assert.ok(lines.length <= 5_000);
    assert.ok(texts(outputs).includes('display:kept'));
    const [first] = outputs;
    assert.ok(first?.type === 'omitted' && first.lines > 14_000);
  });

  it('lets large data go before new data, and always shows the newest', () => {
    const image = (size: number): OutputMessage => ({
      type: 'display',
      data: { 'image/png': 'A'.repeat(size) },
      metadata: {},
    });
    assert.equal(after([image(60), image(60), image(60)], { maxDataChars: 200 }).length, 3);
    assert.equal(after([image(900), image(900)], { maxDataChars: 200 }).length, 2);
  });
});

describe('createOutputModel', () => {
  it('tells its listeners of changes only, until they stop listening', () => {
    const model = createOutputModel();
    let calls = 0;
    const stop = model.subscribe(() => (calls += 1));
    model.apply(stream('a'));
    model.apply(stream(''));
    model.apply(clear(true));
    model.apply(update('unknown', 'x'));
    assert.equal(calls, 1);
    model.clear();
    assert.equal(calls, 2);
    assert.deepEqual(model.outputs, []);
    stop();
    model.apply(stream('b'));
    assert.equal(calls, 2);
  });

  it('does not give an id out twice over a clear, so that a view never takes one output for another', () => {
    const model = createOutputModel();
    model.apply(display('a'));
    const [before] = model.outputs;
    model.clear();
    model.apply(display('b'));
    assert.notEqual(model.outputs[0]?.id, before?.id);
  });
});
