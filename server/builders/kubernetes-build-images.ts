import type { Clock } from '../clock.ts';
import type { HubError } from '../errors.ts';
import { environmentImage } from '../registry/image-names.ts';
import type { ImageName, Registry } from '../registry/registry.ts';
import type { BuiltEnvironment } from './builder.ts';
import { ARCHIVE_TYPE, decodeArchive, encodeArchive, type ArchivedBuild } from './kubernetes-log-archive.ts';

const GENERATION = /^\d{6,}$/;
const ARCHIVE = /^(\d{6,})\.log$/;
const INTERRUPTED = /^(\d{6,})\.(\d)\.log$/;

/** A name is believed for so long: an image that is there stays, one that is missing may come at any moment. */
const FRESH_MS = { present: 30_000, absent: 1_000 } as const;
const MAX_KEPT = 2_000;

/** Where environments are installed in their images. */
const PREFIX = '/srv/env';

/** What a registry has of one environment, by its tags. */
export interface KnownGenerations {
  /** The newest generation with an image. */
  readonly image?: string;
  /** Generations of which the log is kept, oldest first. */
  readonly archives: readonly string[];
  /** The newest generation of which an attempt was given up for another. */
  readonly interrupted?: string;
  /** The newest of all. */
  readonly newest?: string;
}

/** The images and logs of environments in a registry. All rejects with HubError `registry_down` where it does not answer. */
export interface BuildImages {
  /** `<registry host>/<repository>` of a key. */
  target(key: string): string;
  /** What there is of a key; `fresh` asks the registry whatever was just heard. */
  known(key: string, fresh?: boolean): Promise<KnownGenerations>;
  /** The environment of a generation; undefined where its image is not there. `fresh` as in `known`. */
  environment(key: string, generation: string, fresh?: boolean): Promise<BuiltEnvironment | undefined>;
  /** How a generation failed, as its archive tells it; undefined where there is none, or it did not fail. */
  failure(key: string, generation: string): Promise<HubError | undefined>;
  /** What is kept of a build, or of an attempt that another followed. */
  readArchive(key: string, generation: string, attempt?: number): Promise<ArchivedBuild | undefined>;
  writeArchive(key: string, generation: string, build: ArchivedBuild, attempt?: number): Promise<void>;
  /** Removes what is kept of an attempt. */
  removeAttempt(key: string, generation: string, attempt: number): Promise<void>;
}

export interface BuildImagesOptions {
  readonly registry: Registry;
  /** The registry's origin. */
  readonly url: string;
  /** What repositories' names begin with, `liveleaf/`. */
  readonly prefix: string;
  readonly clock: Clock;
}

/** Keeps the newest answers, and shares those under way. */
class Answers<T> {
  readonly #kept = new Map<string, { readonly answer: Promise<T>; until: number }>();
  readonly #clock: Clock;
  readonly #freshMs: (value: T) => number;

  constructor(clock: Clock, freshMs: (value: T) => number) {
    this.#clock = clock;
    this.#freshMs = freshMs;
  }

  get(name: string, ask: () => Promise<T>): Promise<T> {
    const kept = this.#kept.get(name);
    if (kept && kept.until > this.#clock.monotonic()) return kept.answer;
    const entry = { answer: ask(), until: Number.POSITIVE_INFINITY };
    this.#kept.delete(name);
    this.#kept.set(name, entry);
    entry.answer.then(
      (value) => (entry.until = this.#clock.monotonic() + this.#freshMs(value)),
      // A failure is told to those who wait for it and to nobody after.
      () => this.#kept.get(name) === entry && this.#kept.delete(name),
    );
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= MAX_KEPT) break;
      this.#kept.delete(oldest);
    }
    return entry.answer;
  }

  forget(name: string): void {
    this.#kept.delete(name);
  }
}

const newest = (generations: readonly string[]): string | undefined => [...generations].sort().at(-1);

const knownOf = (tags: readonly string[]): KnownGenerations => {
  const image = newest(tags.filter((tag) => GENERATION.test(tag)));
  const archives = tags.flatMap((tag) => ARCHIVE.exec(tag)?.[1] ?? []).sort();
  const interrupted = newest(tags.flatMap((tag) => INTERRUPTED.exec(tag)?.[1] ?? []));
  const all = newest([image, archives.at(-1), interrupted].filter((each) => each !== undefined));
  return {
    archives,
    ...(interrupted === undefined ? {} : { interrupted }),
    ...(image === undefined ? {} : { image }),
    ...(all === undefined ? {} : { newest: all }),
  };
};

export const createBuildImages = ({ registry, url, prefix, clock }: BuildImagesOptions): BuildImages => {
  const { host, origin } = new URL(url);
  const nameOf = (key: string): ImageName => ({
    registry: origin,
    repository: environmentImage(prefix, key, 'latest').repository,
  });
  const targetOf = (key: string) => `${host}/${nameOf(key).repository}`;
  const tags = new Answers<KnownGenerations>(clock, ({ image }) =>
    image === undefined ? FRESH_MS.absent : FRESH_MS.present,
  );
  const environments = new Answers<BuiltEnvironment | undefined>(clock, (found) =>
    found ? FRESH_MS.present : FRESH_MS.absent,
  );
  const failures = new Answers<HubError | undefined>(clock, () => FRESH_MS.present);
  const tagOf = (generation: string, attempt?: number) =>
    attempt === undefined ? `${generation}.log` : `${generation}.${attempt}.log`;
  const read = async (key: string, generation: string, attempt?: number) => {
    const content = await registry.readArtifact(nameOf(key), tagOf(generation, attempt));
    return content && decodeArchive(content);
  };

  const look = async (key: string, generation: string): Promise<BuiltEnvironment | undefined> => {
    const image = nameOf(key);
    const manifest = await registry.manifest(image, generation);
    if (manifest === undefined) return undefined;
    const { labels } = await registry.config(image, manifest);
    const version = manifest.annotations['liveleaf.python'] ?? labels['liveleaf.python'] ?? '3';
    return {
      key,
      generation,
      prefix: PREFIX,
      python: `${PREFIX}/bin/python`,
      displayName: `Python ${version.split('.').slice(0, 2).join('.')}`,
      image: `${targetOf(key)}@${manifest.digest}`,
    };
  };

  return {
    target: targetOf,
    known: (key, fresh = false) => {
      if (fresh) tags.forget(key);
      return tags.get(key, async () => knownOf(await registry.tags(nameOf(key))));
    },
    environment: (key, generation, fresh = false) => {
      const name = `${key}/${generation}`;
      if (fresh) environments.forget(name);
      return environments.get(name, () => look(key, generation));
    },
    failure: (key, generation) =>
      failures.get(`${key}/${generation}`, async () => (await read(key, generation))?.error),
    readArchive: read,
    writeArchive: async (key, generation, build, attempt) => {
      const content = await encodeArchive(build);
      await registry.writeArtifact(nameOf(key), tagOf(generation, attempt), { type: ARCHIVE_TYPE, content });
      failures.forget(`${key}/${generation}`);
      tags.forget(key);
    },
    removeAttempt: async (key, generation, attempt) => {
      const manifest = await registry.manifest(nameOf(key), tagOf(generation, attempt));
      if (manifest) await registry.delete(nameOf(key), manifest.digest);
      tags.forget(key);
    },
  };
};
