/**
 * What git is told before it reads a byte of anyone's: nothing of this machine's configuration counts, no program is
 * started for a repository's sake, no protocol but the allowed ones is spoken. Each line guards against a class of
 * CVEs that holds on an unpatched git too.
 */
const SETTINGS: Readonly<Record<string, string>> = {
  'core.hooksPath': '/dev/null',
  'core.fsmonitor': 'false',
  'core.untrackedCache': 'false',
  'core.attributesFile': '/dev/null',
  'core.excludesFile': '/dev/null',
  'core.askPass': '',
  'core.pager': 'cat',
  'credential.helper': '',
  // A folder that merely looks like a bare repository is content, not configuration.
  'safe.bareRepository': 'explicit',
  'gc.auto': '0',
  'maintenance.auto': 'false',
  'fetch.recurseSubmodules': 'false',
  'submodule.recurse': 'false',
  'fetch.writeCommitGraph': 'false',
  'transfer.bundleURI': 'false',
  'transfer.credentialsInUrl': 'die',
  // Packs are kept as one file each, so that a limit on file size bounds them.
  'transfer.unpackLimit': '1',
  'transfer.fsckObjects': 'true',
  // Harmless faults of old tools, which hosts accept and which would shut out honest repositories.
  'fetch.fsck.zeroPaddedFilemode': 'ignore',
  'fetch.fsck.missingSpaceBeforeDate': 'ignore',
  'fetch.fsck.badTimezone': 'ignore',
  'fetch.fsck.missingEmail': 'ignore',
  'fetch.fsck.missingNameBeforeEmail': 'ignore',
  'protocol.file.allow': 'never',
  'protocol.ext.allow': 'never',
  'protocol.version': '2',
  'http.followRedirects': 'false',
  'http.lowSpeedLimit': '1024',
  'http.lowSpeedTime': '30',
  'http.sslVerify': 'true',
  // Memory: large blobs are streamed, packs are read through small windows.
  'core.bigFileThreshold': '1m',
  'core.packedGitWindowSize': '16m',
  'core.packedGitLimit': '256m',
  'pack.threads': '1',
  'tar.umask': '0022',
};

export interface GitEnvironmentOptions {
  /** Protocols that may be spoken, `https` or `http:https`; default none at all. */
  readonly protocols?: string;
  /** Settings of this one command, over the fixed ones. */
  readonly settings?: Readonly<Record<string, string>>;
  readonly gitDir?: string;
  /** Where git's own helpers are searched, as in `PATH`. */
  readonly searchPath: string;
}

/** A git process's whole environment. Settings travel in it rather than in argv, where they outrank any file. */
export const gitEnvironment = (options: GitEnvironmentOptions): Record<string, string> => {
  const settings = Object.entries({ ...SETTINGS, ...options.settings });
  return {
    PATH: options.searchPath,
    // Not a folder, so that neither git nor curl (.netrc) finds anything of the user's.
    HOME: '/dev/null',
    XDG_CONFIG_HOME: '/dev/null',
    LC_ALL: 'C',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_ATTR_NOSYSTEM: '1',
    GIT_TERMINAL_PROMPT: '0',
    GIT_ALLOW_PROTOCOL: options.protocols ?? 'none',
    GIT_PROTOCOL_FROM_USER: '0',
    GIT_NO_LAZY_FETCH: '1',
    GIT_NO_REPLACE_OBJECTS: '1',
    GIT_OPTIONAL_LOCKS: '0',
    GIT_LFS_SKIP_SMUDGE: '1',
    ...(options.gitDir === undefined ? {} : { GIT_DIR: options.gitDir }),
    GIT_CONFIG_COUNT: String(settings.length),
    ...Object.fromEntries(
      settings.flatMap(([key, value], index) => [
        [`GIT_CONFIG_KEY_${index}`, key],
        [`GIT_CONFIG_VALUE_${index}`, value],
      ]),
    ),
  };
};
