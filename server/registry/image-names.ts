import { createHash } from 'node:crypto';
import type { RepoSpec } from '../../sdk/contract/index.ts';
import { HubError } from '../errors.ts';
import { isRepository, isTag } from './image-reference.ts';

/** A repository on a registry and a tag in it. */
export interface TaggedImage {
  readonly repository: string;
  readonly tag: string;
}

const checked = (image: TaggedImage): TaggedImage => {
  if (isRepository(image.repository) && isTag(image.tag)) return image;
  throw new HubError(
    'bad_spec',
    `“${image.repository}:${image.tag}” cannot be an image’s name; registry.prefix may hold lower case letters, digits, “.”, “_”, “-” and “/”.`,
  );
};

/** The image of an environment: `<prefix>env-<key>:<generation>`. Throws HubError `bad_spec` for a prefix that cannot be one. */
export const environmentImage = (prefix: string, key: string, generation: string): TaggedImage =>
  checked({ repository: `${prefix}env-${key}`, tag: generation });

/** The key of the environment that a repository holds; undefined for any other repository. */
export const environmentKeyOf = (prefix: string, repository: string): string | undefined => {
  const start = `${prefix}env-`;
  const key = repository.startsWith(start) ? repository.slice(start.length) : '';
  return /^[a-z2-7]{52}$/.test(key) ? key : undefined;
};

/** BinderHub escapes by byte, in hexadecimal without a leading zero. */
const escapeForBinderHub = (text: string): string =>
  [...text]
    .map((character) =>
      /^[A-Za-z0-9]$/.test(character)
        ? character
        : [...Buffer.from(character)].map((byte) => `-${byte.toString(16)}`).join(''),
    )
    .join('');

const HASH_LENGTH = 6;
const MAX_NAME_LENGTH = 255;

/** How BinderHub calls a repository in its images' names; undefined for a provider that it does not have. */
export const binderHubSlug = ({ provider, repo }: Pick<RepoSpec, 'provider' | 'repo'>): string | undefined => {
  switch (provider) {
    case 'gh':
      return repo.replace('/', '-');
    case 'gist':
      return repo.slice(repo.indexOf('/') + 1);
    case 'git':
      return repo;
    case 'gl':
      return repo
        .split('/')
        .map((part) => part.replaceAll('-', '_-'))
        .join('-');
    case 'dir':
      return undefined;
  }
};

/**
 * The image that a BinderHub with this `image_prefix` has made of a commit, so that a registry it filled is used.
 * The prefix begins with the registry's host where BinderHub's did; only what follows the host counts here.
 */
export const binderHubImage = (imagePrefix: string, slug: string, resolvedRef: string): TaggedImage => {
  const room = MAX_NAME_LENGTH - imagePrefix.length - HASH_LENGTH - 1;
  const hash = createHash('sha256').update(slug).digest('hex').slice(0, HASH_LENGTH);
  const name = `${imagePrefix}${escapeForBinderHub(slug).slice(0, room)}-${hash}`.replaceAll('_', '-').toLowerCase();
  const slash = name.indexOf('/');
  const host = name.slice(0, Math.max(0, slash));
  const hasHost = host.includes('.') || host.includes(':') || host === 'localhost';
  return checked({
    repository: hasHost ? name.slice(slash + 1) : name,
    tag: resolvedRef.replaceAll('_', '-').toLowerCase(),
  });
};
