import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { HubError } from '../../../server/errors.ts';
import {
  formatImageReference,
  locateImage,
  parseImageReference,
  wantedOf,
} from '../../../server/registry/image-reference.ts';

const DIGEST = `sha256:${'0123456789abcdef'.repeat(4)}`;

const word = (first: string, rest: string, maxLength: number) =>
  fc
    .tuple(fc.constantFrom(...first), fc.string({ unit: fc.constantFrom(...rest), maxLength }))
    .map(([head, tail]) => head + tail);
const LOWER = 'abcxyz0189';
const component = fc
  .array(word(LOWER, LOWER, 5), { minLength: 1, maxLength: 3 })
  .chain((words) =>
    fc
      .array(fc.constantFrom('.', '_', '__', '-', '---'), { minLength: words.length - 1, maxLength: words.length - 1 })
      .map((between) => words.map((each, index) => each + (between[index] ?? '')).join('')),
  );
const repository = fc.array(component, { minLength: 2, maxLength: 4 }).map((parts) => parts.join('/'));
const host = fc.oneof(
  fc.tuple(word(LOWER, LOWER, 6), fc.constantFrom('example.org', 'local', 'b-c.org')).map((parts) => parts.join('.')),
  fc.constantFrom('localhost', '127.0.0.1', '[::1]', '10.201.0.1', 'docker.io'),
);
const reference = fc.record(
  {
    host: fc
      .tuple(host, fc.option(fc.integer({ min: 1, max: 65_535 })))
      .map(([name, port]) => (port === null ? name : `${name}:${port}`)),
    repository,
    tag: word(`${LOWER}_ABZ`, `${LOWER}_ABZ.-`, 20),
    digest: fc.constant(DIGEST),
  },
  { requiredKeys: ['host', 'repository'], noNullPrototype: true },
);

describe('An image reference', () => {
  it('comes back from its spelling as it was', () => {
    fc.assert(
      fc.property(reference, (given) => {
        assert.deepEqual(parseImageReference(formatImageReference(given)), given);
      }),
    );
  });

  it('of any text is refused with a sentence or has one spelling, which means the same', () => {
    const text = fc.oneof(
      fc.string(),
      fc.string({ unit: fc.constantFrom(...'ab0./:@-_A', 'sha256:', DIGEST) }),
      fc.tuple(reference.map(formatImageReference), fc.string({ maxLength: 3 })).map((parts) => parts.join('')),
    );
    fc.assert(
      fc.property(text, (given) => {
        let parsed;
        try {
          parsed = parseImageReference(given);
        } catch (error) {
          assert.ok(error instanceof HubError && error.code === 'bad_spec', String(error));
          return;
        }
        assert.deepEqual(parseImageReference(formatImageReference(parsed)), parsed);
        assert.ok(URL.canParse(`https://${parsed.host}/v2/${parsed.repository}/`), given);
      }),
      { numRuns: 2_000 },
    );
  });

  it('tells hosts from folders, tags from ports, and gives Docker Hub its names', () => {
    const parse = (text: string) => {
      const { host: at, repository: name, tag, digest } = parseImageReference(text);
      return [at, name, tag, digest];
    };
    assert.deepEqual(parse('10.201.0.1:5000/base'), ['10.201.0.1:5000', 'base', undefined, undefined]);
    assert.deepEqual(parse(`localhost/a/b:1.0@${DIGEST}`), ['localhost', 'a/b', '1.0', DIGEST]);
    assert.deepEqual(parse('debian'), ['docker.io', 'library/debian', undefined, undefined]);
    assert.deepEqual(parse('jupyter/base:2026'), ['docker.io', 'jupyter/base', '2026', undefined]);
    assert.deepEqual(parse('index.docker.io/jupyter/base'), ['docker.io', 'jupyter/base', undefined, undefined]);
  });

  it('refuses what no registry takes', () => {
    for (const text of [
      '',
      '/',
      'a/',
      '/a',
      'a//b',
      'UPPER',
      'example.org/Upper',
      'a:',
      'a:-x',
      'a@',
      'a@sha256:12',
      `a@md5:${'0'.repeat(32)}`,
      'a b',
      'a/../b',
      'a/.b',
      'a_-b',
      'https://example.org/a',
      'user@example.org/a',
      `example.org/${'a'.repeat(256)}`,
      `a:${'t'.repeat(129)}`,
      'ex_ample.org/a',
      'example.org:port/a',
    ])
      // prettier-ignore
      assert.throws(() => parseImageReference(text), HubError, JSON.stringify(text));
  });

  it('is asked for by digest before tag, and by "latest" where it names neither', () => {
    assert.equal(wantedOf(parseImageReference(`example.org/a:1@${DIGEST}`)), DIGEST);
    assert.equal(wantedOf(parseImageReference('example.org/a:1')), '1');
    assert.equal(wantedOf(parseImageReference('example.org/a')), 'latest');
  });

  it('lies at the hub’s own registry over what that speaks, and elsewhere over https', () => {
    const at = (text: string) => locateImage(parseImageReference(text), 'http://10.201.0.1:5000/').registry;
    assert.equal(at('10.201.0.1:5000/a'), 'http://10.201.0.1:5000');
    assert.equal(at('10.201.0.1:5001/a'), 'https://10.201.0.1:5001');
    assert.equal(at('example.org/a'), 'https://example.org');
    assert.equal(at('debian'), 'https://registry-1.docker.io');
  });
});
