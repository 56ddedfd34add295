import type { FastifyBaseLogger, FastifyInstance, FastifyTypeProvider, RawServerDefault } from 'fastify';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Static, TSchema } from 'typebox';
import type { Builder } from '../builders/builder.ts';
import type { Config } from '../config/config.ts';
import type { BuildLogs } from '../launches/build-logs.ts';
import type { Launcher } from '../launches/launcher.ts';
import type { Metrics } from '../metrics.ts';
import type { RepoProvider } from '../providers/repo-provider.ts';
import type { OriginPolicy } from '../proxy/origins.ts';
import type { LaunchTokens } from '../sessions/launch-tokens.ts';
import type { Spawner } from '../spawners/spawner.ts';
import type { EventStreams } from '../sse/event-streams.ts';
import type { LaunchStreams } from './launch-streams.ts';

declare module 'fastify' {
  interface FastifySchema {
    /** What the route is for, in the API's description. */
    readonly summary?: string;
  }
}

/** Lets the types of a route follow from its schemas. */
interface SchemaTypes extends FastifyTypeProvider {
  readonly validator: this['schema'] extends TSchema ? Static<this['schema']> : unknown;
  readonly serializer: this['schema'] extends TSchema ? Static<this['schema']> : unknown;
}

export type App = FastifyInstance<RawServerDefault, IncomingMessage, ServerResponse, FastifyBaseLogger, SchemaTypes>;

/** Folders whose files the hub serves; absolute. */
export interface ServedFolders {
  /** The widget's files. */
  readonly dist: string;
  /** Style and scripts of the hub's own pages. */
  readonly assets: string;
  readonly demo?: string;
}

/** What the routes work with. */
export interface RouteParts {
  readonly config: Config;
  readonly version: string;
  /** Addresses of the hub and of its sessions, both with a trailing slash; `sessionHostSuffix` follows `<session>.`. */
  readonly addresses: { readonly hub: string; readonly sessions: string; readonly sessionHostSuffix?: string };
  readonly folders: ServedFolders;
  readonly policy: OriginPolicy;
  readonly launcher: Launcher;
  readonly launchTokens: LaunchTokens;
  readonly launchStreams: LaunchStreams;
  readonly streams: EventStreams;
  readonly builder: Builder;
  readonly buildLogs: BuildLogs;
  readonly spawner: Spawner;
  readonly providers: readonly RepoProvider[];
  readonly metrics: Metrics;
  /** Sentences about what isolates sessions here. */
  readonly isolation: readonly string[];
  /** Why new launches are not served just now, such as that the hub is stopping; undefined while they are. */
  readonly hindrance: () => string | undefined;
}
