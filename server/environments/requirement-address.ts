/** Hosts that are certainly not on the public network. */
const isPrivateHost = (host: string): boolean =>
  host.startsWith('[') ||
  /^[\d.]+$/.test(host) ||
  !host.includes('.') ||
  /\.(local|internal|localhost|home|lan|arpa)$/i.test(host);

/** The address in `name @ address` or in a bare one; undefined where a requirement has none. */
export const addressOf = (requirement: string): string | undefined =>
  /^(?:[^\s@]+\s*@\s*)?([A-Za-z][A-Za-z0-9+.-]*:[^\s;]*)/.exec(requirement)?.[1];

/** Why an address is not fetched for a repository, with the error's code; undefined where it is. */
export const addressMistake = (
  address: string,
): { readonly code: 'policy' | 'unsupported_environment' | 'build_failed'; readonly what: string } | undefined => {
  if (/^file:/i.test(address))
    return { code: 'policy', what: 'file: addresses are not read; a path of the repository such as ./package is' };
  if (/^[a-z]+\+/i.test(address))
    return {
      code: 'unsupported_environment',
      what: 'code from another repository is not installed here; name its package in the index instead',
    };
  if (!/^https:\/\//i.test(address)) return { code: 'policy', what: 'only https addresses are read' };
  if (!URL.canParse(address)) return { code: 'build_failed', what: 'the address cannot be read' };
  const url = new URL(address);
  if (url.username || url.password) return { code: 'policy', what: 'an address must not hold a password' };
  return isPrivateHost(url.hostname) ? { code: 'policy', what: 'the address is not on the public network' } : undefined;
};
