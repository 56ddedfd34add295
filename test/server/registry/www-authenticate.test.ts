import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { parseChallenges } from '../../../server/registry/www-authenticate.ts';

describe('A WWW-Authenticate header', () => {
  it('is taken apart as registries send it', () => {
    const [bearer, ...none] = parseChallenges(
      'Bearer realm="https://auth.example.org/token",service="registry.example.org",scope="repository:a/b:pull,push"',
    );
    assert.deepEqual(none, []);
    assert.deepEqual(
      { ...bearer, parameters: { ...bearer?.parameters } },
      {
        scheme: 'bearer',
        parameters: {
          realm: 'https://auth.example.org/token',
          service: 'registry.example.org',
          scope: 'repository:a/b:pull,push',
        },
      },
    );
  });

  it('may hold several challenges, in one line or in many', () => {
    const schemes = (header: string | string[]) => parseChallenges(header).map(({ scheme }) => scheme);
    assert.deepEqual(schemes('Basic realm="a, b", Bearer realm=c,service="d"'), ['basic', 'bearer']);
    assert.deepEqual(schemes(['Negotiate', 'BASIC Realm="x"']), ['negotiate', 'basic']);
    assert.deepEqual(schemes('Negotiate, Basic realm="x"'), ['negotiate', 'basic']);
    assert.deepEqual(schemes(''), []);
  });

  it('comes back as it was written, whatever its values hold', () => {
    const value = fc.string({ unit: fc.constantFrom(...'a",\\ =:/;', 'ü') });
    const name = fc.constantFrom('realm', 'service', 'scope', 'error');
    const scheme = fc.constantFrom('basic', 'bearer', 'digest');
    const parameters = fc.uniqueArray(fc.tuple(name, value), { minLength: 1, selector: ([key]) => key });
    const challenge = fc.record({ scheme, parameters }, { noNullPrototype: true });
    fc.assert(
      fc.property(fc.array(challenge, { minLength: 1, maxLength: 3 }), (given) => {
        const header = given
          .map((each) => {
            const quoted = each.parameters.map(([key, text]) => `${key}="${text.replace(/["\\]/g, '\\$&')}"`);
            return `${each.scheme} ${quoted.join(', ')}`;
          })
          .join(', ');
        const parsed = parseChallenges(header).map((each) => ({
          scheme: each.scheme,
          parameters: Object.entries(each.parameters),
        }));
        assert.deepEqual(parsed, given);
      }),
    );
  });

  it('that is garbage is survived, in time that does not explode', () => {
    fc.assert(fc.property(fc.string(), (text) => void parseChallenges(text)));
    for (const text of [
      '"'.repeat(50_000),
      'a="\\'.repeat(20_000),
      ' '.repeat(50_000),
      `Basic ${'a=,'.repeat(20_000)}`,
    ]) {
      const began = performance.now();
      parseChallenges(text);
      assert.ok(performance.now() - began < 2_000, text.slice(0, 10));
    }
  });
});
