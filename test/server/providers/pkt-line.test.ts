import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  FLUSH,
  lsRefsRequest,
  packet,
  PacketError,
  readAdvertisement,
  readLsRefs,
  readPackets,
} from '../../../server/providers/pkt-line.ts';

const A = 'a'.repeat(40);
const B = 'b'.repeat(40);

describe('Packets of git', () => {
  it('come back as they were framed', () => {
    const text = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 200 }).filter((value) => !value.endsWith('\n'));
    fc.assert(
      fc.property(fc.array(text, { maxLength: 20 }), (texts) => {
        const bytes = Buffer.from(texts.map((value) => packet(`${value}\n`)).join('') + FLUSH);
        assert.deepEqual(readPackets(bytes), [...texts, undefined]);
      }),
    );
  });

  it('are refused, and nothing worse, when the bytes are anything else', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        for (const read of [readPackets, readAdvertisement, readLsRefs]) {
          try {
            read(Buffer.from(bytes));
          } catch (error) {
            assert.ok(error instanceof PacketError, String(error));
          }
        }
      }),
      { numRuns: 2_000 },
    );
  });

  it('tell a version 2 host from an old one', () => {
    const v2 = `${packet('# service=git-upload-pack\n')}${FLUSH}${packet('version 2\n')}${packet('object-format=sha256\n')}${FLUSH}`;
    assert.deepEqual(readAdvertisement(Buffer.from(v2)), { version: 2, objectFormat: 'sha256' });
    const v0 = [
      packet('# service=git-upload-pack\n'),
      FLUSH,
      packet(`${A} HEAD\0multi_ack symref=HEAD:refs/heads/main\n`),
      packet(`${A} refs/heads/main\n`),
      packet(`${B} refs/tags/v1\n`),
      packet(`${A} refs/tags/v1^{}\n`),
      FLUSH,
    ].join('');
    assert.deepEqual(readAdvertisement(Buffer.from(v0)), {
      version: 0,
      refs: [
        { name: 'HEAD', id: A },
        { name: 'refs/heads/main', id: A },
        { name: 'refs/tags/v1', id: B, peeled: A },
      ],
    });
    const empty = `${packet(`${'0'.repeat(40)} capabilities^{}\0agent=git\n`)}${FLUSH}`;
    assert.deepEqual(readAdvertisement(Buffer.from(empty)), { version: 0, refs: [] });
  });

  it('hold peeled tags, and say an error of the host', () => {
    const bytes = `${packet(`${B} refs/tags/v1 peeled:${A}\n`)}${packet('unborn HEAD symref-target:refs/heads/main\n')}${FLUSH}`;
    assert.deepEqual(readLsRefs(Buffer.from(bytes)), [{ name: 'refs/tags/v1', id: B, peeled: A }]);
    assert.throws(() => readLsRefs(Buffer.from(packet('ERR upload-pack: no\n'))), /upload-pack: no/);
    assert.throws(() => readLsRefs(Buffer.from(packet('zzz refs/heads/main\n'))), PacketError);
  });

  it('ask for several prefixes at once', () => {
    const request = lsRefsRequest(['refs/heads/x', 'refs/tags/x'], 'sha1');
    assert.deepEqual(readPackets(Buffer.from(request)), [
      'command=ls-refs',
      'object-format=sha1',
      undefined,
      'peel',
      'symrefs',
      'ref-prefix refs/heads/x',
      'ref-prefix refs/tags/x',
      undefined,
    ]);
  });
});
