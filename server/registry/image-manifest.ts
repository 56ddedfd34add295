import { createHash } from 'node:crypto';
import { HubError } from '../errors.ts';
import { isDigest } from './image-reference.ts';
import type { Descriptor, ImageManifest } from './registry.ts';

export const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const OCI_INDEX = 'application/vnd.oci.image.index.v1+json';
const DOCKER_MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json';
const DOCKER_LIST = 'application/vnd.docker.distribution.manifest.list.v2+json';

/** What the hub takes for a manifest, best first. */
export const MANIFEST_TYPES = [OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST].join(', ');

/** The machine that an image is for, in the registry's words. */
export interface Platform {
  readonly os: string;
  readonly architecture: string;
}

/** Of the machine that the hub runs on: as its nodes are. */
export const ownPlatform = (architecture: string = process.arch): Platform => ({
  os: 'linux',
  architecture: architecture === 'x64' ? 'amd64' : architecture,
});

/** The digest of bytes, by the algorithm of a digest that is to be compared; default sha256. */
export const digestOf = (bytes: Uint8Array, like = 'sha256:'): string => {
  const algorithm = like.slice(0, like.indexOf(':'));
  return `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`;
};

type Json = Readonly<Record<string, unknown>>;

const isJson = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value);

const descriptorOf = (value: unknown): Descriptor | undefined =>
  isJson(value) &&
  typeof value['digest'] === 'string' &&
  isDigest(value['digest']) &&
  Number.isSafeInteger(value['size']) &&
  (value['size'] as number) >= 0
    ? {
        mediaType: typeof value['mediaType'] === 'string' ? value['mediaType'] : '',
        digest: value['digest'],
        size: value['size'] as number,
      }
    : undefined;

const stringsOf = (value: unknown): Record<string, string> =>
  Object.fromEntries(
    Object.entries(isJson(value) ? value : {}).filter(
      (entry): entry is [string, string] => typeof entry[1] === 'string',
    ),
  );

/** What a registry has under a name: an image, or where the one for this platform is. */
export type ParsedManifest =
  | { readonly kind: 'image'; readonly manifest: ImageManifest }
  | { readonly kind: 'index'; readonly chosen: Descriptor };

/** Reads a manifest or an index; `name` is for errors. Throws HubError `pull_failed` for what cannot be used. */
export const parseManifest = (body: Buffer, contentType: string, platform: Platform, name: string): ParsedManifest => {
  const unusable = (what: string): HubError =>
    new HubError('pull_failed', `The image ${name} cannot be used: ${what}. Push it anew as an OCI image.`);
  let json: unknown;
  try {
    json = JSON.parse(body.toString('utf8'));
  } catch {
    throw unusable('its manifest is no JSON');
  }
  if (!isJson(json)) throw unusable('its manifest is no object');
  if (json['schemaVersion'] !== 2)
    throw unusable(`its manifest has version ${JSON.stringify(json['schemaVersion'])}, not 2`);
  const mediaType = typeof json['mediaType'] === 'string' ? json['mediaType'] : contentType;

  if (Array.isArray(json['manifests'])) {
    const fits = (json['manifests'] as unknown[]).filter((each): each is Json => {
      const at = isJson(each) && isJson(each['platform']) ? each['platform'] : undefined;
      return at?.['os'] === platform.os && at['architecture'] === platform.architecture;
    });
    // The plain one before one for a special processor.
    const first = fits.find((each) => (each['platform'] as Json)['variant'] === undefined) ?? fits[0];
    const chosen = descriptorOf(first);
    if (chosen === undefined)
      throw new HubError(
        'pull_failed',
        `The image ${name} has none for ${platform.os}/${platform.architecture}. Build it for that platform, or choose another image.`,
      );
    return { kind: 'index', chosen };
  }

  const config = descriptorOf(json['config']);
  const layers = Array.isArray(json['layers']) ? (json['layers'] as unknown[]).map(descriptorOf) : undefined;
  if (config === undefined || layers === undefined) throw unusable('its manifest names no config and layers');
  if (!layers.every((layer) => layer !== undefined))
    throw unusable('its manifest names a layer without digest and size');
  const annotations = stringsOf(json['annotations']);
  return { kind: 'image', manifest: { digest: digestOf(body), mediaType, config, layers, annotations } };
};

/** The labels and variables of an image's configuration; what is not in it is empty. */
export const parseConfig = (body: Buffer): { labels: Record<string, string>; env: string[] } => {
  const json = JSON.parse(body.toString('utf8')) as unknown;
  const config = isJson(json) && isJson(json['config']) ? json['config'] : {};
  const env = Array.isArray(config['Env']) ? (config['Env'] as unknown[]) : [];
  return {
    labels: stringsOf(config['Labels']),
    env: env.filter((each): each is string => typeof each === 'string'),
  };
};
