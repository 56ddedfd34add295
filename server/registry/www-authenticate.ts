/** One way in which a server lets itself be convinced, from its WWW-Authenticate header (RFC 9110 §11.6.1). */
export interface Challenge {
  /** In lower case: `bearer`, `basic`. */
  readonly scheme: string;
  /** By name in lower case. */
  readonly parameters: Readonly<Record<string, string>>;
}

const TOKEN = "[A-Za-z0-9!#$%&'*+.^_`|~-]+";
// Values without quotes are taken as they come: a colon in one is no token, and is sent all the same.
const PARAMETER = new RegExp(`^(${TOKEN})[ \\t]*=[ \\t]*(?:"((?:[^"\\\\]|\\\\.)*)"|([^\\s,"]+))`, 's');
const SCHEME = new RegExp(`^(${TOKEN})(?:[ \\t]+|$|(?=,))`);

/** Takes the challenges out of a header's values; what cannot be one ends its value. */
export const parseChallenges = (header: string | readonly string[] | undefined): Challenge[] => {
  const challenges: { scheme: string; parameters: Record<string, string> }[] = [];
  for (const value of header === undefined ? [] : typeof header === 'string' ? [header] : header) {
    let rest = value;
    let current: (typeof challenges)[number] | undefined;
    for (;;) {
      rest = rest.replace(/^[ \t,]+/, '');
      const parameter = current && PARAMETER.exec(rest);
      if (current && parameter) {
        const [all, name = '', quoted, plain] = parameter;
        current.parameters[name.toLowerCase()] = quoted?.replace(/\\(.)/gs, '$1') ?? plain ?? '';
        rest = rest.slice(all.length);
        continue;
      }
      const scheme = SCHEME.exec(rest);
      if (!scheme) break;
      current = { scheme: (scheme[1] ?? '').toLowerCase(), parameters: Object.create(null) as Record<string, string> };
      challenges.push(current);
      rest = rest.slice(scheme[0].length);
    }
  }
  return challenges;
};
