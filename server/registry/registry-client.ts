import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { Dispatcher } from 'undici';
import type { Clock } from '../clock.ts';
import { HubError } from '../errors.ts';
import type { Log } from '../log.ts';
import { findCredentials, type Credentials } from './docker-config.ts';
import {
  digestOf,
  MANIFEST_TYPES,
  OCI_MANIFEST,
  ownPlatform,
  parseConfig,
  parseManifest,
  type Platform,
} from './image-manifest.ts';
import { isDigest } from './image-reference.ts';
import { answerError, headerOf, isAbsent, jsonOf } from './registry-answer.ts';
import { createRegistryAuth } from './registry-auth.ts';
import { createRegistryBlobs } from './registry-blobs.ts';
import { createRegistryHttp } from './registry-http.ts';
import { nextPage } from './registry-pages.ts';
import { createRegistryTransport, registryDispatcher } from './registry-transport.ts';
import type { ImageManifest, ImageName, Registry } from './registry.ts';

export interface RegistryClientOptions {
  /** Whether registries may be reached without TLS; default false. */
  readonly allowHttp?: boolean;
  /** Certificates, in PEM, to trust beside the machine's own; read once. */
  readonly caFile?: string;
  /** A Docker `config.json`; read whenever a registry asks for a login, so that a renewed one counts at once. */
  readonly credentialsFile?: string;
  readonly clock: Clock;
  readonly log: Pick<Log, 'warn'>;
  /** Of an index, which image to take; default Linux on the hub's own architecture. */
  readonly platform?: Platform;
  /** What sends requests; default one that trusts `caFile`. */
  readonly dispatcher?: Dispatcher;
  /** From 0 to 1, for the waits between tries; default Math.random. */
  readonly random?: () => number;
}

export interface RegistryClient extends Registry {
  /** Ends the connections. */
  close(): Promise<void>;
}

/** What the specification asks registries to take, and so what they keep to. */
const MAX_MANIFEST_BYTES = 4 * 1024 * 1024;
const MAX_CONFIG_BYTES = 4 * 1024 * 1024;
/** A build's log is at most half of it. */
const MAX_ARTIFACT_BYTES = 16 * 1024 * 1024;
const MAX_PAGE_BYTES = 4 * 1024 * 1024;
const PAGE_LENGTH = 1_000;
const MAX_PAGES = 1_000;

/** The configuration of an artifact that has none (OCI image specification, guidance for artifacts). */
const EMPTY_CONFIG = { mediaType: 'application/vnd.oci.empty.v1+json', content: Buffer.from('{}') } as const;

/** Speaks the OCI distribution API with any number of registries. Throws Error where `caFile` cannot be read. */
export const createRegistryClient = (options: RegistryClientOptions): RegistryClient => {
  const { clock, log, credentialsFile, platform = ownPlatform() } = options;
  const ca = options.caFile === undefined ? undefined : readFileSync(options.caFile, 'utf8');
  const own = options.dispatcher === undefined ? registryDispatcher(ca) : undefined;
  const dispatcher = options.dispatcher ?? own!;

  const credentials = async (host: string, repository: string): Promise<Credentials | undefined> => {
    if (credentialsFile === undefined) return undefined;
    try {
      return findCredentials(await readFile(credentialsFile, 'utf8'), host, repository);
    } catch (error) {
      throw new HubError(
        'registry_down',
        `The file of registry.credentialsFile cannot be read as a Docker config.json, so the hub cannot log in at ${host}.`,
        { cause: error },
      );
    }
  };

  const transport = createRegistryTransport({ dispatcher, allowHttp: options.allowHttp ?? false, clock });
  const http = createRegistryHttp({
    transport,
    auth: createRegistryAuth({ transport, credentials, clock }),
    clock,
    onRetry: (what) => log.warn(what, 'a registry is asked again'),
    ...(options.random === undefined ? {} : { random: options.random }),
  });
  const blobs = createRegistryBlobs(http, clock);

  const manifestUrl = ({ registry, repository }: ImageName, reference: string) =>
    new URL(`/v2/${repository}/manifests/${reference}`, registry);

  const readManifest = async (
    image: ImageName,
    reference: string,
    signal: AbortSignal | undefined,
    isFromIndex = false,
  ): Promise<ImageManifest | undefined> => {
    const { repository } = image;
    const url = manifestUrl(image, reference);
    const doing = `reading the manifest ${reference} of ${repository}`;
    const scope = `repository:${repository}:pull`;
    const headers = { accept: MANIFEST_TYPES };
    const answer = await http(
      { method: 'GET', url, repository, scope, doing, headers, maxBytes: MAX_MANIFEST_BYTES },
      signal,
    );
    if (isAbsent(answer)) return undefined;
    if (answer.status !== 200) throw answerError(answer, doing, false, clock.now());
    // By tag the registry's own word is all there is, and it must at least agree with what it sent.
    const promised = isDigest(reference) ? reference : headerOf(answer, 'docker-content-digest');
    const name = `${url.host}/${repository}${isDigest(reference) ? '@' : ':'}${reference}`;
    if (promised !== undefined && isDigest(promised) && digestOf(answer.body, promised) !== promised)
      throw new HubError(
        'registry_down',
        `The image registry ${url.host} sent another manifest for ${name} than its digest stands for. Its storage or something between is broken.`,
      );
    const parsed = parseManifest(answer.body, headerOf(answer, 'content-type') ?? '', platform, name);
    if (parsed.kind === 'image')
      return isDigest(reference) ? { ...parsed.manifest, digest: reference } : parsed.manifest;
    if (isFromIndex)
      throw new HubError(
        'pull_failed',
        `The image ${name} is an index within an index, which the hub does not follow.`,
      );
    return readManifest(image, parsed.chosen.digest, signal, true);
  };

  /** All pages of a list; undefined where the registry has nothing to list or does not list. */
  const readList = async (
    first: URL,
    field: string,
    about: { readonly repository: string; readonly scope: string; readonly doing: string },
    isNone: (status: number, isSaidToBeAbsent: boolean) => boolean,
    signal: AbortSignal | undefined,
  ): Promise<string[] | undefined> => {
    const all: string[] = [];
    let url: URL | undefined = first;
    for (let page = 0; url !== undefined; page += 1) {
      const answer = await http({ method: 'GET', url, ...about, maxBytes: MAX_PAGE_BYTES }, signal);
      if (isNone(answer.status, isAbsent(answer))) return undefined;
      if (answer.status !== 200) throw answerError(answer, about.doing, false, clock.now());
      const items = ((jsonOf(answer) ?? {}) as Record<string, unknown>)[field] ?? [];
      if (!Array.isArray(items) || page === MAX_PAGES)
        throw new HubError(
          'registry_down',
          `The image registry ${first.host} answered with no list while ${about.doing}.`,
        );
      for (const item of items as unknown[]) if (typeof item === 'string') all.push(item);
      url = nextPage(answer);
    }
    return all;
  };

  return {
    manifest: (image, reference, signal) => readManifest(image, reference, signal),

    config: async (image, manifest, signal) => {
      const body = await blobs.read(image, manifest.config, MAX_CONFIG_BYTES, signal);
      try {
        return parseConfig(body);
      } catch (error) {
        throw new HubError('pull_failed', `The configuration of ${image.repository} is no JSON; push the image anew.`, {
          cause: error,
        });
      }
    },

    readArtifact: async (image, tag, signal) => {
      const manifest = await readManifest(image, tag, signal);
      if (manifest === undefined) return undefined;
      const [layer] = manifest.layers;
      if (layer === undefined)
        throw new HubError(
          'registry_down',
          `The image ${image.repository}:${tag} holds no file, so something else is kept there.`,
        );
      return blobs.read(image, layer, MAX_ARTIFACT_BYTES, signal);
    },

    writeArtifact: async (image, tag, { type, content, annotations }, signal) => {
      const { repository } = image;
      const config = await blobs.write(image, EMPTY_CONFIG.content, EMPTY_CONFIG.mediaType, signal);
      const layer = await blobs.write(image, content, type, signal);
      const manifest = {
        schemaVersion: 2,
        mediaType: OCI_MANIFEST,
        artifactType: type,
        config,
        layers: [layer],
        ...(annotations === undefined ? {} : { annotations }),
      };
      const body = Buffer.from(JSON.stringify(manifest));
      const doing = `writing ${repository}:${tag}`;
      const scope = `repository:${repository}:pull,push`;
      const headers = { 'content-type': OCI_MANIFEST };
      const answer = await http(
        { method: 'PUT', url: manifestUrl(image, tag), repository, scope, doing, headers, body, isWrite: true },
        signal,
      );
      if (answer.status < 200 || answer.status > 299) throw answerError(answer, doing, true, clock.now());
    },

    tags: async ({ registry, repository }, signal) => {
      const url = new URL(`/v2/${repository}/tags/list?n=${PAGE_LENGTH}`, registry);
      const about = { repository, scope: `repository:${repository}:pull`, doing: `listing the tags of ${repository}` };
      return (await readList(url, 'tags', about, (_, isSaidToBeAbsent) => isSaidToBeAbsent, signal)) ?? [];
    },

    repositories: async (registry, prefix, signal) => {
      const url = new URL(`/v2/_catalog?n=${PAGE_LENGTH}`, registry);
      const about = { repository: '', scope: 'registry:catalog:*', doing: 'listing its repositories' };
      const none = (status: number) => [401, 403, 404, 405, 501].includes(status);
      const all = await readList(url, 'repositories', about, none, signal);
      if (all === undefined)
        throw new HubError(
          'policy',
          `The image registry ${url.host} does not list its repositories to the hub's account. Give it that right, or remove images by the registry's own rules.`,
        );
      return all.filter((name) => name.startsWith(prefix));
    },

    delete: async (image, digest, signal) => {
      const { repository } = image;
      const doing = `deleting ${digest} of ${repository}`;
      const scope = `repository:${repository}:delete`;
      const url = manifestUrl(image, digest);
      const answer = await http({ method: 'DELETE', url, repository, scope, doing, isWrite: true }, signal);
      if (isAbsent(answer)) return false;
      if (answer.status < 200 || answer.status > 299) throw answerError(answer, doing, true, clock.now());
      return true;
    },

    close: async () => {
      await own?.close();
    },
  };
};
