/** Where images are: `registry` an origin such as `https://registry.example.org`, `repository` a path on it. */
export interface ImageName {
  readonly registry: string;
  readonly repository: string;
}

export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

export interface ImageManifest {
  readonly digest: string;
  readonly mediaType: string;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
  readonly annotations: Readonly<Record<string, string>>;
}

/**
 * The part of the OCI distribution API that the hub uses. Rejects with HubError `registry_down` (retryable) where a registry
 * does not answer or answers with an error, and with `push_failed` where it refuses a write; only a 404 for what was
 * asked for is `undefined`.
 */
export interface Registry {
  /** The manifest of a tag or digest; of an index, the one for this platform. */
  manifest(image: ImageName, reference: string, signal?: AbortSignal): Promise<ImageManifest | undefined>;
  /** The labels and variables of an image's configuration. */
  config(
    image: ImageName,
    manifest: ImageManifest,
    signal?: AbortSignal,
  ): Promise<{ readonly labels: Readonly<Record<string, string>>; readonly env: readonly string[] }>;
  /** A small file kept under a tag, such as a build's log; undefined when there is none. */
  readArtifact(image: ImageName, tag: string, signal?: AbortSignal): Promise<Buffer | undefined>;
  writeArtifact(
    image: ImageName,
    tag: string,
    artifact: {
      readonly type: string;
      readonly content: Buffer;
      readonly annotations?: Readonly<Record<string, string>>;
    },
    signal?: AbortSignal,
  ): Promise<void>;
  tags(image: ImageName, signal?: AbortSignal): Promise<readonly string[]>;
  /** Names of all repositories below a prefix; a registry without a catalogue rejects with `policy`. */
  repositories(registry: string, prefix: string, signal?: AbortSignal): Promise<readonly string[]>;
  /** Deletes a manifest by digest; false when it was gone. */
  delete(image: ImageName, digest: string, signal?: AbortSignal): Promise<boolean>;
}
