import type { LogPhase } from '../../sdk/contract/index.ts';
import type { Content } from '../content/content.ts';
import type { HubError } from '../errors.ts';
import type { EnvironmentPlan } from '../environments/plan.ts';

/** An environment that a session can run in. */
export interface BuiltEnvironment {
  readonly key: string;
  readonly generation: string;
  /** The environment's folder (local) and its interpreter, both absolute. */
  readonly prefix: string;
  readonly python: string;
  /** For the kernelspec: `Python 3.13`. */
  readonly displayName: string;
  /** On a cluster the image that holds it, `<registry host>/<repository>@<digest>`. */
  readonly image?: string;
}

export type BuildStatus =
  | { readonly state: 'absent' }
  | { readonly state: 'running'; readonly generation: string }
  | { readonly state: 'built'; readonly generation: string; readonly environment: BuiltEnvironment }
  | { readonly state: 'failed'; readonly generation: string; readonly error: HubError };

/** One numbered line of a build; `line` counts from 1 within its phase. */
export interface BuildLogLine {
  readonly phase: Extract<LogPhase, 'building' | 'pushing'>;
  readonly line: number;
  readonly message: string;
}

/** Makes environments, once per key. Whatever it starts outlives the hub. */
export interface Builder {
  /** The newest generation's state; a build whose process is gone without a result is `failed` with `build_lost`. */
  status(key: string): Promise<BuildStatus>;
  /**
   * Starts a build and returns its generation; while one runs, returns that one's, and a built key keeps its generation.
   * `content` is read only where the plan runs the repository's own code.
   */
  start(key: string, plan: EnvironmentPlan, content: Content): Promise<string>;
  /**
   * A generation's log after the first `skip` lines of each phase, following it to its end marker; a log that could not be kept whole
   * says so in its last line. One producer feeds all readers.
   */
  log(
    key: string,
    generation: string,
    after: { building: number; pushing: number },
    signal: AbortSignal,
  ): AsyncIterable<BuildLogLine>;
  /** Resolves when a generation is no longer running. */
  wait(key: string, generation: string, signal: AbortSignal): Promise<BuildStatus>;
  /** Ends a running build and leaves nothing of it; a cancelled build is `absent`. */
  cancel(key: string): Promise<void>;
  /** Tells the builder that an environment is used now, so that it is evicted last. */
  touch(key: string): Promise<void>;
  /** Ends everything that this builder started. */
  close(): Promise<void>;
}
