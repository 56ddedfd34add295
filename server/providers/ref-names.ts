import { DEFAULT_REF } from '../../sdk/contract/index.ts';
import type { GitRef } from './pkt-line.ts';

/** The full names that a ref may stand for, best first: a branch before a tag of the same name. Nothing else matches. */
export const candidateNames = (ref: string): readonly string[] => {
  if (ref === DEFAULT_REF) return [DEFAULT_REF];
  if (ref.startsWith('refs/')) return [ref];
  const full = /^(?:heads|tags)\//.test(ref) ? [`refs/${ref}`] : [];
  return [`refs/heads/${ref}`, `refs/tags/${ref}`, ...full];
};

/** The commit that a ref stands for among those listed, or undefined. */
export const pickCommit = (ref: string, refs: readonly GitRef[]): string | undefined => {
  for (const name of candidateNames(ref)) {
    const found = refs.find((candidate) => candidate.name === name);
    if (found !== undefined) return found.peeled ?? found.id;
  }
  return undefined;
};

const MAX_COMPARED = 5_000;

/** How many characters have to change to make one word the other. */
const distance = (from: string, to: string): number => {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let i = 1; i <= from.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= to.length; j += 1) {
      const same = from[i - 1] === to[j - 1] ? 0 : 1;
      next.push(Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, (row[j - 1] ?? 0) + same));
    }
    row = next;
  }
  return row[to.length] ?? 0;
};

/** Up to three branches and tags whose names are like `ref`; where none is, some branches that there are. */
export const nearestNames = (ref: string, refs: readonly GitRef[]): readonly string[] => {
  const short = (name: string): string => name.replace(/^refs\/(?:heads|tags)\//, '');
  const names = refs.filter(({ name }) => /^refs\/(?:heads|tags)\//.test(name)).slice(0, MAX_COMPARED);
  const wanted = short(ref).toLowerCase();
  const near = [...new Set(names.map(({ name }) => short(name)))]
    .map((name) => {
      const lower = name.toLowerCase();
      const part = wanted.length > 2 && (lower.includes(wanted) || wanted.includes(lower));
      return { name, steps: lower === wanted ? 0 : part ? 1 : distance(wanted, lower) };
    })
    .filter(({ steps }) => steps <= Math.max(2, Math.floor(wanted.length / 3)))
    .toSorted((a, b) => a.steps - b.steps || (a.name < b.name ? -1 : 1))
    .slice(0, 3);
  if (near.length > 0) return near.map(({ name }) => name);
  return names
    .filter(({ name }) => name.startsWith('refs/heads/'))
    .slice(0, 3)
    .map(({ name }) => short(name));
};

const COMMIT_LIKE = /^[0-9a-f]{4,64}$/i;

/** The sentence for a ref that a repository does not have. */
export const refNotFoundMessage = (repoUrl: string, ref: string, refs: readonly GitRef[]): string => {
  const shown = JSON.stringify(ref);
  if (COMMIT_LIKE.test(ref))
    return `${repoUrl} has no branch or tag ${shown}. If it is a commit, give its whole id: 40 hex digits, in lower case.`;
  if (ref === DEFAULT_REF)
    return `${repoUrl} has no commit on its default branch yet; push one, or name another branch.`;
  const near = nearestNames(ref, refs);
  const hint =
    near.length === 0 ? 'Check the name.' : `Did you mean ${near.map((name) => JSON.stringify(name)).join(' or ')}?`;
  return `${repoUrl} has no branch or tag ${shown}. ${hint}`;
};
