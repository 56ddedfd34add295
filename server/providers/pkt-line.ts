/** One ref as a host lists it; `peeled` is what an annotated tag points to in the end. */
export interface GitRef {
  readonly name: string;
  readonly id: string;
  readonly peeled?: string;
}

/** What the first answer of a host says: the refs themselves (old protocol), or that they have to be asked for. */
export type Advertisement =
  { readonly version: 2; readonly objectFormat: string } | { readonly version: 0; readonly refs: readonly GitRef[] };

/** A packet's text without its line end, or undefined for the packets that only divide (flush, delimiter, end). */
type Packet = string | undefined;

/** Thrown for bytes that are not what git's protocol says. */
export class PacketError extends Error {
  override readonly name = 'PacketError';
}

/** Frames text as git's wire does: four hex digits of length before it. */
export const packet = (text: string): string => `${(Buffer.byteLength(text) + 4).toString(16).padStart(4, '0')}${text}`;

export const FLUSH = '0000';
const DELIMITER = '0001';

/** Reads packets; throws PacketError when the framing is broken or cut short. */
export const readPackets = (bytes: Buffer): readonly Packet[] => {
  const packets: Packet[] = [];
  let at = 0;
  while (at < bytes.length) {
    const head = bytes.toString('latin1', at, at + 4);
    const length = /^[0-9a-f]{4}$/i.test(head) ? Number.parseInt(head, 16) : Number.NaN;
    if (length < 4) {
      packets.push(undefined);
      at += 4;
      continue;
    }
    if (!(at + length <= bytes.length)) throw new PacketError('a packet is cut short or has no length');
    packets.push(bytes.toString('utf8', at + 4, at + length).replace(/\n$/, ''));
    at += length;
  }
  return packets;
};

const ID = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/;

const checkedId = (id: string | undefined): string => {
  if (id === undefined || !ID.test(id)) throw new PacketError('an object id is none');
  return id;
};

/** Reads the answer to `info/refs`. */
export const readAdvertisement = (bytes: Buffer): Advertisement => {
  const packets = readPackets(bytes).filter((text) => text !== undefined);
  const lines = packets[0]?.startsWith('# service=') === true ? packets.slice(1) : packets;
  if (lines[0] === 'version 2') {
    const format = lines.find((line) => line.startsWith('object-format='));
    return { version: 2, objectFormat: format?.slice('object-format='.length) ?? 'sha1' };
  }
  const refs: GitRef[] = [];
  for (const line of lines) {
    if (line === 'version 1' || line.startsWith('shallow ')) continue;
    if (line.startsWith('ERR ')) throw new PacketError(line.slice(4));
    const [id, ...rest] = (line.split('\0', 1)[0] ?? '').split(' ');
    const name = rest.join(' ');
    const last = refs.at(-1);
    if (name === 'capabilities^{}') continue;
    if (last !== undefined && name === `${last.name}^{}`) refs[refs.length - 1] = { ...last, peeled: checkedId(id) };
    else refs.push({ name, id: checkedId(id) });
  }
  return { version: 0, refs };
};

/** The question for refs that begin with any of these prefixes, annotated tags peeled. */
export const lsRefsRequest = (prefixes: readonly string[], objectFormat: string): string =>
  [
    packet('command=ls-refs\n'),
    packet(`object-format=${objectFormat}\n`),
    DELIMITER,
    packet('peel\n'),
    packet('symrefs\n'),
    ...prefixes.map((prefix) => packet(`ref-prefix ${prefix}\n`)),
    FLUSH,
  ].join('');

/** Reads the answer to `lsRefsRequest`. */
export const readLsRefs = (bytes: Buffer): readonly GitRef[] =>
  readPackets(bytes).flatMap((line) => {
    if (line === undefined) return [];
    if (line.startsWith('ERR ')) throw new PacketError(line.slice(4));
    const [id, name = '', ...attributes] = line.split(' ');
    if (id === 'unborn') return [];
    const peeled = attributes.find((attribute) => attribute.startsWith('peeled:'));
    return [{ name, id: checkedId(id), ...(peeled === undefined ? {} : { peeled: checkedId(peeled.slice(7)) }) }];
  });
