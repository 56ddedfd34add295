import { HubError } from '../errors.ts';
import type { PythonPlan, RequirementLine } from '../environments/plan.ts';
import type { BuildResult } from './build-result.ts';

type Failure = Extract<BuildResult, { ok: false }>;

/** One way in which uv says that it cannot go on: what it prints, and what a person should read. */
interface Rule {
  readonly pattern: RegExp;
  /** The sentence; `found` holds the pattern's groups, `where` names file and line or is empty. */
  readonly sentence: (found: Readonly<Record<string, string>>, where: string) => string;
  readonly code?: 'registry_down' | 'build_failed';
}

const NAME = String.raw`[A-Za-z0-9][A-Za-z0-9._-]*`;
const pattern = (source: string) => new RegExp(source.replaceAll('NAME', NAME), 's');

/** In order of precision: the first that matches decides. The output is joined to one line with single spaces. */
const RULES: readonly Rule[] = [
  {
    pattern: pattern(
      String.raw`Because (?<package>NAME) was not found in the (?:package registry|provided package locations)`,
    ),
    sentence: ({ package: name }, where) =>
      `There is no package named “${name}” in the package index${where}. Check the spelling.`,
  },
  {
    pattern: pattern(
      String.raw`the current Python version \((?<python>[\d.]+)\) does not satisfy Python(?<wanted>[<>=!~\d.,*]+)(?: and (?<package>NAME)[^ ]* depends| and you require (?<required>NAME))?`,
    ),
    sentence: ({ python, wanted, package: name, required }, where) =>
      `${name ?? required ?? 'A package'} needs Python ${wanted}, and the environment has Python ${python}${where}. Choose another version of the package, or name a fitting Python in runtime.txt or requires-python.`,
  },
  {
    pattern: pattern(
      String.raw`Because there (?:is|are) no versions? of (?<package>NAME)(?:\[[^\]]*\])?(?<wanted>[<>=!~][^ ]*)`,
    ),
    sentence: ({ package: name, wanted }, where) =>
      `The package index has no version of ${name} that fits “${wanted}”${where}. Choose a version that exists.`,
  },
  {
    pattern: pattern(String.raw`(?<package>NAME)[=<>!~][^ ]* (?:has no usable wheels|has no wheels with a matching)`),
    sentence: ({ package: name }, where) =>
      `${name} has no ready-made file for this machine and Python version${where}. Choose another version of it, or another Python in runtime.txt.`,
  },
  {
    pattern: pattern(
      String.raw`Because (?<a>NAME)(?:\[[^\]]*\])?(?:[=<>!~][^ ]*)? depends on (?<b>NAME)(?<wanted>[^ ]*) and you require (?<package>NAME)(?:\[[^\]]*\])?(?<required>[<>=!~][^ ]*)`,
    ),
    sentence: ({ a, b, wanted, package: name, required }, where) =>
      `The requirements contradict each other: ${a} needs ${b}${wanted?.replace(/[{}]/g, '')}, and ${name}${required?.replace(/,$/, '')} is asked for${where}. Loosen one of the two.`,
  },
  {
    pattern: pattern(
      String.raw`(?:you require|your project depends on) (?<package>NAME).*(?:unsatisfiable|incompatible)`,
    ),
    sentence: ({ package: name }, where) =>
      `The requirements contradict each other, ${name} among them${where}. The log names the versions; loosen one of them.`,
  },
  {
    pattern: pattern(String.raw`Failed to (?:build|download and build|prepare)[^\`]*\`(?<package>NAME)`),
    sentence: ({ package: name }, where) =>
      `${name} could not be built from source${where}. The log shows why; a version with ready-made files (wheels) avoids it.`,
  },
  {
    pattern:
      /(?:Failed to fetch|Could not connect|error sending request|dns error|timed out|Connection refused|Request failed after)/s,
    sentence: () =>
      'The package index cannot be reached at the moment. Try again later; if it lasts, check the hub’s network and its setting environments.index.',
    code: 'registry_down',
  },
  {
    pattern: /Hash mismatch for `(?<package>[A-Za-z0-9][A-Za-z0-9._-]*)/s,
    sentence: ({ package: name }, where) =>
      `The file of ${name} in the package index is not the one whose hash is given${where}. Renew the hashes.`,
  },
  {
    pattern: /Failed to parse `?uv\.lock`?|Unable to find lockfile/s,
    sentence: () => 'uv.lock cannot be read. Make it anew with `uv lock`.',
  },
];

const canonicalName = (name: string): string => name.toLowerCase().replace(/[-_.]+/g, '-');

/** The requirement line that asks for a package. */
export const lineOfPackage = (plan: PythonPlan, name: string): RequirementLine | undefined => {
  if (plan.install.from !== 'requirements') return undefined;
  const wanted = canonicalName(name);
  return [...plan.install.lines, ...(plan.install.constraints ?? [])].find(
    (line) => canonicalName(/^[A-Za-z0-9][A-Za-z0-9._-]*/.exec(line.text)?.[0] ?? '') === wanted,
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

const tidy = (output: readonly string[]): string =>
  output
    .map((line) => line.replace(/^\s*(?:[×│├╰▶─hint:]+\s)*/u, '').trim())
    .join(' ')
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
    const match = shape.exec(text);
    if (!match) continue;
    const found = match.groups ?? {};
    const lines = [found['package'], found['required'], found['a'], ...requiredNames(text)].flatMap((name) =>
      name ? [lineOfPackage(plan, name)] : [],
    );
    const line = lines.find((candidate) => candidate !== undefined);
    const where = line ? ` (${line.file}, line ${line.line})` : '';
    const name = found['package'] ?? found['required'];
    return new HubError(code ?? 'build_failed', sentence(found, where), {
      ...tail,
      ...(line || name
        ? { detail: { ...(line ? { file: line.file, line: line.line } : {}), ...(name ? { package: name } : {}) } }
        : {}),
    });
  }
  return new HubError('build_failed', 'A package could not be installed; the last lines of the log say why.', tail);
};

/** Packages that the requirements name, as uv tells them in its proof. */
const requiredNames = (text: string): string[] =>
  [...text.matchAll(new RegExp(`you require (${NAME})`, 'g'))].map((match) => match[1] ?? '');
