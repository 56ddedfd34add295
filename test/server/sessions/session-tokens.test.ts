import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import fc from 'fast-check';

import { keyRing, type Key } from '../../../server/sessions/key-ring.ts';
import { launchTokens } from '../../../server/sessions/launch-tokens.ts';
import { isSessionName, newSessionName } from '../../../server/sessions/session-name.ts';
import { sessionTokens, upstreamToken } from '../../../server/sessions/session-tokens.ts';

const key = (id: string, fill: number, createdAt: number): Key => ({
  id,
  secret: Buffer.alloc(32, fill).toString('base64url'),
  createdAt,
});
const old = key('old', 1, 1000);
const fresh = key('fresh', 2, 2000);
const NOW = 1_700_000_000_000;

/** Tokens of a ring at a time that a test can move. */
const tokensAt = (keys: readonly Key[], now = NOW) => {
  const clock = { at: now, now: () => clock.at };
  const ring = keyRing(keys);
  return { ring, clock, tokens: sessionTokens(ring, clock) };
};

const aName = fc
  .uint8Array({ minLength: 26, maxLength: 26 })
  .map((bytes) => [...bytes].map((byte) => 'abcdefghijklmnopqrstuvwxyz234567'[byte % 32]).join(''));
const aClaim = fc.record({
  session: aName,
  generation: fc.integer({ min: 0, max: 1_000_000 }),
  expiresAt: fc.integer({ min: NOW + 1, max: NOW + 1e11 }),
});

describe('session names', () => {
  it('are 26 base32 characters, never the same twice', () => {
    const names = new Set(Array.from({ length: 2000 }, newSessionName));
    assert.equal(names.size, 2000);
    for (const name of names) assert.ok(isSessionName(name), name);
  });
  it('use every character of the alphabet at every place', () => {
    const names = Array.from({ length: 3000 }, newSessionName);
    for (let place = 0; place < 26; place += 1) assert.equal(new Set(names.map((name) => name[place])).size, 32);
  });
  it('are told from anything else', () => {
    for (const text of [
      '',
      'a',
      'A'.repeat(26),
      'a'.repeat(25),
      'a'.repeat(27),
      `${'a'.repeat(25)}1`,
      `${'a'.repeat(26)}\n`,
    ])
      assert.equal(isSessionName(text), false, JSON.stringify(text));
  });
});

describe('session tokens', () => {
  it('verify for their session and say generation and expiry', () => {
    const { tokens } = tokensAt([old]);
    fc.assert(
      fc.property(aClaim, (claim) => {
        const token = tokens.mint(claim);
        assert.match(token, /^ll_[A-Za-z0-9_.-]+$/);
        const { generation, expiresAt } = claim;
        assert.deepEqual(tokens.verify(token, claim.session), { ok: true, generation, expiresAt });
      }),
    );
  });

  it('never verify for another session', () => {
    const { tokens } = tokensAt([old]);
    fc.assert(
      fc.property(aClaim, aName, (claim, other) => {
        fc.pre(other !== claim.session);
        assert.deepEqual(tokens.verify(tokens.mint(claim), other), { ok: false, code: 'unauthorized' });
      }),
    );
  });

  it('do not survive a change of any character, or a cut, or an addition', () => {
    const { tokens } = tokensAt([old]);
    const session = newSessionName();
    const token = tokens.mint({ session, generation: 3, expiresAt: NOW + 5000 });
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.= ';
    for (let at = 0; at < token.length; at += 1) {
      for (const character of alphabet) {
        if (character === token[at]) continue;
        const forged = token.slice(0, at) + character + token.slice(at + 1);
        assert.deepEqual(tokens.verify(forged, session), { ok: false, code: 'unauthorized' }, forged);
      }
      assert.equal(tokens.verify(token.slice(0, at), session).ok, false);
      assert.equal(tokens.verify(`${token.slice(0, at)}a${token.slice(at)}`, session).ok, false);
    }
  });

  it('refuse whatever text they are given without throwing', () => {
    const { tokens } = tokensAt([old]);
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.string()), (text) => {
        assert.deepEqual(tokens.verify(text, 'a'.repeat(26)), { ok: false, code: 'unauthorized' });
      }),
    );
  });

  it('expire at their time, not before', () => {
    const { tokens, clock } = tokensAt([old]);
    const session = newSessionName();
    const token = tokens.mint({ session, generation: 1, expiresAt: NOW + 600_000 });
    clock.at = NOW + 599_999;
    assert.equal(tokens.verify(token, session).ok, true);
    clock.at = NOW + 600_000;
    assert.deepEqual(tokens.verify(token, session), { ok: false, code: 'expired' });
    assert.deepEqual(tokens.verify(token, newSessionName()), { ok: false, code: 'unauthorized' });
    clock.at = NOW - 600_000;
    assert.equal(tokens.verify(token, session).ok, true);
  });

  it('go on verifying after a new key, until the old one is removed', () => {
    const session = newSessionName();
    const claim = { session, generation: 1, expiresAt: NOW + 1000 };
    const before = tokensAt([old]).tokens.mint(claim);
    const both = tokensAt([fresh, old]).tokens;
    const after = both.mint(claim);
    assert.ok(after.startsWith('ll_fresh.'));
    assert.ok(both.verify(before, session).ok && both.verify(after, session).ok);
    assert.equal(tokensAt([fresh]).tokens.verify(before, session).ok, false);
    assert.equal(tokensAt([old]).tokens.verify(after.replace('fresh', 'old'), session).ok, false);
  });
});

describe('upstream tokens', () => {
  it('are the same each time, differ for each session, and are no session tokens', () => {
    const { ring, tokens } = tokensAt([old]);
    const [left, right] = [newSessionName(), newSessionName()];
    assert.equal(upstreamToken(ring, left), upstreamToken(ring, left));
    assert.notEqual(upstreamToken(ring, left), upstreamToken(ring, right));
    assert.match(upstreamToken(ring, left), /^[A-Za-z0-9_-]{43}$/);
    assert.equal(tokens.verify(upstreamToken(ring, left), left).ok, false);
    assert.equal(tokens.verify(`ll_old.1.zzzzzzzz.${upstreamToken(ring, left)}`, left).ok, false);
  });
});

describe('launch tokens', () => {
  const launches = launchTokens(keyRing([old]));
  it('are 128 bits, new each time', () => {
    const minted = new Set(Array.from({ length: 1000 }, launches.mint));
    assert.equal(minted.size, 1000);
    for (const token of minted) assert.equal(Buffer.from(token, 'base64url').length, 16);
  });
  it('come out the same for the same key and spec, and otherwise not', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), fc.string(), fc.string(), (key1, spec1, key2, spec2) => {
        assert.equal(launches.derive(key1, spec1), launches.derive(key1, spec1));
        if (key1 !== key2 || spec1 !== spec2)
          assert.notEqual(launches.derive(key1, spec1), launches.derive(key2, spec2));
      }),
    );
    assert.notEqual(launches.derive('ab', 'c'), launches.derive('a', 'bc'));
    assert.notEqual(launches.derive('a', 'b'), launchTokens(keyRing([fresh])).derive('a', 'b'));
  });
  it('have an id that names a file, an address and a label, and does not give the token away', () => {
    for (let count = 0; count < 500; count += 1) {
      const token = launches.mint();
      assert.match(launches.idOf(token), /^[a-z2-7]{26}$/);
      assert.equal(launches.idOf(token), launches.idOf(token));
    }
    assert.equal(new Set(Array.from({ length: 1000 }, () => launches.idOf(launches.mint()))).size, 1000);
  });
});
