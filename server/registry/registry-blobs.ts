import type { Clock } from '../clock.ts';
import { HubError } from '../errors.ts';
import { digestOf } from './image-manifest.ts';
import { answerError, isAbsent } from './registry-answer.ts';
import { locationOf, type RegistryHttp } from './registry-http.ts';
import type { Descriptor, ImageName } from './registry.ts';

export interface RegistryBlobs {
  /** The bytes behind a descriptor, checked against its digest and size; more than `maxBytes` is refused unread. */
  read(image: ImageName, blob: Descriptor, maxBytes: number, signal?: AbortSignal): Promise<Buffer>;
  /** Writes bytes, unless they are there; returns their descriptor. */
  write(image: ImageName, content: Buffer, mediaType: string, signal?: AbortSignal): Promise<Descriptor>;
}

const UPLOAD_TIMEOUT_MS = 60_000;

const blobUrl = ({ registry, repository }: ImageName, digest: string): URL =>
  new URL(`/v2/${repository}/blobs/${digest}`, registry);

/** Reads and writes small blobs, whole. */
export const createRegistryBlobs = (http: RegistryHttp, clock: Clock): RegistryBlobs => ({
  read: async (image, blob, maxBytes, signal) => {
    const { registry, repository } = image;
    const host = new URL(registry).host;
    if (blob.size > maxBytes)
      throw new HubError(
        'registry_down',
        `A part of ${host}/${repository} takes ${blob.size} bytes, where the hub reads ${maxBytes} at most.`,
      );
    const doing = `reading a part of ${repository}`;
    const scope = `repository:${repository}:pull`;
    const url = blobUrl(image, blob.digest);
    const answer = await http({ method: 'GET', url, repository, scope, doing, maxBytes: blob.size + 1 }, signal);
    if (isAbsent(answer))
      throw new HubError(
        'registry_down',
        `The image registry ${host} has lost a part of ${repository} (${blob.digest}) that it has a manifest of. Its owner can delete the image, so that it is built anew.`,
      );
    if (answer.status !== 200) throw answerError(answer, doing, false, clock.now());
    if (answer.body.length !== blob.size || digestOf(answer.body, blob.digest) !== blob.digest)
      throw new HubError(
        'registry_down',
        `The image registry ${host} sent other bytes than the digest ${blob.digest} of ${repository} stands for. Its storage or something between is broken.`,
      );
    return answer.body;
  },

  write: async (image, content, mediaType, signal) => {
    const { registry, repository } = image;
    const digest = digestOf(content);
    const descriptor = { mediaType, digest, size: content.length };
    const doing = `writing a part of ${repository}`;
    const common = { repository, scope: `repository:${repository}:pull,push`, doing, isWrite: true } as const;
    const there = await http({ ...common, method: 'HEAD', url: blobUrl(image, digest) }, signal);
    if (there.status === 200) return descriptor;
    const begun = await http(
      { ...common, method: 'POST', url: new URL(`/v2/${repository}/blobs/uploads/`, registry), body: Buffer.alloc(0) },
      signal,
    );
    const url = locationOf(begun);
    if (begun.status !== 202 || url === undefined) throw answerError(begun, doing, true, clock.now());
    url.searchParams.set('digest', digest);
    const headers = { 'content-type': 'application/octet-stream' };
    const written = await http(
      { ...common, method: 'PUT', url, body: content, headers, timeoutMs: UPLOAD_TIMEOUT_MS },
      signal,
    );
    if (written.status !== 201 && written.status !== 204) throw answerError(written, doing, true, clock.now());
    return descriptor;
  },
});
