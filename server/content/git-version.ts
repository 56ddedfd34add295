import { HubError } from '../errors.ts';
import type { Git } from './git-process.ts';

/** The oldest git whose guards this hub relies on. */
const MIN_GIT = [2, 39] as const;

/** Throws HubError `unhealthy`, with the command that cures it, when git is missing or too old; returns its version. */
export const checkGitVersion = async (git: Git, folder: string): Promise<string> => {
  const needed = MIN_GIT.join('.');
  const cure = `Install git ${needed} or newer (Debian and Ubuntu: apt install git; macOS: brew install git) and start the hub again.`;
  let printed: string;
  try {
    printed = (await git.run({ words: ['version'], folder })).toString();
  } catch (error) {
    throw new HubError('unhealthy', `git cannot be run on the hub's machine. ${cure}`, { cause: error });
  }
  const [, version = '', major, minor] = /^git version ((\d+)\.(\d+)\S*)/.exec(printed) ?? [];
  const isEnough = Number(major) > MIN_GIT[0] || (Number(major) === MIN_GIT[0] && Number(minor) >= MIN_GIT[1]);
  if (!isEnough) throw new HubError('unhealthy', `git ${version || 'of unknown version'} is too old. ${cure}`);
  return version;
};
