/** The hub as a library: compose one from parts of your own. */
export { buildApp, type HubApp, type HubParts } from './app.ts';
export { createLocalParts, type LocalParts, type LocalPartsOptions } from './parts.ts';
export type { Config } from './config/config.ts';
export { checkConfig, loadConfig } from './config/load-config.ts';
export { ConfigError } from './config/config-error.ts';
export { HubError } from './errors.ts';
export { systemClock, type Clock } from './clock.ts';
export type { Builder, BuiltEnvironment, BuildLogLine, BuildStatus } from './builders/builder.ts';
export type { Content, ContentSource, ContentStore } from './content/content.ts';
export type { EnvironmentPlanner } from './environments/environment-planner.ts';
export type { RepoProvider, RepoProviderDisplay, ResolvedRepo } from './providers/repo-provider.ts';
export type { Launchable, SessionRecord, SessionSeed, Spawner, Upstream } from './spawners/spawner.ts';
