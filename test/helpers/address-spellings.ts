/** Addresses inside somebody's network, or this machine's, that no visitor's request may reach. */
const FORBIDDEN_V4 = [
  '127.0.0.1', '127.1.2.3', '127.255.255.254', '0.0.0.0', '0.1.2.3', '10.0.0.1', '10.255.255.255', '172.16.0.1',
  '172.31.255.254', '192.168.0.1', '192.168.255.1', '169.254.169.254', '169.254.170.2', '169.254.1.1', '100.64.0.1',
  '100.100.100.200', '100.127.255.254', '192.0.0.192', '192.0.0.1', '192.0.2.1', '198.18.0.1', '198.19.255.255',
  '198.51.100.7', '203.0.113.9', '224.0.0.1', '239.255.255.250', '240.0.0.1', '255.255.255.255', '168.63.129.16',
]; // prettier-ignore

const FORBIDDEN_V6 = [
  '::', '::1', '0:0:0:0:0:0:0:1', '0000:0000:0000:0000:0000:0000:0000:0001', 'fe80::1', 'febf::1', 'fec0::1', 'fc00::1',
  'fd00:ec2::254', 'fdff:ffff::1', 'ff02::1', 'ff05::2', '100::1', '2001:db8::1', '2001::1', '2002:7f00:1::1',
  '2002:a00:1::', '2002:c0a8:1::1', '64:ff9b:1::1', '3fff::1', '4000::1', '8000::1', 'e000::1', '5f00::1',
]; // prettier-ignore

const parts = (address: string): number[] => address.split('.').map(Number);

const whole = (address: string): number => parts(address).reduce((sum, part) => sum * 256 + part, 0);

const hex = (value: number, width = 0): string => value.toString(16).padStart(width, '0');

/** Ways to write one IPv4 address that URL parsers, resolvers and browsers have taken for it. */
const spellingsV4 = (address: string): string[] => {
  const [a = 0, b = 0, c = 0, d = 0] = parts(address);
  const groups = `${hex(a * 256 + b)}:${hex(c * 256 + d)}`;
  return [
    address,
    `${address}.`,
    String(whole(address)),
    `0x${hex(whole(address))}`,
    `0X${hex(whole(address)).toUpperCase()}`,
    `0${whole(address).toString(8)}`,
    parts(address).map((part) => `0x${hex(part)}`).join('.'),
    parts(address).map((part) => `0${part.toString(8)}`).join('.'),
    `${a}.${b}.${c * 256 + d}`,
    `${a}.${(b * 256 + c) * 256 + d}`,
    `%${hex(address.charCodeAt(0))}${address.slice(1)}`,
    [...address].map((sign) => (sign === '.' ? '。' : sign)).join(''),
    [...address].map((sign) => (/\d/.test(sign) ? String.fromCodePoint(0xff10 + Number(sign)) : sign)).join(''),
    `[::ffff:${address}]`,
    `[::ffff:${groups}]`,
    `[::FFFF:${groups}]`,
    `[0:0:0:0:0:ffff:${groups}]`,
    `[::${address}]`,
    `[64:ff9b::${address}]`,
    `[64:ff9b::${groups}]`,
    `[2002:${groups}::1]`,
  ]; // prettier-ignore
};

/** More than 300 hosts, as they may stand in an address, that all mean a forbidden one. */
export const FORBIDDEN_HOSTS: readonly string[] = [
  ...FORBIDDEN_V4.flatMap(spellingsV4),
  ...FORBIDDEN_V6.map((address) => `[${address}]`),
  'user@127.0.0.1',
  'github.com@127.0.0.1',
  '127.0.0.1:443',
  '127.0.0.1:22',
  '[::1]:443',
  '[fe80::1%25eth0]',
];

/** Answers of a resolver that must be refused, whatever name they are for. */
export const FORBIDDEN_ANSWERS: readonly string[] = [
  ...FORBIDDEN_V4,
  ...FORBIDDEN_V6,
  ...FORBIDDEN_V4.flatMap((address) => [`::ffff:${address}`, `64:ff9b::${address}`]),
  'fe80::1%eth0',
  'not-an-address',
  '',
];
