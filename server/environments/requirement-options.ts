/** What becomes of an option in a requirements file. */
export type OptionRule =
  | { readonly does: 'include' | 'constrain' | 'own-code' }
  /** Given to uv under this name. */
  | { readonly does: 'pass'; readonly as: string; readonly value: boolean }
  /** Given to uv only where the owner allows the address. */
  | { readonly does: 'index'; readonly as: string }
  /** Without effect here, which changes nothing of the result. */
  | { readonly does: 'ignore'; readonly value: boolean }
  | { readonly does: 'refuse'; readonly because: string };

/** The one option that uv takes only on its command line. */
export const PRERELEASES = '--prerelease=allow';

const NO_NETWORK_CHANGE = 'a repository cannot change how the hub reaches the network';

/** The options of pip's requirements files, by name; what is not here is refused. */
export const REQUIREMENT_OPTIONS: Readonly<Record<string, OptionRule>> = {
  '-r': { does: 'include' },
  '--requirement': { does: 'include' },
  '-c': { does: 'constrain' },
  '--constraint': { does: 'constrain' },
  '-e': { does: 'own-code' },
  '--editable': { does: 'own-code' },
  '--pre': { does: 'pass', as: PRERELEASES, value: false },
  '--no-binary': { does: 'pass', as: '--no-binary', value: true },
  '--only-binary': { does: 'pass', as: '--only-binary', value: true },
  '-i': { does: 'index', as: '--index-url' },
  '--index-url': { does: 'index', as: '--index-url' },
  '--extra-index-url': { does: 'index', as: '--extra-index-url' },
  '-f': { does: 'index', as: '--find-links' },
  '--find-links': { does: 'index', as: '--find-links' },
  '--prefer-binary': { does: 'ignore', value: false },
  '--require-hashes': { does: 'ignore', value: false },
  '--use-pep517': { does: 'ignore', value: false },
  '--use-feature': { does: 'ignore', value: true },
  '--no-index': { does: 'refuse', because: 'without an index the kernel cannot be installed' },
  '--trusted-host': { does: 'refuse', because: NO_NETWORK_CHANGE },
  '--proxy': { does: 'refuse', because: NO_NETWORK_CHANGE },
};

/** `--name=value`, `--name value`, `-nvalue` or `-n value`, taken apart. */
export const splitOption = (text: string): { name: string; value: string } => {
  const long = /^(--[A-Za-z0-9-]+)(?:\s*=\s*|\s+|$)(.*)$/s.exec(text);
  if (long) return { name: long[1] ?? '', value: (long[2] ?? '').trim() };
  return {
    name: text.slice(0, 2),
    value: text
      .slice(2)
      .replace(/^\s*=?/, '')
      .trim(),
  };
};
