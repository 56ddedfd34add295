import { compareVersions } from './interpreters.ts';

const CLAUSE = /^(~=|===?|!=|<=|>=|<|>)\s*v?(\d+(?:\.\d+)*)(\.\*)?(?:[a-z+.-][a-z0-9.+_-]*)?$/i;

const parts = (version: string): number[] => version.split('.').map(Number);

const startsWith = (version: string, prefix: string): boolean => {
  const whole = parts(version);
  return parts(prefix).every((part, index) => part === (whole[index] ?? 0));
};

/** Whether text is a list of version clauses of PEP 440, such as `>=3.9,<3.13`. */
export const isVersionSpecifier = (text: string): boolean =>
  text
    .split(',')
    .filter((clause) => clause.trim() !== '')
    .every((clause) => CLAUSE.test(clause.trim()));

/** Whether a released version, such as `3.13.0`, fits a `requires-python`. Throws on what is no specifier: check it first. */
export const fitsSpecifier = (version: string, specifier: string): boolean =>
  specifier
    .split(',')
    .map((clause) => clause.trim())
    .filter(Boolean)
    .every((clause) => {
      const match = CLAUSE.exec(clause);
      if (!match) throw new TypeError(`“${clause}” is no version specifier`);
      const [, operator, wanted = '', wildcard] = match;
      const order = compareVersions(version, wanted);
      switch (operator) {
        case '==':
        case '===':
          return wildcard ? startsWith(version, wanted) : order === 0;
        case '!=':
          return wildcard ? !startsWith(version, wanted) : order !== 0;
        case '<=':
          return order <= 0;
        case '>=':
          return order >= 0;
        case '<':
          return order < 0;
        case '>':
          return order > 0;
        default:
          return order >= 0 && startsWith(version, parts(wanted).slice(0, -1).join('.'));
      }
    });
