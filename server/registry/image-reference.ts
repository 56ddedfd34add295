import { HubError } from '../errors.ts';
import type { ImageName } from './registry.ts';

/** `host/repository:tag@digest`, taken apart; without a tag and a digest it means the tag `latest`. */
export interface ImageReference {
  /** With its port, `registry.example.org:5000`. */
  readonly host: string;
  readonly repository: string;
  readonly tag?: string;
  /** `sha256:<64 hex digits>` */
  readonly digest?: string;
}

const MAX_REPOSITORY_LENGTH = 255;

const HOST =
  /^(?:(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])(?:\.(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9]))*|\[[0-9a-fA-F:.]+\])(?::[0-9]{1,5})?$/;
const REPOSITORY = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const TAG = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;
const DIGEST = /^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/;

export const isRepository = (text: string): boolean => text.length <= MAX_REPOSITORY_LENGTH && REPOSITORY.test(text);
export const isTag = (text: string): boolean => TAG.test(text);
export const isDigest = (text: string): boolean => DIGEST.test(text);

/** Docker Hub goes by several names, and its API answers at one that none of its images carry. */
const DOCKER_HUB = 'docker.io';
const DOCKER_HUB_ALIASES: readonly string[] = [DOCKER_HUB, 'index.docker.io', 'registry-1.docker.io'];
const DOCKER_HUB_API = 'registry-1.docker.io';

/** A host as images and logins are compared by: in lower case, Docker Hub under one name. */
export const canonicalHost = (host: string): string => {
  const lower = host.toLowerCase();
  return DOCKER_HUB_ALIASES.includes(lower) ? DOCKER_HUB : lower;
};

/** Whether the first part of a name is a host: as every container tool tells it from a folder. */
const looksLikeHost = (part: string): boolean => part.includes('.') || part.includes(':') || part === 'localhost';

/** Takes an image's name apart; a name without a host is Docker Hub's. Throws HubError `bad_spec`. */
export const parseImageReference = (text: string): ImageReference => {
  const wrong = (what: string): HubError =>
    new HubError(
      'bad_spec',
      `“${text.slice(0, 200)}” is no image: ${what}. Write host/repository:tag or host/repository@sha256:….`,
    );
  const at = text.indexOf('@');
  const digest = at < 0 ? undefined : text.slice(at + 1);
  if (digest !== undefined && !isDigest(digest)) throw wrong('what follows @ is no digest');
  const named = at < 0 ? text : text.slice(0, at);
  const colon = named.lastIndexOf(':');
  const tag = colon > named.lastIndexOf('/') ? named.slice(colon + 1) : undefined;
  if (tag !== undefined && !isTag(tag)) throw wrong('what follows : is no tag');
  const path = tag === undefined ? named : named.slice(0, colon);
  const slash = path.indexOf('/');
  const hasHost = slash > 0 && looksLikeHost(path.slice(0, slash));
  const host = hasHost ? canonicalHost(path.slice(0, slash)) : DOCKER_HUB;
  const rest = hasHost ? path.slice(slash + 1) : path;
  const repository = host === DOCKER_HUB && !rest.includes('/') ? `library/${rest}` : rest;
  if (!HOST.test(host) || !URL.canParse(`https://${host}`)) throw wrong('its host cannot be one');
  if (!isRepository(repository))
    throw wrong('its repository is not in lower case letters, digits, “.”, “_”, “-” and “/”');
  return { host, repository, ...(tag === undefined ? {} : { tag }), ...(digest === undefined ? {} : { digest }) };
};

/** The one spelling of a reference. */
export const formatImageReference = ({ host, repository, tag, digest }: ImageReference): string =>
  `${host}/${repository}${tag === undefined ? '' : `:${tag}`}${digest === undefined ? '' : `@${digest}`}`;

/** What to ask a registry for. */
export const wantedOf = ({ tag, digest }: ImageReference): string => digest ?? tag ?? 'latest';

/** Where an image is: at the hub's own registry, over what that speaks, else over https. */
export const locateImage = ({ host, repository }: ImageReference, registryUrl?: string): ImageName => {
  const own = registryUrl === undefined ? undefined : new URL(registryUrl);
  if (own !== undefined && canonicalHost(own.host) === host) return { registry: own.origin, repository };
  return { registry: `https://${host === DOCKER_HUB ? DOCKER_HUB_API : host}`, repository };
};
