import { createHash, randomBytes } from 'node:crypto';

import type { KeyRing } from './key-ring.ts';
import { base32Name } from './session-name.ts';

const TOKEN_BYTES = 16;

/** Launch tokens: whoever has one may watch and cancel the launch and receive its session. */
export interface LaunchTokens {
  /** A new token: 128 random bits, base64url. */
  mint(): string;
  /** The token of an `Idempotency-Key` and a spec: the same two give the same one, on any replica. */
  derive(idempotencyKey: string, spec: string): string;
  /** The launch's id: 130 bits of the token's digest in lower-case base32; safe in addresses, labels, logs and file names. */
  idOf(token: string): string;
}

export const launchTokens = (ring: KeyRing): LaunchTokens => ({
  mint: () => randomBytes(TOKEN_BYTES).toString('base64url'),
  derive: (idempotencyKey, spec) =>
    ring.hmac('launch-token', [idempotencyKey, spec]).subarray(0, TOKEN_BYTES).toString('base64url'),
  idOf: (token) => base32Name(createHash('sha256').update(token).digest()),
});
