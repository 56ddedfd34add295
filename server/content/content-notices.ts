const MAX_NAMES = 5;

const list = (paths: readonly string[]): string => {
  const shown = paths.slice(0, MAX_NAMES).map((path) => JSON.stringify(path));
  return paths.length > MAX_NAMES ? `${shown.join(', ')} and ${paths.length - MAX_NAMES} more` : shown.join(', ');
};

/** What is absent from a version of a repository; paths, sorted. */
export interface Absent {
  readonly submodules: readonly string[];
  readonly lfsFiles: readonly string[];
  readonly links: readonly string[];
}

/** Sentences for the launch log about what a session will not find. */
export const contentNotices = ({ submodules, lfsFiles, links }: Absent): readonly string[] => [
  ...(submodules.length === 0
    ? []
    : [`Submodules and nested repositories are not fetched; these folders are empty: ${list(submodules)}.`]),
  ...(lfsFiles.length === 0
    ? []
    : [`Files kept in Git LFS are not fetched; only their pointers are there: ${list(lfsFiles)}.`]),
  ...(links.length === 0 ? [] : [`Links that lead out of the repository are left out: ${list(links)}.`]),
];

/** Sizes in words: `12.3 MB`. */
const formatBytes = (bytes: number): string => {
  const units = ['B', 'KB', 'MB', 'GB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1_000 && unit < units.length - 1) {
    value /= 1_000;
    unit += 1;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
};

/** The line of the launch log that sums content up. */
export const contentSummary = (files: number, bytes: number): string =>
  `${files} ${files === 1 ? 'file' : 'files'}, ${formatBytes(bytes)}`;
