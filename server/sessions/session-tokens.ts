import { timingSafeEqual } from 'node:crypto';

import type { Clock } from '../clock.ts';
import type { KeyRing } from './key-ring.ts';

/** What a session's token says. It counts only while the session's record lives and has the same generation. */
interface SessionClaim {
  readonly session: string;
  readonly generation: number;
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
}

type SessionTokenVerdict =
  | { readonly ok: true; readonly generation: number; readonly expiresAt: number }
  | { readonly ok: false; readonly code: 'unauthorized' | 'expired' };

/** Tokens of sessions: derived, so that any replica verifies them and nobody stores them. */
export interface SessionTokens {
  /** `ll_<key id>.<generation>.<expiry>.<mac>`: base64url and dots only, so that it fits a WebSocket subprotocol. */
  mint(claim: SessionClaim): string;
  /** Another session's token never verifies; the caller still compares the generation with the record's. */
  verify(token: string, session: string): SessionTokenVerdict;
}

const TOKEN = /^ll_([A-Za-z0-9_-]{1,16})\.([0-9a-z]{1,11})\.([0-9a-z]{1,11})\.([A-Za-z0-9_-]{43})$/;

export const sessionTokens = (ring: KeyRing, clock: Pick<Clock, 'now'>): SessionTokens => ({
  mint: ({ session, generation, expiresAt }) => {
    const parts = [generation.toString(36), Math.floor(expiresAt).toString(36)];
    const mac = ring.hmac('session-token', [session, ...parts]).toString('base64url');
    return `ll_${ring.newestId}.${parts.join('.')}.${mac}`;
  },
  verify: (token, session) => {
    const match = TOKEN.exec(token);
    if (!match) return { ok: false, code: 'unauthorized' };
    const [, keyId, generation, expiry, given] = match as unknown as [string, string, string, string, string];
    const mac = ring.hmac('session-token', [session, generation, expiry], keyId)?.toString('base64url');
    // Compared as text: the last base64url character has bits to spare, so that two texts could decode to one mac.
    if (!mac || !timingSafeEqual(Buffer.from(mac), Buffer.from(given))) return { ok: false, code: 'unauthorized' };
    const expiresAt = Number.parseInt(expiry, 36);
    if (clock.now() >= expiresAt) return { ok: false, code: 'expired' };
    return { ok: true, generation: Number.parseInt(generation, 36), expiresAt };
  },
});

/**
 * The token that a session's own Jupyter server asks for: derived one way, so that it tells nothing about any other
 * session's, and without the form of a session token, so that the public proxy never accepts it.
 * Whoever starts the server keeps it: after a change of keys it would come out differently.
 */
export const upstreamToken = (ring: KeyRing, session: string): string =>
  ring.hmac('upstream-token', [session]).toString('base64url');

/** The same for servers that may outlive a change of keys: whoever starts one notes the id of the key, and finds the token by it. */
export const upstreamTokens = (ring: KeyRing) => ({
  keyId: ring.newestId,
  /** Undefined when there is no such key any more. */
  of: (session: string, keyId: string): string | undefined =>
    ring.hmac('upstream-token', [session], keyId)?.toString('base64url'),
});
