import type { ProviderId, RepoSpec } from '../../sdk/contract/index.ts';
import type { ContentSource } from '../content/content.ts';

/** What a spec stands for at one moment. */
export interface ResolvedRepo {
  /** The spec in canonical form, its ref as asked. */
  readonly spec: RepoSpec;
  /** The immutable commit id, or the digest of a folder's content. */
  readonly resolvedRef: string;
  readonly source: ContentSource;
  /** Where a person finds the repository, and this version of it; `BINDER_REPO_URL` and `BINDER_REF_URL`. */
  readonly repoUrl: string;
  readonly refUrl: string;
}

/** An entry of `/api/repoproviders`, as BinderHub's link maker reads it (field names are BinderHub's). */
export interface RepoProviderDisplay {
  readonly id: ProviderId;
  readonly displayName: string;
  readonly spec: { readonly validateRegex: string };
  readonly detect?: { readonly regex: string };
  readonly repo: { readonly label: string; readonly placeholder: string; readonly urlEncode?: boolean };
  readonly ref: { readonly enabled: boolean; readonly default?: string };
}

/** Knows one kind of source. */
export interface RepoProvider {
  readonly id: ProviderId;
  readonly display: RepoProviderDisplay;
  /**
   * Finds what a spec stands for. Never touches a network where the ref is a full commit.
   * Throws HubError `repo_not_found`, `ref_not_found`, `host_down`, `host_limited`, `policy` or `bad_spec`.
   */
  resolve(spec: RepoSpec, signal: AbortSignal): Promise<ResolvedRepo>;
}
