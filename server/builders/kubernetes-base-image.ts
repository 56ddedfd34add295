import { HubError } from '../errors.ts';
import { compareVersions, type Interpreter } from '../environments/interpreters.ts';
import { formatImageReference, locateImage, parseImageReference, wantedOf } from '../registry/image-reference.ts';
import type { Registry } from '../registry/registry.ts';

/** The image that builds and sessions run, and what environments can be made of in it. */
export interface BaseImage {
  /** By digest: `<registry host>/<repository>@sha256:…`. */
  readonly image: string;
  readonly digest: string;
  /** Newest first. */
  readonly interpreters: readonly Interpreter[];
  readonly uvVersion: string;
}

const VERSION = /^3\.\d+\.\d+$/;

const labelled = (labels: Readonly<Record<string, string>>, name: string, image: string): string => {
  const value = labels[name];
  if (value) return value;
  throw new HubError(
    'unhealthy',
    `The image ${image} has no label ${name}, so it is no base of this hub. Build it from images/session, or name another in kubernetes.baseImage.`,
  );
};

/**
 * Reads the base image's labels `liveleaf.python` (versions, separated by spaces) and `liveleaf.uv` from its registry and pins
 * its digest. `registryUrl` is the hub's own registry, which may speak plain HTTP.
 * Throws HubError `unhealthy` where it is no base image, `bad_spec` for no image's name, `registry_down`.
 */
export const baseInterpreters = async (
  registry: Registry,
  baseImage: string,
  registryUrl?: string,
): Promise<BaseImage> => {
  const reference = parseImageReference(baseImage);
  const image = locateImage(reference, registryUrl);
  const manifest = await registry.manifest(image, wantedOf(reference));
  if (manifest === undefined)
    throw new HubError(
      'unhealthy',
      `The registry has no image ${baseImage}. Push it there, or name another in kubernetes.baseImage.`,
    );
  const { labels } = await registry.config(image, manifest);
  const versions = labelled(labels, 'liveleaf.python', baseImage)
    .split(/[\s,]+/)
    .filter((each) => VERSION.test(each));
  const interpreters = [...new Set(versions)]
    .sort((a, b) => compareVersions(b, a))
    .map((version) => ({ version, path: `/usr/bin/python${version.split('.').slice(0, 2).join('.')}` }));
  if (interpreters.length === 0)
    throw new HubError(
      'unhealthy',
      `The label liveleaf.python of ${baseImage} names no version such as 3.11.2. Build the image from images/session.`,
    );
  const { host, repository } = reference;
  return {
    image: formatImageReference({ host, repository, digest: manifest.digest }),
    digest: manifest.digest,
    interpreters,
    uvVersion: labelled(labels, 'liveleaf.uv', baseImage),
  };
};
