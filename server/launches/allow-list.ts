import { formatRepo, type RepoSpec } from '../../sdk/contract/index.ts';
import { HubError } from '../errors.ts';

/** Which repositories the owner of this hub allows to run. */
export interface AllowList {
  readonly patterns: readonly string[];
  /** Throws HubError `not_allowed` with a sentence that says how to allow it. */
  check(spec: RepoSpec): void;
}

const toExpression = (pattern: string): RegExp => {
  const literal = pattern.split('*').map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  // Hosts take owners and names in any case, so a list that told cases apart would only seem to.
  return new RegExp(`^${literal.join('.*')}$`, 'i');
};

/** A pattern is `<provider>/<repository>`, decoded or encoded, where `*` stands for any characters: `gh/owner/*`, `dir/*`. */
export const createAllowList = (patterns: readonly string[]): AllowList => {
  const expressions = patterns.map(toExpression);
  return {
    patterns,
    check: (spec) => {
      const spellings = [`${spec.provider}/${spec.repo}`, formatRepo(spec)];
      if (expressions.some((expression) => spellings.some((spelling) => expression.test(spelling)))) return;
      const allowed = patterns.length === 0 ? 'nothing' : patterns.join(', ');
      throw new HubError(
        'not_allowed',
        `Sorry, ${spellings[0]} is not allowed to launch. This hub runs ${allowed}; its owner can add ${JSON.stringify(spellings[0])} to "allow" in its configuration.`,
      );
    },
  };
};
