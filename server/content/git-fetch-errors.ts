import { HubError } from '../errors.ts';
import type { ErrorCode } from '../../sdk/contract/index.ts';
import { GitError } from './git-process.ts';

interface Rule {
  readonly pattern: RegExp;
  readonly code: ErrorCode;
  readonly sentence: (url: string, commit: string) => string;
}

/** What git prints (in the C locale) and what it means, first match wins. */
const RULES: readonly Rule[] = [
  {
    pattern: /No space left on device|Disk quota exceeded/i,
    code: 'disk_full',
    sentence: () => "The hub's disk is full; its owner has to free some space.",
  },
  {
    pattern: /File too large|Out of memory/i,
    code: 'clone_limit',
    sentence: (url) => `${url} is larger than this hub fetches. Use a smaller repository.`,
  },
  {
    pattern: /not our ref|couldn't find remote ref|unadvertised object/i,
    code: 'ref_not_found',
    sentence: (url, commit) => `${url} has no commit ${commit}; check the id, or that it was pushed.`,
  },
  {
    pattern:
      /could not read Username|Authentication failed|returned error: 40[0134]|repository '.*' not found|dumb http/i,
    code: 'repo_not_found',
    sentence: (url) =>
      `${url} cannot be read: it does not exist, or is private. Check its spelling; this hub reads public repositories only.`,
  },
  {
    pattern: /returned error: 429/i,
    code: 'host_limited',
    sentence: (url) => `${new URL(url).host} answers too many requests for now; try again a little later.`,
  },
  {
    pattern: /transport '.*' not allowed/i,
    code: 'policy',
    sentence: (url) => `${url} is asked for over a protocol that this hub does not speak; use https.`,
  },
  {
    pattern: /fsck error|error in object|object corrupt/i,
    code: 'policy',
    sentence: (url) => `${url} holds objects that git's own check refuses; run "git fsck" there and repair it.`,
  },
];

/** Whether the host has moved the repository. */
export const isRedirect = (error: unknown): boolean =>
  error instanceof GitError && /returned error: 30[12378]/.test(error.stderr);

/** Whether the host speaks the old protocol and hands out only what a ref points to. */
export const isUnadvertised = (error: unknown): boolean =>
  error instanceof GitError && /unadvertised object/.test(error.stderr);

/** A failed fetch as the error that a person sees; anything but GitError is returned as it is. */
export const fetchError = (error: unknown, url: string, commit: string): unknown => {
  if (!(error instanceof GitError)) return error;
  const rule = RULES.find(({ pattern }) => pattern.test(error.stderr));
  if (rule !== undefined) return new HubError(rule.code, rule.sentence(url, commit), { cause: error });
  return new HubError('host_down', `${new URL(url).host} could not be fetched from; trying again later may help.`, {
    cause: error,
  });
};
