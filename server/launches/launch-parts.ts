import type { Builder } from '../builders/builder.ts';
import type { Clock } from '../clock.ts';
import type { ContentStore } from '../content/content.ts';
import type { EnvironmentPlanner } from '../environments/environment-planner.ts';
import type { RepoProvider } from '../providers/repo-provider.ts';
import type { Spawner } from '../spawners/spawner.ts';
import type { AllowList } from './allow-list.ts';
import type { BuildLogs } from './build-logs.ts';
import type { LaunchRun } from './launch-run.ts';
import type { Quota } from './quota.ts';

interface LauncherSettings extends Quota {
  /** How many launches may wait for a place, or be resolved, at once. */
  readonly queue: number;
  /** How long a launch waits for a place. */
  readonly queueTimeoutMs: number;
  readonly idleTimeoutMs: number;
  /** How long a launch goes on with nobody watching. */
  readonly abandonAfterMs: number;
  /** How long an ended launch is remembered here; its record is the spawner's to keep. */
  readonly keepEndedMs: number;
}

/** What a launcher works with; it knows these interfaces and no implementation. */
export interface LauncherParts {
  readonly providers: readonly RepoProvider[];
  readonly content: ContentStore;
  readonly planner: EnvironmentPlanner;
  readonly builder: Builder;
  readonly spawner: Spawner;
  readonly buildLogs: BuildLogs;
  readonly allow: AllowList;
  readonly clock: Clock;
  readonly settings: LauncherSettings;
  /** Signs the session's token that goes out with `ready`. */
  readonly mintSessionToken: (claim: {
    readonly session: string;
    readonly generation: number;
    readonly expiresAt: number;
  }) => string;
  /** Addresses of the hub and of its sessions, both with a trailing slash. */
  readonly addresses: { readonly hub: string; readonly sessions: string };
  readonly onError: (error: unknown, where: { readonly launch: string }) => void;
  readonly onEnd: (run: LaunchRun, durationMs: number) => void;
}
