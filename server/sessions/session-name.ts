import { randomBytes } from 'node:crypto';

const ALPHABET = 'abcdefghijklmnopqrstuvwxyz234567';

/** Characters in a name: 26 of 5 bits each, 130 bits. */
const NAME_LENGTH = 26;

/** Bytes needed for 26 base32 characters. */
const NAME_BYTES = 17;

/** The first 130 bits of at least 17 bytes as 26 lower-case base32 characters: safe in addresses, labels and file names. */
export const base32Name = (bytes: Uint8Array): string => {
  let name = '';
  let bits = 0;
  let value = 0;
  for (const byte of bytes) {
    value = (value << 8) | byte;
    bits += 8;
    while (bits >= 5 && name.length < NAME_LENGTH) {
      bits -= 5;
      name += ALPHABET[(value >>> bits) & 31];
      value &= (1 << bits) - 1;
    }
  }
  if (name.length < NAME_LENGTH) throw new RangeError(`a name needs ${NAME_BYTES} bytes, got ${bytes.length}`);
  return name;
};

/** A new session's name: 130 random bits, never the same twice. */
export const newSessionName = (): string => base32Name(randomBytes(NAME_BYTES));

const SESSION_NAME = /^[a-z2-7]{26}$/;

/** Whether a text has the form of a session's name. */
export const isSessionName = (text: string): boolean => SESSION_NAME.test(text);
