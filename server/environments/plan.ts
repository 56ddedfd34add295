/** What has to be installed, as data. Closed: everything that the result depends on stands in it. */
export interface PythonPlan {
  readonly kind: 'python';
  /** The version of the interpreter to use, `3.13.0`; how it was chosen stands in the notices. */
  readonly python: string;
  /** How the packages are given. */
  readonly install:
    | { readonly from: 'nothing' }
    /** Requirements with every include followed; `origin` maps a line back to its file and line for error messages. */
    | {
        readonly from: 'requirements';
        readonly lines: readonly RequirementLine[];
        readonly constraints?: readonly RequirementLine[];
        readonly options: readonly string[];
      }
    /** A lock file of uv, taken as it is. */
    | { readonly from: 'uv-lock'; readonly pyproject: string; readonly lock: string; readonly requiresPython?: string };
  /** The commit, where the repository's own code is installed (a build system, `-e .`); else absent. */
  readonly ownCode?: { readonly commit: string; readonly subfolder: string };
  /** Versions of what does the work, so that a new one makes a new environment. */
  readonly tools: { readonly uv: string; readonly format: number };
  /** `links`: the files are shared with other environments, so that no session may be able to write to them; default a copy. */
  readonly files?: 'links';
  /** The owner's package indexes where they are not uv's default, without user names and passwords. */
  readonly indexes?: readonly string[];
  readonly platform: string;
  /** On a cluster the digest of the image that the environment is a layer of; absent locally. */
  readonly base?: string;
}

export interface RequirementLine {
  readonly text: string;
  readonly file: string;
  readonly line: number;
}

export type EnvironmentPlan = PythonPlan;

/** The outcome of planning: a plan and its key, with sentences for the launch log. */
export interface PlannedEnvironment {
  readonly plan: EnvironmentPlan;
  /** 52 lower-case base32 characters: SHA-256 of the plan in canonical JSON. */
  readonly key: string;
  readonly notices: readonly string[];
}
