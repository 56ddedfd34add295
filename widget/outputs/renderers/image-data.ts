/** The first bytes of each kind of image that is shown; what a bundle calls a PNG must begin as one. */
const SIGNATURES: readonly { readonly type: string; readonly at: number; readonly bytes: string }[] = [
  { type: 'image/png', at: 0, bytes: '\x89PNG\r\n\x1a\n' },
  { type: 'image/jpeg', at: 0, bytes: '\xff\xd8\xff' },
  { type: 'image/gif', at: 0, bytes: 'GIF8' },
  { type: 'image/webp', at: 8, bytes: 'WEBP' },
];

/** Bytes of an image and what they are. */
export interface ImageData {
  readonly type: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** In the image's own pixels, where the format tells them in its first bytes. */
  readonly size?: { readonly width: number; readonly height: number };
}

const fromBase64 = (text: string): string | undefined => {
  try {
    return atob(text.replace(/\s+/g, ''));
  } catch {
    return undefined;
  }
};

const sizeOf = (type: string, bytes: Uint8Array<ArrayBuffer>): ImageData['size'] => {
  if (bytes.length < 24) return undefined;
  const view = new DataView(bytes.buffer);
  if (type === 'image/png') return { width: view.getUint32(16), height: view.getUint32(20) };
  if (type === 'image/gif') return { width: view.getUint16(6, true), height: view.getUint16(8, true) };
  return undefined;
};

/** Decodes the base64 of an image; undefined when it is none, or not one of the kinds that are shown. */
export const decodeImage = (base64: string): ImageData | undefined => {
  const text = fromBase64(base64);
  const type = SIGNATURES.find(({ at, bytes }) => text?.startsWith(bytes, at))?.type;
  if (text === undefined || type === undefined) return undefined;
  const bytes = new Uint8Array(text.length);
  for (let index = 0; index < text.length; index++) bytes[index] = text.charCodeAt(index);
  const size = sizeOf(type, bytes);
  return { type, bytes, ...(size && size.width > 0 && size.height > 0 ? { size } : {}) };
};
