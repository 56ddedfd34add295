import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { classifyAddress } from '../../../server/network/address-class.ts';
import { createAddressPolicy, curlResolve, pinnedLookup } from '../../../server/network/address-policy.ts';
import { HubError } from '../../../server/errors.ts';
import { FORBIDDEN_ANSWERS, FORBIDDEN_HOSTS } from '../../helpers/address-spellings.ts';

const { signal } = new AbortController();

/** What a check ends in: `ok`, or the error's code. */
const outcome = async (policy: ReturnType<typeof createAddressPolicy>, address: string): Promise<string> =>
  policy.check(address, signal).then(
    () => 'ok',
    (error: unknown) => {
      assert.ok(error instanceof HubError, `${address} failed with ${String(error)}`);
      return error.code;
    },
  );

const answering = (...answers: string[]) => createAddressPolicy({}, async () => answers);

describe('The address policy', () => {
  it('refuses every spelling of every inner address, and asks no resolver for a literal', async () => {
    assert.ok(FORBIDDEN_HOSTS.length >= 300, `${FORBIDDEN_HOSTS.length} spellings`);
    const asked: string[] = [];
    const policy = createAddressPolicy({}, async (host) => {
      asked.push(host);
      return [];
    });
    for (const host of FORBIDDEN_HOSTS) {
      const code = await outcome(policy, `https://${host}/owner/name.git`);
      assert.ok(code === 'policy' || code === 'bad_spec', `https://${host}/ gave ${code}`);
    }
    assert.deepEqual(asked, []);
  });

  it('refuses a name as soon as one of its answers is inside, wherever it stands among public ones', async () => {
    for (const answer of FORBIDDEN_ANSWERS) {
      assert.equal(await outcome(answering(answer), 'https://a.example/x'), 'policy', answer);
      assert.equal(await outcome(answering('140.82.121.3', answer), 'https://a.example/x'), 'policy', answer);
      assert.equal(await outcome(answering(answer, '2606:50c0:8000::153'), 'https://a.example/x'), 'policy', answer);
    }
  });

  it('allows public addresses and gives exactly those that were checked', async () => {
    const target = await answering('140.82.121.3', '2606:50c0:8000::153').check('https://Example.ORG./x.git', signal);
    assert.equal(target.host, 'example.org');
    assert.deepEqual(target.addresses, [
      { address: '140.82.121.3', family: 4 },
      { address: '2606:50c0:8000::153', family: 6 },
    ]);
    assert.equal(target.url.href, 'https://example.org/x.git');
    assert.equal(curlResolve(target), 'example.org:443:140.82.121.3,[2606:50c0:8000::153]');
  });

  it('refuses plain http, other ports and other schemes of hosts that nobody named', async () => {
    const policy = answering('140.82.121.3');
    assert.equal(await outcome(policy, 'http://example.org/x'), 'policy');
    assert.equal(await outcome(policy, 'https://example.org:8443/x'), 'policy');
    for (const address of [
      'ftp://example.org/',
      'file:///etc/passwd',
      'ext::sh',
      'https://u:p@example.org/',
      'https://',
      '/x',
    ])
      assert.equal(await outcome(policy, address), 'bad_spec', address);
  });

  it('reaches what the owner named: a host, a host with its port, an address, a range', async () => {
    const policy = createAddressPolicy(
      { private: ['git.intranet', 'localhost:3000', '10.1.0.0/16', '192.168.7.7', '[::1]:8080'] },
      async (host) => (host === 'mixed.example' ? ['10.1.2.3', '10.2.2.3'] : ['10.9.9.9']),
    );
    assert.equal(await outcome(policy, 'http://git.intranet/x'), 'ok');
    assert.equal(await outcome(policy, 'https://GIT.intranet:8443/x'), 'ok');
    assert.equal(await outcome(policy, 'http://other.intranet/x'), 'policy');
    assert.equal(await outcome(policy, 'http://localhost:3000/x'), 'ok');
    assert.equal(await outcome(policy, 'http://localhost:3001/x'), 'policy');
    assert.equal(await outcome(policy, 'http://10.1.200.3:81/x'), 'ok');
    assert.equal(await outcome(policy, 'http://10.2.0.1/x'), 'policy');
    assert.equal(await outcome(policy, 'http://192.168.7.7/x'), 'ok');
    assert.equal(await outcome(policy, 'http://[::ffff:192.168.7.7]/x'), 'ok');
    assert.equal(await outcome(policy, 'http://[::1]:8080/x'), 'ok');
    assert.equal(await outcome(policy, 'http://[::1]/x'), 'policy');
    assert.equal(await outcome(policy, 'https://mixed.example/x'), 'policy');
  });

  it('says which entry of network.private is none', () => {
    for (const entry of ['a b', '*', 'http://x', '10.0.0.0/99', ''])
      assert.throws(() => createAddressPolicy({ private: [entry] }), /network\.private/, entry);
  });

  it('refuses host names that mean something to curl', async () => {
    for (const host of ['*', '-a.example', '+a.example', 'a,b.example', 'a..example', "a'b.example"]) {
      const code = await outcome(answering('140.82.121.3'), `https://${host}/x`);
      assert.equal(code, 'bad_spec', host);
    }
  });

  it('says so when a name cannot be resolved, and stops waiting when told to', async () => {
    const failing = createAddressPolicy({}, async () => Promise.reject(new Error('ENOTFOUND')));
    assert.equal(await outcome(failing, 'https://nowhere.example/x'), 'host_down');
    assert.equal(await outcome(answering(), 'https://nowhere.example/x'), 'host_down');
    const hanging = createAddressPolicy({}, () => new Promise(() => {}));
    const stop = new AbortController();
    const waiting = hanging.check('https://slow.example/x', stop.signal);
    stop.abort(new Error('enough'));
    await assert.rejects(waiting, /enough/);
  });

  it('lets a connection see the checked addresses only, whatever name it asks for', async () => {
    const lookup = pinnedLookup(await answering('140.82.121.3').check('https://a.example/x', signal));
    const ask = (host: string) =>
      new Promise((resolve) => lookup(host, { all: true }, (error, found) => resolve(error?.message ?? found)));
    assert.deepEqual(await ask('a.example'), [{ address: '140.82.121.3', family: 4 }]);
    assert.equal(await ask('b.example'), 'b.example was not checked');
  });

  it('takes no IPv4 address of a private block for a public one, however it is mapped', () => {
    const byte = fc.integer({ min: 0, max: 255 });
    const blocks = fc.oneof(
      fc.tuple(fc.constantFrom(0, 10, 127), byte, byte, byte),
      fc.tuple(fc.constant(172), fc.integer({ min: 16, max: 31 }), byte, byte),
      fc.tuple(fc.constant(192), fc.constant(168), byte, byte),
      fc.tuple(fc.constant(169), fc.constant(254), byte, byte),
      fc.tuple(fc.constant(100), fc.integer({ min: 64, max: 127 }), byte, byte),
      fc.tuple(fc.integer({ min: 224, max: 255 }), byte, byte, byte),
    );
    fc.assert(
      fc.property(blocks, (bytes) => {
        const address = bytes.join('.');
        for (const text of [address, `::ffff:${address}`, `64:ff9b::${address}`, `::${address}`])
          assert.notEqual(classifyAddress(text), 'unicast', text);
      }),
    );
  });
});
