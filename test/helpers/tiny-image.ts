import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { pack } from 'tar-stream';

/** A small image of a test's own making, in a registry. */
export interface TinyImage {
  readonly repository: string;
  /** Of its manifest. */
  readonly digest: string;
  /** Digests of its layers, lowest first. */
  readonly layers: readonly string[];
}

const digestOf = (bytes: Uint8Array): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

const tarOf = async (files: Readonly<Record<string, string>>): Promise<Buffer> => {
  const archive = pack();
  for (const [name, text] of Object.entries(files)) archive.entry({ name, mtime: new Date(0) }, text);
  archive.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of archive) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
};

export interface TinyImageOptions {
  /** Of each layer its files; default one layer with one file. */
  readonly layers?: readonly Readonly<Record<string, string>>[];
  readonly labels?: Readonly<Record<string, string>>;
  readonly architecture?: string;
  /** Uses Docker's own media types. Default false. */
  readonly isDocker?: boolean;
  /** An Authorization header. */
  readonly authorization?: string;
}

/** Pushes one to a registry at an origin, under the tag `base`. */
export const pushTinyImage = async (
  registry: string,
  repository: string,
  options: TinyImageOptions = {},
): Promise<TinyImage> => {
  const headers: Record<string, string> =
    options.authorization === undefined ? {} : { authorization: options.authorization };
  const call = async (method: string, url: URL, body?: Uint8Array<ArrayBuffer>, type?: string): Promise<Response> => {
    const typed: Record<string, string> = { ...headers, ...(type === undefined ? {} : { 'content-type': type }) };
    const answer = await fetch(url, { method, headers: typed, body: body ?? null });
    if (!answer.ok) throw new Error(`${method} ${url.href}: ${answer.status} ${await answer.text()}`);
    return answer;
  };
  const putBlob = async (content: Uint8Array, mediaType: string) => {
    const begun = await call('POST', new URL(`/v2/${repository}/blobs/uploads/`, registry));
    const url = new URL(begun.headers.get('location') ?? '', registry);
    url.searchParams.set('digest', digestOf(content));
    await call('PUT', url, Uint8Array.from(content), 'application/octet-stream');
    return { mediaType, digest: digestOf(content), size: content.length };
  };
  const [manifestType, configType, layerType] = options.isDocker
    ? [
        'application/vnd.docker.distribution.manifest.v2+json',
        'application/vnd.docker.container.image.v1+json',
        'application/vnd.docker.image.rootfs.diff.tar.gzip',
      ]
    : [
        'application/vnd.oci.image.manifest.v1+json',
        'application/vnd.oci.image.config.v1+json',
        'application/vnd.oci.image.layer.v1.tar+gzip',
      ];
  const tars = await Promise.all((options.layers ?? [{ hello: 'hello\n' }]).map(tarOf));
  const layers = [];
  for (const tar of tars) layers.push(await putBlob(gzipSync(tar), layerType!));
  const config = {
    architecture: options.architecture ?? 'amd64',
    os: 'linux',
    config: { Env: ['PATH=/usr/bin'], Labels: options.labels ?? {} },
    rootfs: { type: 'layers', diff_ids: tars.map(digestOf) },
    history: tars.map(() => ({ created_by: 'a test' })),
  };
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: manifestType,
      config: await putBlob(Buffer.from(JSON.stringify(config)), configType!),
      layers,
    }),
  );
  await call('PUT', new URL(`/v2/${repository}/manifests/base`, registry), Uint8Array.from(manifest), manifestType);
  return { repository, digest: digestOf(manifest), layers: layers.map(({ digest }) => digest) };
};
