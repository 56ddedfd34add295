import ipaddr from 'ipaddr.js';

type Address = ipaddr.IPv4 | ipaddr.IPv6;

/** What the public Internet hands out; everything else is somebody's inside. */
const PUBLIC_V6 = ipaddr.parseCIDR('2000::/3');
/** Public by its number, yet a cloud's own service to its machines (Azure's WireServer). */
const CLOUD_SERVICES = [ipaddr.parseCIDR('168.63.129.16/32')];

/** An address in its shortest true form: IPv4 behind an IPv6 spelling is IPv4. Undefined when it is none, or carries a zone. */
export const parseAddress = (text: string): Address | undefined => {
  if (text.includes('%') || !ipaddr.isValid(text)) return undefined;
  return ipaddr.process(text);
};

/**
 * Which kind of network an address belongs to: `unicast` is the public Internet, and all that a visitor's
 * request may reach; any other word (`loopback`, `private`, `linkLocal`, `carrierGradeNat`, `uniqueLocal`, `reserved` …) is not.
 */
export const classifyAddress = (text: string): string => {
  const address = parseAddress(text);
  if (address === undefined) return 'invalid';
  if (CLOUD_SERVICES.some((range) => inRange(address, range))) return 'cloudService';
  const range = address.range();
  if (range === 'unicast' && address.kind() === 'ipv6' && !inRange(address, PUBLIC_V6)) return 'reserved';
  return range;
};

export type AddressRange = readonly [Address, number];

export const parseRange = (text: string): AddressRange | undefined => {
  if (ipaddr.isValidCIDR(text)) return ipaddr.parseCIDR(text);
  const address = parseAddress(text.replace(/^\[(.*)\]$/, '$1'));
  return address === undefined ? undefined : [address, address.kind() === 'ipv4' ? 32 : 128];
};

export const inRange = (address: Address, [base, bits]: AddressRange): boolean => {
  if (address.kind() === 'ipv4' && base.kind() === 'ipv4')
    return (address as ipaddr.IPv4).match(base as ipaddr.IPv4, bits);
  if (address.kind() === 'ipv6' && base.kind() === 'ipv6')
    return (address as ipaddr.IPv6).match(base as ipaddr.IPv6, bits);
  return false;
};
