/** What a page says about itself, after all its sources are merged. */
export interface PageConfig {
  /** The hub's address; undefined where the page names none. */
  readonly hub?: string;
  /** `<provider>/<spec>` without a ref, such as `gh/owner/name`. */
  readonly repo?: string;
  /** Branch, tag or commit; default the repository's default branch. */
  readonly ref?: string;
  /** The kernel to start; default the hub's own. */
  readonly kernel?: string;
  /** A CSS selector of the blocks that become cells. */
  readonly cells?: string;
  /** Default `auto`: as the page around a cell looks. */
  readonly theme?: 'light' | 'dark' | 'auto';
  /** The page's path within the repository: the kernel starts in its folder. */
  readonly path?: string;
  /** A Jupyter server without a hub, as Thebe's `serverSettings` name it. */
  readonly server?: BareServer;
  /** Set on a page with a Thebe configuration block. */
  readonly thebe?: ThebeRules;
}

export interface BareServer {
  /** Ends in a slash. */
  readonly url: string;
  readonly token: string;
}

/** What a Thebe page asks for beyond a repository. */
export interface ThebeRules {
  /** Start with the page, without a click. */
  readonly bootstrap: boolean;
  /** False: connect to the server only; no kernel is started until the page's script or a reader asks. */
  readonly requestKernel: boolean;
  readonly outputSelector: string;
  readonly mountActivate: boolean;
  readonly mountStatus: boolean;
}

export const DEFAULT_CELLS = 'pre[data-executable]';

/** Later sources win, key by key; undefined and empty values do not. */
export const mergeConfig = (...sources: readonly PageConfig[]): PageConfig =>
  Object.fromEntries(
    sources.flatMap((source) => Object.entries(source).filter(([, value]) => value !== undefined && value !== '')),
  );

const KEYS = ['hub', 'repo', 'ref', 'kernel', 'cells', 'path'] as const;
const THEMES: readonly string[] = ['light', 'dark', 'auto'];

/** Reads the attributes of a script tag (`data-hub` …, prefix `data-`) or of a `live-page` (bare). */
export const configFromAttributes = (read: (name: string) => string | null | undefined, prefix = ''): PageConfig => {
  const theme = read(`${prefix}theme`);
  return mergeConfig(
    Object.fromEntries(KEYS.map((key) => [key, read(prefix + key)?.trim()])),
    theme && THEMES.includes(theme) ? { theme: theme as 'light' } : {},
  );
};

/** A hub that serves this script itself, at `<hub>/liveleaf/<version>/…`, needs no `data-hub`. */
export const hubOfScript = (scriptUrl: string): string | undefined =>
  /^(https?:\/\/.*?)\/liveleaf\/[^/]+\//.exec(scriptUrl)?.[1];

/** The whole spec of a page's repository, or undefined where it names none. */
export const specOf = ({ repo, ref }: PageConfig): string | undefined =>
  repo === undefined
    ? undefined
    : `${repo.replace(/\/+$/, '')}/${encodeURIComponent(ref ?? 'HEAD').replaceAll('%2F', '/')}`;
