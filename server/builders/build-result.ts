import type { ErrorCode } from '../../sdk/contract/index.ts';

/** How a build ended, as its wrapper writes it. */
export type BuildResult =
  | { readonly ok: true; readonly durationMs: number }
  | {
      readonly ok: false;
      readonly code: ErrorCode;
      /** `deadline` or `silence` of a time-out, `budget` or `free` of the disk, `status` of a program, else prose. */
      readonly reason: string;
      readonly step?: string | null;
      readonly status?: number | null;
      /** The last lines of the step that failed. */
      readonly output?: readonly string[];
    };

/** The bounds of one build. */
export interface BuildLimits {
  /** A build that takes longer ends with `build_timeout`; default 1 hour. */
  readonly deadlineMs: number;
  /** A build that says nothing for so long ends with `build_timeout`; default 10 minutes. */
  readonly silenceMs: number;
  /** A longer log line is cut; default 4 KiB. */
  readonly lineBytes: number;
  /** A longer log leaves lines out, and says so; default 8 MiB. */
  readonly logBytes: number;
  /** What a build may take on disk, downloads included; default 8 GiB. */
  readonly diskBytes: number;
  /** Room on the disk that a build must leave; default 256 MiB. */
  readonly keepFreeBytes: number;
}

export const DEFAULT_BUILD_LIMITS: BuildLimits = {
  deadlineMs: 3_600_000,
  silenceMs: 600_000,
  lineBytes: 4096,
  logBytes: 8 * 1024 * 1024,
  diskBytes: 8 * 1024 * 1024 * 1024,
  keepFreeBytes: 256 * 1024 * 1024,
};
