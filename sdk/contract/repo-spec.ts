/** How a repository is named: `<provider>/<spec>/<ref>`, one spelling for addresses, tags and logs. */

/** The kinds of source a hub of this version can know, in the order in which they are shown. */
export const PROVIDERS = ['gh', 'gist', 'git', 'gl', 'dir'] as const;

export type ProviderId = (typeof PROVIDERS)[number];

/**
 * A repository and a ref, before resolution. `repo` is decoded: `owner/name` (gh), `namespace/project` (gl),
 * `user/id` (gist), an http(s) address (git), `root/path` with path `.` for the root itself (dir).
 */
export interface RepoSpec {
  readonly provider: ProviderId;
  readonly repo: string;
  readonly ref: string;
}

/** Thrown for a spec that cannot be one; `message` says what was received, what is allowed and what to do. */
export class RepoSpecError extends Error {
  override readonly name = 'RepoSpecError';
  readonly code = 'bad_spec';
}

export const MAX_SPEC_LENGTH = 2_048;
export const MAX_REF_BYTES = 255;
export const DEFAULT_REF = 'HEAD';

const FULL_COMMIT = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/;

/** Whether a ref is a whole commit id (or a directory's digest) and so needs no look-up. */
export const isFullCommit = (ref: string): boolean => FULL_COMMIT.test(ref);

// The first is what a header, a log or a terminal could be led astray by; the second is git's own check-ref-format.
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/;
const REF_FORBIDDEN = /[ ~^:?*[\\]|\.\.|@\{|\/\/|^[-/.]|[/.]$|\/\.|\.lock(?:\/|$)|^@$/;

const GRAMMARS: Readonly<Record<ProviderId, { repo: RegExp; like: string }>> = {
  gh: {
    repo: /^[A-Za-z0-9](?:[A-Za-z0-9-]{0,38})\/(?!\.{1,2}$)[A-Za-z0-9._-]{1,100}$/,
    like: 'gh/<owner>/<name>/<ref>',
  },
  gl: {
    repo: /^(?:[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,254})\/)+[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,254})$/,
    like: 'gl/<group%2Fproject, percent-encoded>/<ref>',
  },
  gist: { repo: /^[A-Za-z0-9](?:[A-Za-z0-9-]{0,38})\/[0-9a-f]{1,64}$/, like: 'gist/<user>/<id>[/<ref>]' },
  git: { repo: /^https?:\/\/[^\s/?#]+\/[^\s?#]+$/, like: 'git/<https address, percent-encoded>/<ref>' },
  dir: {
    repo: /^[A-Za-z0-9_][A-Za-z0-9_-]{0,62}\/[^/].*$/,
    like: 'dir/<root>/HEAD, or dir/<root>/<path, percent-encoded>/HEAD',
  },
};

const show = (text: string): string => JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);

const decode = (segment: string, whole: string): string => {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw new RepoSpecError(
      `${show(whole)} holds a broken percent-encoding in ${show(segment)}; write the spec with encodeURIComponent.`,
    );
  }
};

/** A string's length in UTF-8; infinite where it holds half of a surrogate pair and so has no encoding. */
const byteLength = (text: string): number => {
  try {
    return encodeURIComponent(text).replace(/%[0-9A-F]{2}/g, '.').length;
  } catch {
    return Number.POSITIVE_INFINITY;
  }
};

/** Checks a ref by git's own rules; throws RepoSpecError. */
export const checkRef = (ref: string): string => {
  if (ref === '') throw new RepoSpecError(`The ref is empty; name a branch, a tag or a commit, or ${DEFAULT_REF}.`);
  if (byteLength(ref) > MAX_REF_BYTES)
    throw new RepoSpecError(`The ref ${show(ref)} is longer than ${MAX_REF_BYTES} bytes.`);
  if (CONTROL.test(ref) || REF_FORBIDDEN.test(ref)) {
    throw new RepoSpecError(
      `${show(ref)} cannot be a ref; git allows no spaces, "..", ":", "~", "^" or leading "-" in branch and tag names.`,
    );
  }
  return ref;
};

const checkRepo = (provider: ProviderId, repo: string): string => {
  const { repo: grammar, like } = GRAMMARS[provider];
  // Half of a surrogate pair has no encoding, so no address could name it.
  if (CONTROL.test(repo) || byteLength(repo) === Number.POSITIVE_INFINITY || !grammar.test(repo))
    throw new RepoSpecError(`${show(repo)} is no repository of ${provider}; a spec looks like ${like}.`);
  if (provider === 'git') checkAddress(repo);
  if (provider === 'dir') checkFolder(repo);
  return repo;
};

const checkAddress = (address: string): void => {
  const rest = address.slice(address.indexOf('//') + 2);
  if (/[@\\]/.test(rest.split('/', 1)[0] ?? ''))
    throw new RepoSpecError(`${show(address)} holds a user name; only public addresses without one can be fetched.`);
  if (/(^|\/)\.{1,2}(\/|$)/.test(rest))
    throw new RepoSpecError(`${show(address)} holds "." or ".." segments; give the plain address.`);
};

const checkFolder = (repo: string): void => {
  const path = repo.slice(repo.indexOf('/') + 1);
  if (path === '.') return;
  const bad = path.split('/').some((segment) => segment === '' || segment === '.' || segment === '..');
  if (bad || path.includes('\\'))
    throw new RepoSpecError(
      `${show(path)} is no folder below a root; give a relative path without "..", or "." for the root itself.`,
    );
};

/** Makes a spec from its parts, checked and in canonical form; throws RepoSpecError. */
export const repoSpec = (provider: string, repo: string, ref: string = DEFAULT_REF): RepoSpec => {
  if (!(PROVIDERS as readonly string[]).includes(provider)) {
    throw new RepoSpecError(`No provider found for prefix ${show(provider)}; this hub knows ${PROVIDERS.join(', ')}.`);
  }
  const known = provider as ProviderId;
  const plain = known === 'gh' || known === 'git' ? repo.replace(/\/+$/, '') : repo;
  const canonical = known === 'gh' ? plain.replace(/\.git$/, '') : plain;
  return { provider: known, repo: checkRepo(known, canonical), ref: checkRef(ref) };
};

/** How many path segments name the repository, before the ref. */
const REPO_SEGMENTS: Readonly<Record<ProviderId, number>> = { gh: 2, gl: 1, gist: 2, git: 1, dir: 2 };

/**
 * Whether `dir/<root>/<ref>` is meant, the root itself: a segment `.` of its own would not survive, since every parser
 * of addresses drops it, percent-encoded too.
 */
const isRootAndRef = (segments: readonly string[]): boolean =>
  segments.length === 2 && (segments[1] === DEFAULT_REF || isFullCommit(segments[1]!));

/**
 * Reads `<provider>/<spec>/<ref>` as it stands in an address, still percent-encoded; a trailing slash is ignored.
 * Throws RepoSpecError.
 *
 * @example parseRepoSpec('git/https%3A%2F%2Fexample.org%2Fa.git/main').repo // 'https://example.org/a.git'
 */
export const parseRepoSpec = (text: string): RepoSpec => {
  if (text.length > MAX_SPEC_LENGTH) throw new RepoSpecError(`The spec is longer than ${MAX_SPEC_LENGTH} characters.`);
  const [provider = '', ...given] = text.replace(/\/+$/, '').split('/');
  if (!(PROVIDERS as readonly string[]).includes(provider)) {
    throw new RepoSpecError(`No provider found for prefix ${show(provider)}; this hub knows ${PROVIDERS.join(', ')}.`);
  }
  const known = provider as ProviderId;
  const segments = known === 'dir' && isRootAndRef(given) ? [given[0]!, '.', given[1]!] : given;
  const count = REPO_SEGMENTS[known];
  const { like } = GRAMMARS[known];
  if (segments.length < count) throw new RepoSpecError(`${show(text)} is incomplete; a spec looks like ${like}.`);
  const repo = segments
    .slice(0, count)
    .map((segment) => decode(segment, text))
    .join('/');
  const ref = segments
    .slice(count)
    .map((segment) => decode(segment, text))
    .join('/');
  if (ref === '' && known !== 'gist') {
    throw new RepoSpecError(
      `${show(text)} names no ref; a spec looks like ${like}. Did you mean ${show(`${text.replace(/\/+$/, '')}/${DEFAULT_REF}`)}?`,
    );
  }
  return repoSpec(known, repo, ref === '' ? DEFAULT_REF : ref);
};

const encodeRef = (ref: string): string => ref.split('/').map(encodeURIComponent).join('/');

/** The repository's part of a spec, encoded: `gh/owner/name`, `git/https%3A%2F%2F…`. */
export const formatRepo = ({ provider, repo }: Pick<RepoSpec, 'provider' | 'repo'>): string => {
  if (provider === 'git' || provider === 'gl') return `${provider}/${encodeURIComponent(repo)}`;
  if (provider === 'dir') {
    const slash = repo.indexOf('/');
    const [root, path] = [repo.slice(0, slash), repo.slice(slash + 1)];
    return path === '.' ? `${provider}/${root}` : `${provider}/${root}/${encodeURIComponent(path)}`;
  }
  return `${provider}/${repo.split('/').map(encodeURIComponent).join('/')}`;
};

/** Writes a spec as `parseRepoSpec` reads it. */
export const formatRepoSpec = (spec: RepoSpec): string => {
  const [repo, ref] = [formatRepo(spec), encodeRef(spec.ref)];
  // A ref that no folder has would be taken for a path here; kept apart, the provider can say what is wrong with it.
  const isUnclear = spec.provider === 'dir' && spec.repo.endsWith('/.') && !isRootAndRef([spec.repo, spec.ref]);
  return isUnclear ? `${repo}/./${ref}` : `${repo}/${ref}`;
};
