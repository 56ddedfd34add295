import { HubError } from '../errors.ts';
import { requirementName } from '../environments/requirement-syntax.ts';
import { canonicalName } from '../environments/uv-lock.ts';
import type { PythonPlan, RequirementLine } from '../environments/plan.ts';
import type { BuildResult } from './build-result.ts';

type Failure = Extract<BuildResult, { ok: false }>;

/** One way in which uv says that it cannot go on: what it prints, and what a person should read. */
interface Rule {
  readonly pattern: RegExp;
  /** The sentence, from the pattern's groups; `place` gives ` (file, line n)` of a package, or nothing. */
  readonly sentence: (found: Readonly<Record<string, string | undefined>>, place: (name?: string) => string) => string;
  readonly code?: 'registry_down';
}

const NAME = String.raw`[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?`;
const EXTRAS = String.raw`(?:\[[^\]]*\])?`;
const pattern = (source: string) => new RegExp(source.replaceAll('NAME', NAME + EXTRAS), 's');

/** In order of precision: the first that matches decides. The output is one line with single spaces and without uv's `{markers}`; group `package` is the one to blame. */
const RULES: readonly Rule[] = [
  {
    pattern: pattern('Because (?<package>NAME) was not found in the (?:package registry|provided package locations)'),
    sentence: ({ package: name }, place) =>
      `There is no package named “${name}” in the package index${place(name)}. Check the spelling.`,
  },
  {
    pattern: pattern(
      String.raw`the current Python version \((?<python>[\d.]+)\) does not satisfy Python(?<wanted>[<>=!~\d.,*]+)(?: and (?<package>NAME)\S* depends on)?`,
    ),
    sentence: ({ python, wanted, package: name }, place) =>
      `${name ?? 'A package'}${place(name)} needs Python ${wanted}, and the environment has Python ${python}. Choose another version of the package, or name a fitting Python in runtime.txt or requires-python.`,
  },
  {
    pattern: pattern(
      String.raw`(?<other>NAME)(?:[=<>!~]\S*)? depends? on (?<package>NAME)(?<wanted>[=<>!~]\S*) .*you require \k<package>(?<required>[=<>!~][^\s,]*(?:,[=<>!~][^\s,]+)*)`,
    ),
    sentence: ({ other, package: name, wanted, required }, place) =>
      `The requirements contradict each other: ${other}${place(other)} needs ${name}${wanted}, and ${name}${required}${place(name)} is asked for. Loosen one of the two.`,
  },
  {
    pattern: pattern(
      String.raw`Because there (?:is|are) no versions? of (?<package>NAME)(?<wanted>[<>=!~][^\s,]*(?:,[=<>!~][^\s,]+)*)`,
    ),
    sentence: ({ package: name, wanted }, place) =>
      `The package index has no version of ${name} that fits “${wanted}”${place(name)}. Choose a version that exists.`,
  },
  {
    pattern: pattern(
      String.raw`(?<package>NAME)(?:[=<>!~]\S*)? (?:has no usable wheels|has no wheels with a matching)`,
    ),
    sentence: ({ package: name }, place) =>
      `${name}${place(name)} has no ready-made file for this machine and Python version. Choose another version of it, or another Python in runtime.txt.`,
  },
  {
    pattern: pattern(String.raw`you require (?<package>NAME)(?:[=<>!~]\S*)?.*unsatisfiable`),
    sentence: ({ package: name }, place) =>
      `The requirements contradict each other, ${name}${place(name)} among them. The log names the versions; loosen one of them.`,
  },
  {
    pattern: pattern(String.raw`Failed to (?:build|download and build|prepare)[^\x60]*\x60(?<package>NAME)`),
    sentence: ({ package: name }, place) =>
      `${name}${place(name)} could not be built from source. The log shows why; a version with ready-made files (wheels) avoids it.`,
  },
  {
    pattern: pattern(String.raw`Hash mismatch for \x60(?<package>NAME)`),
    sentence: ({ package: name }, place) =>
      `The file of ${name}${place(name)} in the package index is not the one whose hash is given. Renew the hashes.`,
  },
  {
    pattern:
      /Failed to fetch|Could not connect|error sending request|dns error|timed out|Connection refused|Request failed after/,
    sentence: () =>
      'The package index cannot be reached at the moment. Try again later; if it lasts, check the hub’s network and its setting environments.index.',
    code: 'registry_down',
  },
  {
    pattern: /Failed to parse `?uv\.lock`?|Unable to find lockfile/,
    sentence: () => 'uv.lock cannot be read. Make it anew with `uv lock`.',
  },
];

/** The requirement line that asks for a package. */
const lineOfPackage = (plan: PythonPlan, name: string): RequirementLine | undefined => {
  if (plan.install.from !== 'requirements') return undefined;
  const wanted = canonicalName(requirementName(name) ?? '');
  return [...plan.install.lines, ...(plan.install.constraints ?? [])].find(
    (line) => canonicalName(requirementName(line.text) ?? '') === wanted,
  );
};

const SENTENCES: Readonly<Record<string, string>> = {
  'build_timeout/deadline':
    'The build took longer than this hub allows and was ended. Fewer packages, or packages with ready-made files (wheels), build faster.',
  'build_timeout/silence':
    'The build said nothing for so long that it was ended; most likely it hangs. The log shows the last thing that it did.',
  'disk_full/budget':
    'The environment takes more room on disk than this hub allows for one. Ask for fewer or smaller packages.',
  'disk_full/free':
    'The hub’s disk is nearly full, so the build was ended. Its owner can make room with `liveleaf gc`.',
  'build_oom/killed':
    'The build was killed, most likely because the machine had no memory left. Packages with ready-made files (wheels) need less.',
  'policy/archive': 'The repository’s archive holds a path that leaves its own folder, so it was not unpacked.',
};

/** uv's prose on one line, without its decoration. */
const tidy = (output: readonly string[]): string =>
  output
    .map((line) => line.replace(/^\s*(?:[×│├╰▶─]+\s*|cause:\s*|error:\s*)*/u, '').trim())
    .join(' ')
    .replace(/\{[^}]*\}/g, '')
    .replace(/\s+/g, ' ');

/** A failed build as the error that a person reads: code, a sentence that says what to do, and file, line and package where they are known. */
export const buildError = (result: Failure, plan: PythonPlan): HubError => {
  const logTail = result.output?.slice(-20);
  const tail = logTail?.length ? { logTail } : {};
  const known = SENTENCES[`${result.code}/${result.reason}`];
  if (known) return new HubError(result.code, known, tail);
  if (result.code !== 'build_failed')
    return new HubError(result.code, 'The hub made a mistake while building; its log has the details.', {
      ...tail,
      cause: result.reason,
    });
  if (result.step === 'check')
    return new HubError(
      'build_failed',
      'The environment was installed, but the kernel does not start in it: a requirement may hold back one of ipykernel’s own. The log has the details.',
      tail,
    );
  const text = tidy(result.output ?? []);
  for (const { pattern: shape, sentence, code } of RULES) {
    const found = shape.exec(text)?.groups;
    if (!found && !shape.test(text)) continue;
    const place = (name?: string) => {
      const line = name && lineOfPackage(plan, name);
      return line ? ` (${line.file}, line ${line.line})` : '';
    };
    const name = found?.['package'];
    // uv may blame a package that another one needs: the requirement that brought it is in its proof.
    const blamed = [
      name,
      found?.['other'],
      ...[...text.matchAll(new RegExp(pattern('you require (NAME)'), 'g'))].map((match) => match[1]),
    ];
    const line = blamed.map((each) => each && lineOfPackage(plan, each)).find((each) => typeof each === 'object');
    return new HubError(code ?? 'build_failed', sentence(found ?? {}, place), {
      ...tail,
      ...(line || name
        ? { detail: { ...(line ? { file: line.file, line: line.line } : {}), ...(name ? { package: name } : {}) } }
        : {}),
    });
  }
  return new HubError('build_failed', 'A package could not be installed; the last lines of the log say why.', tail);
};
