import { isFullCommit } from '../../sdk/contract/index.ts';
import type { Clock } from '../clock.ts';
import { SharedWork } from '../content/shared-work.ts';
import { HubError } from '../errors.ts';
import type { GitRefClient } from './git-ref-client.ts';
import { candidateNames, pickCommit, refNotFoundMessage } from './ref-names.ts';

/** The part of a pino logger that providers use. */
export interface ProviderLog {
  warn(fields: Readonly<Record<string, unknown>>, message: string): void;
}

/** A ref's commit, and the address where its host really keeps the repository. */
interface ResolvedGitRef {
  readonly url: string;
  readonly commit: string;
}

/** Finds the commit that a ref stands for. */
export interface GitRefResolver {
  /** Throws HubError `repo_not_found`, `ref_not_found`, `host_down`, `host_limited`, `policy` or `clone_limit`. */
  resolve(url: string, ref: string, signal: AbortSignal): Promise<ResolvedGitRef>;
}

export interface GitRefResolverParts {
  readonly client: GitRefClient;
  readonly clock: Clock;
  readonly log: ProviderLog;
}

export interface GitRefResolverOptions {
  /** How long an answer counts without asking again. Default 60 s. */
  readonly freshMs?: number;
  /** How long "not found" counts. Default 10 s. */
  readonly absentMs?: number;
  /** How many answers are kept. Default 1,024. */
  readonly maxEntries?: number;
  /** How long a look-up may take. Default 10 s. */
  readonly timeoutMs?: number;
}

interface Answer {
  readonly atMs: number;
  readonly outcome: ResolvedGitRef | HubError;
}

const SUGGEST_FROM = ['refs/heads/', 'refs/tags/'];
const ABSENT = ['repo_not_found', 'ref_not_found'];
const HOST_TROUBLE = ['host_down', 'host_limited'];

const hostOf = (url: string): string => (URL.canParse(url) ? new URL(url).host : '');

/** Looks refs up with a short memory: fresh answers are not asked for again, and a known one outlives its host's trouble. */
export const createGitRefResolver = (
  { client, clock, log }: GitRefResolverParts,
  { freshMs = 60_000, absentMs = 10_000, maxEntries = 1_024, timeoutMs = 10_000 }: GitRefResolverOptions = {},
): GitRefResolver => {
  const answers = new Map<string, Answer>();
  const limited = new Map<string, { untilMs: number; error: HubError }>();
  const running = new SharedWork<ResolvedGitRef>();

  const keep = (key: string, outcome: Answer['outcome']): void => {
    answers.delete(key);
    answers.set(key, { atMs: clock.monotonic(), outcome });
    for (const oldest of answers.keys()) {
      if (answers.size <= maxEntries) break;
      answers.delete(oldest);
    }
  };

  const askHost = async (url: string, ref: string, signal: AbortSignal): Promise<ResolvedGitRef> => {
    const host = hostOf(url);
    const block = limited.get(host);
    if (block !== undefined && clock.monotonic() < block.untilMs) throw block.error;
    limited.delete(host);
    try {
      const listed = await client.list(url, candidateNames(ref), signal);
      const commit = pickCommit(ref, listed.refs);
      if (commit !== undefined) return { url: listed.url, commit };
      const all = await client.list(listed.url, SUGGEST_FROM, signal).catch(() => ({ refs: [] }));
      throw new HubError('ref_not_found', refNotFoundMessage(url, ref, all.refs));
    } catch (error) {
      if (error instanceof HubError && error.code === 'host_limited') {
        if (limited.size >= maxEntries) limited.clear();
        limited.set(host, { untilMs: clock.monotonic() + (error.retryAfterMs ?? 0), error });
      }
      throw error;
    }
  };

  const withTimeout = async (url: string, ref: string, signal: AbortSignal): Promise<ResolvedGitRef> => {
    const timeout = new AbortController();
    const timer = setTimeout(() => timeout.abort(), timeoutMs);
    try {
      return await askHost(url, ref, AbortSignal.any([signal, timeout.signal]));
    } catch (error) {
      if (!timeout.signal.aborted || error instanceof HubError) throw error;
      throw new HubError(
        'host_down',
        `${hostOf(url)} did not answer within ${timeoutMs / 1_000} s; trying again later may help.`,
      );
    } finally {
      clearTimeout(timer);
    }
  };

  const lookUp = async (key: string, url: string, ref: string, signal: AbortSignal): Promise<ResolvedGitRef> => {
    try {
      const found = await withTimeout(url, ref, signal);
      keep(key, found);
      return found;
    } catch (error) {
      if (!(error instanceof HubError)) throw error;
      const last = answers.get(key);
      if (HOST_TROUBLE.includes(error.code) && last !== undefined && !(last.outcome instanceof HubError)) {
        const ageMs = Math.round(clock.monotonic() - last.atMs);
        log.warn(
          { url, ref, commit: last.outcome.commit, ageMs, code: error.code, stale: true },
          'last known commit used',
        );
        return last.outcome;
      }
      if (ABSENT.includes(error.code)) keep(key, error);
      throw error;
    }
  };

  return {
    resolve: async (url, ref, signal) => {
      if (isFullCommit(ref)) return { url, commit: ref };
      const key = `${url} ${ref}`;
      const known = answers.get(key);
      if (known !== undefined) {
        const ageMs = clock.monotonic() - known.atMs;
        if (known.outcome instanceof HubError) {
          if (ageMs < absentMs) throw known.outcome;
        } else if (ageMs < freshMs) return known.outcome;
      }
      return running.join(key, (shared) => lookUp(key, url, ref, shared), signal);
    },
  };
};
