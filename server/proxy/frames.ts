/** What a stretch of a client's WebSocket stream held. */
interface FrameCount {
  /** Text, binary and continuation frames that began. */
  readonly data: number;
  /** Pings, pongs and closes that began. */
  readonly control: number;
  /** The stream is not what a client may send; it must be cut. */
  readonly broken: boolean;
}

/** Counts a client's frames by their heads; payloads are neither read nor kept. */
export interface FrameCounter {
  push(chunk: Uint8Array): FrameCount;
}

const LONGEST_HEAD = 14;
const NOTHING: FrameCount = { data: 0, control: 0, broken: false };
const BROKEN: FrameCount = { data: 0, control: 0, broken: true };

/** Bytes of a head, known from its second byte on: two, the extended length, the mask. */
const headLength = (second: number): number => {
  const length = second & 0x7f;
  return 2 + (length === 127 ? 8 : length === 126 ? 2 : 0) + 4;
};

const payloadLength = (head: DataView): number => {
  const length = head.getUint8(1) & 0x7f;
  if (length < 126) return length;
  if (length === 126) return head.getUint16(2);
  return head.getUint32(2) * 2 ** 32 + head.getUint32(6);
};

/** Whether a client may send a frame with this head; no extension is ever agreed on. */
const isLegal = (first: number, second: number): boolean => {
  const opcode = first & 0x0f;
  const masked = (second & 0x80) !== 0;
  const reserved = (first & 0x70) !== 0 || (opcode > 2 && opcode < 8) || opcode > 10;
  const oversizeControl = opcode >= 8 && ((first & 0x80) === 0 || (second & 0x7f) > 125);
  return masked && !reserved && !oversizeControl;
};

export const createFrameCounter = (): FrameCounter => {
  const bytes = new Uint8Array(LONGEST_HEAD);
  const head = new DataView(bytes.buffer);
  let have = 0;
  let remaining = 0;
  let broken = false;
  return {
    push: (chunk) => {
      if (broken) return BROKEN;
      if (remaining >= chunk.length) {
        remaining -= chunk.length;
        return NOTHING;
      }
      let data = 0;
      let control = 0;
      for (let at = 0; at < chunk.length;) {
        if (remaining > 0) {
          const skipped = Math.min(remaining, chunk.length - at);
          remaining -= skipped;
          at += skipped;
          continue;
        }
        bytes[have] = chunk[at]!;
        have += 1;
        at += 1;
        if (have < 2) continue;
        if (have === 2 && !isLegal(bytes[0]!, bytes[1]!)) {
          broken = true;
          return { data, control, broken };
        }
        if (have < headLength(bytes[1]!)) continue;
        remaining = payloadLength(head);
        if ((bytes[0]! & 0x0f) >= 8) control += 1;
        else data += 1;
        have = 0;
      }
      return { data, control, broken };
    },
  };
};
