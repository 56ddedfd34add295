import Fastify, { LogController, type FastifyBaseLogger } from 'fastify';
import { BINDERHUB } from '../sdk/contract/index.ts';
import type { Builder } from './builders/builder.ts';
import type { Clock } from './clock.ts';
import type { Config } from './config/config.ts';
import type { ContentStore } from './content/content.ts';
import type { EnvironmentPlanner } from './environments/environment-planner.ts';
import { toProblem, HubError, PROBLEM_CONTENT_TYPE } from './errors.ts';
import { createAllowList } from './launches/allow-list.ts';
import { createBuildLogs } from './launches/build-logs.ts';
import { createLauncher, type Launcher } from './launches/launcher.ts';
import type { LaunchRun } from './launches/launch-run.ts';
import type { Log } from './log.ts';
import { createMetrics } from './metrics.ts';
import type { RepoProvider } from './providers/repo-provider.ts';
import type { OriginPolicy } from './proxy/origins.ts';
import { registerRoutes } from './routes/register-routes.ts';
import { createLaunchStreams } from './routes/launch-streams.ts';
import type { App, RouteParts, ServedFolders } from './routes/route-parts.ts';
import type { LaunchTokens } from './sessions/launch-tokens.ts';
import type { SessionTokens } from './sessions/session-tokens.ts';
import type { Spawner } from './spawners/spawner.ts';
import { EventStreams } from './sse/event-streams.ts';

/** What a hub is made of; every one can be a fake. */
export interface HubParts {
  readonly providers: readonly RepoProvider[];
  readonly content: ContentStore;
  readonly planner: EnvironmentPlanner;
  readonly builder: Builder;
  readonly spawner: Spawner;
  readonly launchTokens: LaunchTokens;
  readonly sessionTokens: Pick<SessionTokens, 'mint'>;
  readonly policy: OriginPolicy;
  readonly clock: Clock;
  readonly log: Log;
  readonly version: string;
  readonly folders: ServedFolders;
  /** Addresses of the hub and of its sessions, both with a trailing slash; `sessionHostSuffix` follows `<session>.`. */
  readonly addresses: RouteParts['addresses'];
  /** Sentences about what isolates sessions here. */
  readonly isolation: readonly string[];
  /** Why this hub cannot launch just now although it runs; default nothing. */
  readonly hindrance?: () => string | undefined;
  /** Seconds since the cluster last told of a kind of object, by the kind's name; default none. */
  readonly watchAgesS?: () => Readonly<Record<string, number>>;
}

export interface HubApp {
  /** The HTTP server; listens nowhere until it is told to. */
  readonly server: App;
  readonly launcher: Launcher;
  readonly streams: EventStreams;
  /** Takes no more launches, ends all streams with a hint (after `drainMs` those that cannot resume), then closes. */
  close(drainMs?: number): Promise<void>;
}

/** How long an ended launch is remembered after its last watcher. */
const KEEP_ENDED_MS = 60_000;

const cachedOf = (run: LaunchRun): boolean | undefined => {
  const built = run.feed.items.find(({ phase }) => phase === 'built');
  return built?.phase === 'built' ? built.cached : undefined;
};

/** Composes a hub. Starts, listens and reads nothing by itself, except that a page's files are looked at. */
export const buildApp = async (config: Config, parts: HubParts): Promise<HubApp> => {
  const { builder, spawner, log, clock, addresses } = parts;
  const { quota, sessions } = config;
  const buildLogs = createBuildLogs(builder, (error) => log.error({ err: error }, 'a build log could not be read'));
  const streams = new EventStreams({ maxStreams: quota.streams, maxStreamsPerAddress: quota.streamsPerAddress });
  const metrics = createMetrics({
    watchAgesS: () => parts.watchAgesS?.() ?? {},
    launchesActive: () => launcher.active,
    streamsOpen: () => streams.size,
    sessions: async () => {
      const counts = new Map<string, number>();
      for (const { state } of await spawner.list()) counts.set(state, (counts.get(state) ?? 0) + 1);
      return counts;
    },
  });
  const launcher = createLauncher({
    providers: parts.providers,
    content: parts.content,
    planner: parts.planner,
    builder,
    spawner,
    buildLogs,
    allow: createAllowList([...config.allow, ...Object.keys(config.dirs).map((name) => `dir/${name}/*`)]),
    clock,
    settings: {
      ...quota,
      idleTimeoutMs: sessions.idleTimeoutMs,
      abandonAfterMs: sessions.abandonAfterMs,
      keepEndedMs: KEEP_ENDED_MS,
    },
    mintSessionToken: (claim) => parts.sessionTokens.mint(claim),
    addresses,
    onError: (error, { launch }) => log.error({ err: error, launch }, 'a launch met an unexpected error'),
    onEnd: (run, durationMs) => {
      const { last } = run;
      const result = last?.phase === 'failed' ? last.code : 'ready';
      metrics.launchEnded(result, cachedOf(run), durationMs);
      log.info(
        { launch: run.id, spec: run.spec.slice(0, 256), result, durationMs: Math.round(durationMs) },
        'a launch ended',
      );
    },
  });

  let serving = true;
  const badUrl = JSON.stringify(
    toProblem(
      new HubError('bad_spec', 'The address holds a broken percent-encoding; write it with encodeURIComponent.'),
    ),
  );
  const server: App = Fastify({
    loggerInstance: quieter(log) as FastifyBaseLogger,
    // Addresses may hold tokens, so nothing is logged but what the hub says itself.
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: 65_536,
    requestTimeout: 30_000,
    keepAliveTimeout: 72_000,
    forceCloseConnections: true,
    http: { headersTimeout: 10_000, maxHeaderSize: 16_384, connectionsCheckingInterval: 5_000 },
    routerOptions: { maxParamLength: 8_192 },
    ajv: { customOptions: { removeAdditional: false, coerceTypes: 'array', allErrors: false } },
    rewriteUrl: rewriteUrl,
    frameworkErrors: (_error, _request, reply) => {
      reply.raw.writeHead(400, { 'content-type': PROBLEM_CONTENT_TYPE }).end(badUrl);
      reply.hijack();
    },
  }).withTypeProvider() as unknown as App;

  await registerRoutes(server, {
    config,
    version: parts.version,
    addresses,
    folders: parts.folders,
    policy: parts.policy,
    launcher,
    launchTokens: parts.launchTokens,
    launchStreams: createLaunchStreams(streams, addresses),
    streams,
    builder,
    buildLogs,
    spawner,
    providers: parts.providers,
    metrics,
    isolation: parts.isolation,
    hindrance: () => (serving ? parts.hindrance?.() : 'The hub is stopping.'),
  });

  return {
    server,
    launcher,
    streams,
    close: async (drainMs = 0) => {
      serving = false;
      await streams.close(drainMs);
      launcher.close();
      await server.close();
    },
  };
};

/** The framework's own remarks are of no use to an operator; its warnings are. */
const quieter = (log: Log): Log =>
  ['trace', 'debug', 'info'].includes(log.level) ? log.child({}, { level: 'warn' }) : log;

/** BinderHub's streams and pages read the raw address; a malformed encoding in it is theirs to name, not the router's. */
const rewriteUrl = ({ url = '/' }: { url?: string | undefined }): string => {
  for (const prefix of [BINDERHUB.build(''), BINDERHUB.launchPage('')])
    if (url.startsWith(prefix)) return prefix + url.slice(prefix.length).replaceAll('%', '~');
  return url;
};
