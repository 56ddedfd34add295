import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import fc from 'fast-check';
import { findCredentials } from '../../../server/registry/docker-config.ts';
import { parseChallenges } from '../../../server/registry/www-authenticate.ts';
import { openBuildScripts } from './build-scripts.ts';

const scripts = await openBuildScripts();
after(scripts.close);

const encode = (text: string) => Buffer.from(text).toString('base64');

describe('The login of a push', () => {
  it('finds the credentials that the hub finds in the same file', async () => {
    const host = fc.constantFrom(
      'a.example',
      'a.example:5000',
      'A.example',
      'docker.io',
      'index.docker.io',
      'localhost',
    );
    const key = fc
      .tuple(
        fc.constantFrom('', 'https://', 'http://'),
        host,
        fc.constantFrom('', '/', '/v1/', '/v2', '/team', '/team/sub/', '/tea'),
      )
      .map((parts) => parts.join(''));
    const entry = fc.oneof(
      fc.constantFrom({}, null, 'text', { auth: encode('no colon') }, { username: 'only' }),
      fc.record({ auth: fc.constantFrom('me:secret', 'me:a:b', 'mé:ü', ':').map(encode) }, { noNullPrototype: true }),
      fc.constant({ username: 'me', password: 'secret' }),
      fc.constant({ auth: encode('me:'), identitytoken: 'refresh' }),
      fc.constant({ registrytoken: 'ready' }),
    );
    const auths = fc.dictionary(key, entry, { maxKeys: 4, noNullPrototype: true });
    const repository = fc.constantFrom('a', 'team', 'team/a', 'team/sub/a', 'teams/a');
    const cases = fc.sample(fc.tuple(auths, host, repository), 1_500);
    const found = (await scripts.evaluate(
      `from registry_login import find_credentials
print(json.dumps([find_credentials({"auths": auths}, host, repository) for auths, host, repository in given]))`,
      cases,
    )) as { name?: string; password?: string; identity?: string; access?: string }[];
    for (const [at, [given, where, what]] of cases.entries()) {
      const here = findCredentials(JSON.stringify({ auths: given }), where, what);
      const { name, password, identity, access } = found[at]!;
      const there = access
        ? { kind: 'access-token', token: access }
        : identity
          ? { kind: 'identity-token', token: identity }
          : name === undefined
            ? undefined
            : { kind: 'password', username: name, password };
      assert.deepEqual(there, here, JSON.stringify(cases[at]));
    }
  });

  it('reads the challenges that the hub reads', async () => {
    const value = fc.oneof(
      fc.constantFrom(
        'https://auth.example/token',
        'repository:a/b:pull,push repository:c:pull',
        'a "quoted" \\ one',
        '',
      ),
      fc.string({ unit: fc.constantFrom(...'ab,= "\\/'), maxLength: 8 }),
    );
    const parameters = fc.uniqueArray(fc.tuple(fc.constantFrom('realm', 'service', 'scope', 'error'), value), {
      minLength: 1,
      selector: ([name]) => name,
    });
    const headers = fc
      .uniqueArray(fc.tuple(fc.constantFrom('Bearer', 'Basic', 'Digest'), parameters), {
        minLength: 1,
        selector: ([scheme]) => scheme,
      })
      .map((challenges) =>
        challenges
          .map(
            ([scheme, given]) =>
              `${scheme} ${given.map(([name, text]) => `${name}="${text.replace(/["\\]/g, '\\$&')}"`).join(',')}`,
          )
          .join(', '),
      );
    const cases = [
      ...fc.sample(headers, 400),
      'Basic realm="x"',
      'bearer realm=https://auth.example/token,service=plain',
      'Negotiate, Basic realm="x"',
      '',
    ];
    const read = await scripts.evaluate(
      `from registry_login import parse_challenges
print(json.dumps([parse_challenges([header]) for header in given]))`,
      cases,
    );
    for (const [at, header] of cases.entries()) {
      const here = Object.fromEntries(parseChallenges(header).map((each) => [each.scheme, { ...each.parameters }]));
      assert.deepEqual((read as unknown[])[at], here, header);
    }
  });
});
