import { createHash, generateKeyPairSync, sign } from 'node:crypto';

/** One element of a certificate's encoding (DER). */
const element = (tag: number, ...parts: readonly Uint8Array[]): Buffer => {
  const content = Buffer.concat(parts);
  const { length } = content;
  const head = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...head]), content]);
};
const sequence = (...parts: readonly Uint8Array[]) => element(0x30, ...parts);
const identifier = (hex: string) => element(0x06, Buffer.from(hex, 'hex'));
const octets = (content: Uint8Array) => element(0x04, content);
const bits = (unused: number, content: Uint8Array) => element(0x03, Buffer.from([unused]), content);
const time = (date: Date) =>
  element(
    0x17,
    Buffer.from(date.toISOString().replace(/^\d\d(\d\d)-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d).*$/, '$1$2$3$4$5$6Z')),
  );

const ECDSA_WITH_SHA256 = sequence(identifier('2a8648ce3d040302'));
const TRUE = Buffer.from([0x01, 0x01, 0xff]);
const DAY_MS = 86_400_000;

/** A certificate for 127.0.0.1 of an authority that nobody knows, which is itself; valid from yesterday for a week. PEM. */
export const selfSignedCertificate = (): { readonly key: string; readonly cert: string } => {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const spki = publicKey.export({ type: 'spki', format: 'der' });
  const name = sequence(element(0x31, sequence(identifier('550403'), element(0x0c, Buffer.from('liveleaf test')))));
  const extension = (id: string, value: Uint8Array, ...critical: readonly Uint8Array[]) =>
    sequence(identifier(id), ...critical, octets(value));
  const extensions = sequence(
    extension('551d13', sequence(TRUE), TRUE),
    // digitalSignature and keyCertSign
    extension('551d0f', bits(2, Buffer.from([0x84])), TRUE),
    extension('551d0e', octets(createHash('sha1').update(spki).digest())),
    extension('551d11', sequence(element(0x87, Buffer.from([127, 0, 0, 1])))),
  );
  const now = Date.now();
  const body = sequence(
    element(0xa0, element(0x02, Buffer.from([2]))),
    element(0x02, Buffer.from([1])),
    ECDSA_WITH_SHA256,
    name,
    sequence(time(new Date(now - DAY_MS)), time(new Date(now + 7 * DAY_MS))),
    name,
    spki,
    element(0xa3, extensions),
  );
  const der = sequence(body, ECDSA_WITH_SHA256, bits(0, sign('sha256', body, privateKey)));
  const lines = der.toString('base64').replace(/.{64}/g, '$&\n').trimEnd();
  return {
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    cert: `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`,
  };
};
