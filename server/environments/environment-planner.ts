import type { Content } from '../content/content.ts';
import type { PlannedEnvironment } from './plan.ts';

/** Turns what a repository declares into a plan. */
export interface EnvironmentPlanner {
  /** Throws HubError `unsupported_environment`, `build_failed` (with file and line) or `policy`. */
  plan(content: Content): Promise<PlannedEnvironment>;
}
