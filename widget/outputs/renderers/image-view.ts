import { createPart } from '../output-view.ts';
import { mimeText } from '../output.ts';
import { createFallbackView, usefulText } from './fallback-view.ts';
import { decodeImage, type ImageData } from './image-data.ts';
import type { MimeContent, MimeView } from './mime-renderer.ts';

type Size = { readonly width?: number; readonly height?: number };

const entry = (metadata: unknown, key: string): unknown =>
  typeof metadata === 'object' && metadata !== null && Object.hasOwn(metadata, key)
    ? (metadata as Readonly<Record<string, unknown>>)[key]
    : undefined;

/** Metadata stands under the type or, from older kernels, at the top. */
const option = ({ metadata, type }: MimeContent, key: string): unknown =>
  entry(entry(metadata, type), key) ?? entry(metadata, key);

const pixels = (value: unknown): number | undefined => {
  const number = typeof value === 'string' ? Number(value) : value;
  return typeof number === 'number' && number > 0 && number < 100_000 ? Math.round(number) : undefined;
};

const altText = (content: MimeContent): string => {
  const given = option(content, 'alt');
  if (typeof given === 'string') return given;
  const text =
    usefulText(content.data)
      ?.trim()
      .replace(/^<(.*)>$/s, '$1') ?? '';
  return text && text.length < 200 ? text : 'Image made by this cell';
};

const sizeFor = (content: MimeContent, image: ImageData | undefined): Size => {
  const width = pixels(option(content, 'width'));
  const height = pixels(option(content, 'height'));
  return width || height ? { ...(width ? { width } : {}), ...(height ? { height } : {}) } : (image?.size ?? {});
};

const createImage = (content: MimeContent, image: ImageData | undefined): HTMLImageElement => {
  const element = createPart('img', 'live-image', 'image');
  const { width, height } = sizeFor(content, image);
  element.alt = altText(content);
  element.decoding = 'async';
  if (width) element.width = width;
  if (height) element.height = height;
  if (image?.size) element.style.aspectRatio = `${image.size.width} / ${image.size.height}`;
  const ground = option(content, 'needs_background');
  if (ground === 'light' || ground === 'dark') element.classList.add(`live-on-${ground}`);
  return element;
};

interface Source {
  readonly blob: Blob;
  /** The same as a data address, for pages whose policy allows those but no blobs. */
  readonly dataAddress: () => string;
  readonly image?: ImageData;
}

const sourceOf = ({ value, type }: MimeContent): Source | undefined => {
  const text = mimeText(value);
  if (text === undefined) return undefined;
  // As the source of an image an SVG runs nothing and loads nothing.
  if (type === 'image/svg+xml') {
    return { blob: new Blob([text], { type }), dataAddress: () => `data:${type},${encodeURIComponent(text)}` };
  }
  const image = decodeImage(text);
  if (!image) return undefined;
  return {
    blob: new Blob([image.bytes], { type: image.type }),
    dataAddress: () => `data:${image.type};base64,${text.replace(/\s+/g, '')}`,
    image,
  };
};

/** An image, shown by the address of a blob; the next one takes its place only when it is decoded, so nothing flickers. */
export const createImageView = (content: MimeContent): MimeView => {
  const element = createPart('div', 'live-figure');
  const addresses = new Set<string>();
  let release = (): void => {};
  let turn = 0;

  const show = (next: HTMLElement, releaseNext: () => void): void => {
    release();
    release = releaseNext;
    element.replaceChildren(next);
  };
  const fail = (failed: MimeContent): void => {
    const view = createFallbackView(`This image could not be shown: its data is not ${failed.type}.`, failed.data);
    show(view.element, view.dispose);
  };

  const draw = async (next: MimeContent, source: Source, mine: number): Promise<void> => {
    const image = createImage(next, source.image);
    const address = URL.createObjectURL(source.blob);
    const revoke = (): void => {
      if (addresses.delete(address)) URL.revokeObjectURL(address);
    };
    addresses.add(address);
    image.src = address;
    if (element.childElementCount === 0) show(image, revoke);
    await image.decode().catch(() => {
      image.src = source.dataAddress();
      return image.decode();
    });
    if (mine !== turn) revoke();
    else if (image.parentElement !== element) show(image, revoke);
  };
  const update = (next: MimeContent): void => {
    const mine = ++turn;
    const source = sourceOf(next);
    if (!source) return fail(next);
    draw(next, source, mine).catch(() => mine === turn && fail(next));
  };
  update(content);

  const dispose = (): void => {
    turn += 1;
    release();
    for (const address of addresses) URL.revokeObjectURL(address);
    addresses.clear();
  };
  return { element, update, dispose };
};
