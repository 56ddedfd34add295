import type { Clock } from '../clock.ts';
import { HubError } from '../errors.ts';
import { environmentKeyOf } from '../registry/image-names.ts';
import type { ImageManifest, ImageName, Registry } from '../registry/registry.ts';

export interface ImageEvictionLimits {
  /** An environment that was not used for so long goes; default 30 days. */
  readonly maxAgeMs: number;
  /** What all environments may take in the registry together, layers that they share counted once; default 20 GiB. */
  readonly maxBytes: number;
}

export interface EvictedImages {
  readonly keys: readonly string[];
  /** What is left. */
  readonly bytes: number;
}

export interface ImageUseParts {
  readonly registry: Registry;
  /** The registry's origin. */
  readonly origin: string;
  readonly prefix: string;
  readonly clock: Clock;
}

const DEFAULT_LIMITS: ImageEvictionLimits = { maxAgeMs: 30 * 86_400_000, maxBytes: 20 * 1024 ** 3 };

/** The tag under which the time of last use is kept beside an environment's images. */
const USED_TAG = 'used';
const USED_TYPE = 'application/vnd.liveleaf.last-use.v1+text';
/** A use is written down at most so often, so that launches cost the registry nothing. */
const GRAIN_MS = 3_600_000;
const MAX_KEPT = 10_000;

interface Candidate {
  readonly key: string;
  readonly image: ImageName;
  readonly usedAt: number;
  readonly manifests: readonly ImageManifest[];
}

/** Which environments were used when, kept in the registry that all hubs share. */
export const createImageUse = ({ registry, origin, prefix, clock }: ImageUseParts) => {
  const written = new Map<string, number>();
  const nameOf = (key: string): ImageName => ({ registry: origin, repository: `${prefix}env-${key}` });

  const touch = async (key: string): Promise<void> => {
    const hour = Math.floor(clock.now() / GRAIN_MS) * GRAIN_MS;
    if (written.get(key) === hour) return;
    written.set(key, hour);
    for (const oldest of written.keys()) if (written.size > MAX_KEPT) written.delete(oldest);
    const content = Buffer.from(new Date(hour).toISOString());
    await registry.writeArtifact(nameOf(key), USED_TAG, { type: USED_TYPE, content }).catch((error: unknown) => {
      written.delete(key);
      throw error;
    });
  };

  const usedAt = async (key: string): Promise<number | undefined> => {
    const content = await registry.readArtifact(nameOf(key), USED_TAG);
    const at = Date.parse(content?.toString() ?? '');
    return Number.isNaN(at) ? undefined : at;
  };

  const candidateOf = async (key: string): Promise<Candidate | undefined> => {
    const image = nameOf(key);
    const tags = await registry.tags(image);
    if (tags.length === 0) return undefined;
    const used = await usedAt(key);
    // Its time begins now; nothing is known of the time before.
    if (used === undefined) await touch(key);
    const manifests: ImageManifest[] = [];
    for (const tag of tags) {
      const manifest = await registry.manifest(image, tag);
      if (manifest) manifests.push(manifest);
    }
    return { key, image, usedAt: used ?? clock.now(), manifests };
  };

  const candidates = async (): Promise<readonly Candidate[]> => {
    const names = await registry.repositories(origin, prefix).catch((error: unknown) => {
      // A registry that does not list what it holds is tidied by its owner.
      if (error instanceof HubError && error.code === 'policy') return [];
      throw error;
    });
    const found: Candidate[] = [];
    for (const name of names) {
      const key = environmentKeyOf(prefix, name);
      const candidate = key === undefined ? undefined : await candidateOf(key);
      if (candidate) found.push(candidate);
    }
    return found.sort((a, b) => a.usedAt - b.usedAt);
  };

  /** Removes what is too old, then the longest unused until the rest fits; never a key of `keep`. */
  const evict = async (keep: ReadonlySet<string>, given: Partial<ImageEvictionLimits> = {}): Promise<EvictedImages> => {
    const limits = { ...DEFAULT_LIMITS, ...given };
    const all = await candidates();
    /** How many environments hold a blob. */
    const holders = new Map<string, number>();
    const blobsOf = ({ manifests }: Candidate) =>
      new Map(manifests.flatMap(({ config, layers }) => [config, ...layers]).map(({ digest, size }) => [digest, size]));
    let bytes = 0;
    for (const candidate of all)
      for (const [digest, size] of blobsOf(candidate)) {
        if (!holders.has(digest)) bytes += size;
        holders.set(digest, (holders.get(digest) ?? 0) + 1);
      }
    const keys: string[] = [];
    for (const candidate of all) {
      const { key, image, usedAt: before, manifests } = candidate;
      const unusedMs = clock.now() - before;
      const isRecent = unusedMs < 2 * GRAIN_MS;
      if (keep.has(key) || isRecent || (unusedMs <= limits.maxAgeMs && bytes <= limits.maxBytes)) continue;
      // Another hub's reader may have come since.
      if ((await usedAt(key)) !== before) continue;
      for (const { digest } of manifests) await registry.delete(image, digest);
      for (const [digest, size] of blobsOf(candidate)) {
        const left = (holders.get(digest) ?? 1) - 1;
        holders.set(digest, left);
        if (left === 0) bytes -= size;
      }
      keys.push(key);
    }
    return { keys, bytes };
  };

  return { touch, evict };
};
