import type { ProviderId } from '../../sdk/contract/index.ts';
import type { RepoProviderDisplay } from './repo-provider.ts';

/** What tells one kind of git host from another: addresses, as data. `origin` has no trailing slash. */
export interface GitHostKind {
  readonly id: Exclude<ProviderId, 'dir'>;
  /** The host that is meant when the configuration names none. */
  readonly defaultHost: string;
  cloneUrl(origin: string, repo: string): string;
  repoUrl(origin: string, repo: string): string;
  refUrl(origin: string, repo: string, commit: string): string;
  display(origin: string): Omit<RepoProviderDisplay, 'id'>;
}

const REF = { enabled: true, default: 'HEAD' };

const gistId = (repo: string): string => repo.slice(repo.indexOf('/') + 1);

const quoted = (text: string): string => text.replace(/[.*+?^${}()|[\]\\/]/g, String.raw`\$&`);

const GITHUB: GitHostKind = {
  id: 'gh',
  defaultHost: 'github.com',
  cloneUrl: (origin, repo) => `${origin}/${repo}.git`,
  repoUrl: (origin, repo) => `${origin}/${repo}`,
  refUrl: (origin, repo, commit) => `${origin}/${repo}/tree/${commit}`,
  display: (origin) => ({
    displayName: 'GitHub',
    spec: { validateRegex: '[^/]+/[^/]+/.+' },
    detect: { regex: `^(?:${quoted(origin)}/)?(?<repo>[^/]+/[^/]+?)(?:\\.git)?/?$` },
    repo: { label: 'GitHub repository name or URL', placeholder: `binder-examples/requirements or ${origin}/…` },
    ref: REF,
  }),
};

const GIST: GitHostKind = {
  id: 'gist',
  defaultHost: 'gist.github.com',
  cloneUrl: (origin, repo) => `${origin}/${gistId(repo)}.git`,
  repoUrl: (origin, repo) => `${origin}/${repo}`,
  refUrl: (origin, repo, commit) => `${origin}/${repo}/${commit}`,
  display: (origin) => ({
    displayName: 'Gist',
    spec: { validateRegex: '[^/]+/[^/]+(/[^/]+)?' },
    detect: { regex: `^(?:${quoted(origin)}/)?(?<repo>[^/]+/[0-9a-f]+)/?$` },
    repo: { label: 'Gist ID (username/gistId) or URL', placeholder: `user/0123456789abcdef or ${origin}/…` },
    ref: REF,
  }),
};

const GIT: GitHostKind = {
  id: 'git',
  defaultHost: '',
  cloneUrl: (_, repo) => repo,
  repoUrl: (_, repo) => repo,
  refUrl: (_, repo) => repo,
  display: () => ({
    displayName: 'Git repository',
    spec: { validateRegex: '[^/]+/.+' },
    repo: { label: 'Git repository URL', placeholder: 'https://git.example.org/project.git', urlEncode: true },
    ref: REF,
  }),
};

const GITLAB: GitHostKind = {
  id: 'gl',
  defaultHost: 'gitlab.com',
  cloneUrl: (origin, repo) => `${origin}/${repo}.git`,
  repoUrl: (origin, repo) => `${origin}/${repo}`,
  refUrl: (origin, repo, commit) => `${origin}/${repo}/-/tree/${commit}`,
  display: (origin) => ({
    displayName: 'GitLab',
    spec: { validateRegex: '[^/]+/.+' },
    detect: { regex: `^(?:${quoted(origin)}/)?(?<repo>[^:]+/[^:]+?)(?:\\.git)?/?$` },
    repo: { label: 'GitLab repository name or URL', placeholder: `group/project or ${origin}/…`, urlEncode: true },
    ref: REF,
  }),
};

export const GIT_HOSTS: Readonly<Record<GitHostKind['id'], GitHostKind>> = {
  gh: GITHUB,
  gist: GIST,
  git: GIT,
  gl: GITLAB,
};
