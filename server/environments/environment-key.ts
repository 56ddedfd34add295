import { createHash } from 'node:crypto';
import type { EnvironmentPlan, RequirementLine } from './plan.ts';

const BASE32 = 'abcdefghijklmnopqrstuvwxyz234567';

/** Lower-case base32 without padding; 32 bytes give 52 characters. */
export const base32 = (bytes: Uint8Array): string => {
  let text = '';
  let bits = 0;
  let value = 0;
  for (const byte of bytes) {
    value = (value << 8) | byte;
    bits += 8;
    while (bits >= 5) {
      text += BASE32[(value >>> (bits - 5)) & 31];
      bits -= 5;
    }
    value &= (1 << bits) - 1;
  }
  return bits > 0 ? text + BASE32[(value << (5 - bits)) & 31] : text;
};

/** JSON with sorted object keys and without what is undefined, so that equal data give equal text. */
export const canonicalJson = (value: unknown): string => {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value).filter(([, item]) => item !== undefined);
    entries.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
    return `{${entries.map(([name, item]) => `${JSON.stringify(name)}:${canonicalJson(item)}`).join(',')}}`;
  }
  return JSON.stringify(value ?? null);
};

/** Which file and line a requirement came from, and how often it is said, changes nothing of the environment. */
const texts = (lines: readonly RequirementLine[]): string[] => [...new Set(lines.map((line) => line.text))].sort();

/** The key of a plan: 52 lower-case base32 characters of the SHA-256 of what the environment depends on. */
export const environmentKey = (plan: EnvironmentPlan): string => {
  const { install } = plan;
  const relevant =
    install.from === 'requirements'
      ? {
          ...plan,
          install: {
            ...install,
            lines: texts(install.lines),
            constraints: texts(install.constraints ?? []),
            options: [...new Set(install.options)].sort(),
          },
        }
      : plan;
  return base32(createHash('sha256').update(canonicalJson(relevant)).digest());
};
