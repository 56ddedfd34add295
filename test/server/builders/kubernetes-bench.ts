import { createHash } from 'node:crypto';
import { HubError } from '../../../server/errors.ts';
import type { ImageManifest, ImageName, Registry } from '../../../server/registry/registry.ts';

interface Stored {
  readonly manifest: ImageManifest;
  readonly content?: Buffer;
  readonly labels: Readonly<Record<string, string>>;
}

/** A registry in memory. */
export interface MemoryRegistry extends Registry {
  /** While set, every call is answered so. */
  fault: 'registry_down' | 'push_failed' | undefined;
  /** Called before each answer; may wait. */
  onCall: ((verb: string) => void | Promise<void>) | undefined;
  readonly calls: string[];
  /** Puts an image there as a push would; returns its digest. */
  push(repository: string, tag: string, labels?: Readonly<Record<string, string>>, bytes?: number): string;
  /** Tags by repository. */
  held(): Readonly<Record<string, readonly string[]>>;
}

const digestOf = (text: string | Buffer): string => `sha256:${createHash('sha256').update(text).digest('hex')}`;

export const createMemoryRegistry = (): MemoryRegistry => {
  const images = new Map<string, Map<string, Stored>>();
  const tagsOf = (repository: string): Map<string, Stored> => {
    const tags = images.get(repository) ?? new Map<string, Stored>();
    images.set(repository, tags);
    return tags;
  };
  const call = async (verb: string): Promise<void> => {
    registry.calls.push(verb);
    await registry.onCall?.(verb);
    if (registry.fault) throw new HubError(registry.fault, 'The registry does not answer.');
  };
  const find = ({ repository }: ImageName, reference: string): Stored | undefined => {
    const tags = images.get(repository);
    return tags?.get(reference) ?? [...(tags?.values() ?? [])].find(({ manifest }) => manifest.digest === reference);
  };
  const store = (repository: string, tag: string, name: string, size: number, more: Partial<Stored>): string => {
    const digest = digestOf(`${repository}:${name}`);
    const blob = (kind: string, bytes: number) => ({
      mediaType: kind,
      digest: digestOf(`${kind} ${name}`),
      size: bytes,
    });
    const manifest: ImageManifest = {
      digest,
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      config: blob('config', 100),
      layers: [{ mediaType: 'layer', digest: digestOf('base'), size: 1_000 }, blob('layer', size)],
      annotations: {},
    };
    tagsOf(repository).set(tag, { manifest, labels: {}, ...more });
    return digest;
  };

  const registry: MemoryRegistry = {
    fault: undefined,
    onCall: undefined,
    calls: [],
    push: (repository, tag, labels = { 'liveleaf.python': '3.11.2' }, bytes = 10_000) =>
      store(repository, tag, `${repository} image ${tag}`, bytes, { labels }),
    held: () => Object.fromEntries([...images].map(([name, tags]) => [name, [...tags.keys()].sort()])),
    async manifest(image, reference) {
      await call('manifest');
      return find(image, reference)?.manifest;
    },
    async config(image, manifest) {
      await call('config');
      return { labels: find(image, manifest.digest)?.labels ?? {}, env: [] };
    },
    async readArtifact(image, tag) {
      await call('readArtifact');
      return find(image, tag)?.content;
    },
    async writeArtifact({ repository }, tag, { content }) {
      await call('writeArtifact');
      store(repository, tag, digestOf(content), content.length, { content });
    },
    async tags({ repository }) {
      await call('tags');
      return [...(images.get(repository)?.keys() ?? [])];
    },
    async repositories(_registry, prefix) {
      await call('repositories');
      return [...images.keys()].filter((name) => name.startsWith(prefix));
    },
    async delete({ repository }, digest) {
      await call('delete');
      const tags = images.get(repository);
      const found = [...(tags ?? [])].filter(([, { manifest }]) => manifest.digest === digest);
      for (const [tag] of found) tags?.delete(tag);
      if (tags?.size === 0) images.delete(repository);
      return found.length > 0;
    },
  };
  return registry;
};
