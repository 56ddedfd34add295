import './processes/keep-heap-small.ts';
import { access, mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { stringify } from 'yaml';
import { buildApp } from './app.ts';
import { systemClock } from './clock.ts';
import { addressesOf, choosePort, isFree } from './config/addresses.ts';
import { ConfigError } from './config/config-error.ts';
import { settingsFromFlags } from './config/config-sources.ts';
import type { Config } from './config/config.ts';
import { helpText } from './config/help.ts';
import { introduction } from './config/introduction.ts';
import { CONFIG_KEYS, loadConfig } from './config/load-config.ts';
import { unknownName } from './config/schema-keys.ts';
import { startHousekeeping } from './launches/housekeeping.ts';
import { createBackend } from './backend.ts';
import { createLog } from './log.ts';
import { createActivity } from './proxy/activity.ts';
import { createOriginPolicy } from './proxy/origins.ts';
import { createSessionServer } from './proxy/session-server.ts';
import { settleMemory } from './processes/settle-memory.ts';
import { MissingPrerequisite, requireGit } from './python-side.ts';
import { createCuller } from './sessions/culler.ts';
import { jupyterKernelStates } from './sessions/kernel-states.ts';
import { launchTokens } from './sessions/launch-tokens.ts';
import { sessionTokens } from './sessions/session-tokens.ts';
import { stateFolder } from './state/state-folder.ts';

const BACKLOG = 8_192;
const STATE_FORMAT = '1';
const COMMANDS = ['start', 'check', 'config'] as const;

/** A failure of the start that its person can cure; printed without a stack. */
class StartError extends Error {
  override readonly name = 'StartError';
}

const say = (sentence: string): void => void process.stderr.write(`${sentence}\n`);

/** The folder of the package, whether this runs from its sources or from what was built of them. */
const packageRoot = async (): Promise<{ folder: string; version: string }> => {
  for (let folder = import.meta.dirname; ; folder = dirname(folder)) {
    const text = await readFile(join(folder, 'package.json'), 'utf8').catch(() => undefined);
    const manifest = text === undefined ? undefined : (JSON.parse(text) as { name?: string; version?: string });
    if (manifest?.name === 'liveleaf') return { folder, version: manifest.version ?? '0.0.0' };
    if (dirname(folder) === folder) throw new StartError('The package’s own files were not found; install it again.');
  }
};

/** The demo's environments become a folder, one of which stands in for the repository that the page for Thebe names. */
const withDemo = (config: Config, demo: string | undefined): Config => {
  if (demo === undefined) return config;
  const { providers } = config;
  return {
    ...config,
    dirs: { ...config.dirs, demo: join(demo, 'environments') },
    providers: { ...providers, checkouts: { 'gh/liveleaf/thebe-demo': 'demo/thebe', ...providers.checkouts } },
  };
};

/** A checkout stands in for a repository, so that repository may run. */
const withCheckoutsAllowed = (config: Config): Config => ({
  ...config,
  allow: [...config.allow, ...Object.keys(config.providers.checkouts)],
});

const prepareState = async (root: string): Promise<void> => {
  const state = stateFolder(root);
  await mkdir(root, { recursive: true, mode: 0o700 });
  const format = await readFile(state.version, 'utf8').catch(() => undefined);
  if (format === undefined) await writeFile(state.version, `${STATE_FORMAT}\n`, { mode: 0o600 });
  else if (format.trim() !== STATE_FORMAT)
    throw new StartError(
      `${root} was made by another version of Liveleaf; name another folder with --state-dir, or delete this one.`,
    );
};

const portTaken = (port: number, config: Config): StartError =>
  new StartError(
    `Port ${port} is in use, perhaps by another hub; stop that one, or choose another pair with --port ${config.port + 10}.`,
  );

const listening = async (listen: () => Promise<unknown>, port: number, config: Config): Promise<void> => {
  await listen().catch((error: unknown) => {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EADDRINUSE') throw portTaken(port, config);
    if (code === 'EADDRNOTAVAIL')
      throw new StartError(`This machine has no address ${config.host}; check "host" in the configuration.`);
    if (code === 'EACCES') throw new StartError(`Port ${port} needs privileges; choose one above 1023 with --port.`);
    throw error;
  });
};

/** Runs the hub until a signal ends it and everything that it started. */
const startHub = async (given: Config, demo: string | undefined): Promise<void> => {
  // The clock's sleeps keep no process alive, and until the hub listens nothing else may.
  const awake = setInterval(() => undefined, 60_000);
  const config = withCheckoutsAllowed(withDemo(given, demo));
  const { env } = process;
  const addresses = addressesOf(config, await choosePort(config));
  // Before anything is started: what an earlier hub left running may belong to the one that has the port.
  for (const port of [addresses.port, addresses.sessionPort])
    if (!(await isFree(port, config.host))) throw portTaken(port, config);
  await prepareState(config.stateDir);
  const { folder: root, version } = await packageRoot();
  await requireGit(env);
  const log = createLog(config.log.level, process.stderr);
  const origins = [...addresses.ownOrigins, ...config.origins];
  const parts = await createBackend(config, { log, say, env, uid: process.getuid?.() ?? 0, hubUrl: addresses.hub });
  const { spawner, builder, content, keys } = parts;
  await content.checkGit();
  const tokens = sessionTokens(keys, systemClock);
  const activity = createActivity({
    clock: systemClock,
    write: (session, lastActivityAt) =>
      void spawner
        .update(session, { lastActivityAt })
        .catch((error: unknown) => log.error({ err: error, session }, 'activity could not be recorded')),
  });
  const sessions = createSessionServer({
    spawner,
    tokens,
    activity,
    log,
    policy: createOriginPolicy({ hosts: addresses.sessionHosts, origins }),
    sessionHostSuffix: addresses.sessionHostSuffix,
    scheme: addresses.sessionScheme,
  });
  const isolation = await spawner.describe();
  const hub = await buildApp(config, {
    ...parts,
    launchTokens: launchTokens(keys),
    sessionTokens: tokens,
    policy: createOriginPolicy({ hosts: addresses.hosts, origins }),
    clock: systemClock,
    log,
    version,
    folders: {
      dist: join(root, 'dist'),
      assets: join(root, 'server', 'pages', 'assets'),
      ...(demo === undefined ? {} : { demo }),
    },
    addresses,
    isolation,
  });
  const culler = createCuller({
    spawner,
    activity,
    clock: systemClock,
    kernelStates: jupyterKernelStates((session) => spawner.upstream(session)),
    log,
    idleTimeoutMs: config.sessions.idleTimeoutMs,
    maxAgeMs: config.sessions.maxAgeMs,
    busyWithoutClientMs: config.sessions.busyTimeoutMs,
  });
  const endHousekeeping = startHousekeeping({
    spawner,
    builder,
    content,
    clock: systemClock,
    limits: config.environments,
    onError: (error) => log.error({ err: error }, 'tidying up failed'),
  });
  const close = async (): Promise<void> => {
    await hub.close(config.sessions.drainMs);
    await culler.close();
    await endHousekeeping();
    await Promise.allSettled([sessions.closeAll(), spawner.close(), builder.close()]);
  };

  endOnSignals(close);
  try {
    await listening(
      () =>
        new Promise<void>((done, failed) => {
          sessions.once('error', failed);
          sessions.listen({ host: config.host, port: addresses.sessionPort, backlog: BACKLOG }, () => {
            sessions.off('error', failed);
            done();
          });
        }),
      addresses.sessionPort,
      config,
    );
    const resumed = await hub.launcher.resumeAll();
    if (resumed > 0) say(`Going on with ${resumed} ${resumed === 1 ? 'launch' : 'launches'} of before.`);
    await listening(
      () => hub.server.listen({ host: config.host, port: addresses.port, backlog: BACKLOG }),
      addresses.port,
      config,
    );
  } catch (error) {
    // What runs may belong to the hub that has the port, so it is left alone.
    hub.launcher.close();
    await culler.close();
    throw error;
  }
  clearInterval(awake);
  culler.start();
  introduction(config, addresses, isolation).forEach(say);
  process.stdout.write(`Liveleaf is ready at ${addresses.hub}\n`);
  settleMemory();
};

/** The first signal ends in order, a second one at once. */
const endOnSignals = (close: () => Promise<void>): void => {
  let ending = false;
  const end = (signal: NodeJS.Signals): void => {
    if (ending) {
      say('Ending at once; sessions that still run are found by the next start.');
      process.exit(1);
    }
    ending = true;
    say(`${signal === 'SIGINT' ? '\n' : ''}Stopping sessions and builds; press Ctrl-C again to end at once.`);
    close().then(
      () => process.exit(0),
      (error: unknown) => {
        say(`Stopping failed: ${String(error)}`);
        process.exit(1);
      },
    );
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, end);
};

/** Says what a start would lack. */
const checkMachine = async (config: Config): Promise<void> => {
  const { folder } = await packageRoot();
  await requireGit(process.env);
  for (const [name, path] of Object.entries(config.dirs))
    await access(path).catch(() => {
      throw new StartError(`The folder ${path} of dirs.${name} does not exist or cannot be read.`);
    });
  const built = await access(join(folder, 'dist', 'liveleaf.js')).then(
    () => true,
    () => false,
  );
  if (!built) throw new StartError('The widget’s files are not built; run `npm run build`.');
  say('The configuration and this machine are fine.');
};

const main = async (args: readonly string[]): Promise<void> => {
  if (args.includes('--help') || args.includes('-h')) return void process.stdout.write(helpText());
  if (args.includes('--version')) return void process.stdout.write(`${(await packageRoot()).version}\n`);
  const { settings, words, others } = settingsFromFlags(args, CONFIG_KEYS, [
    '--config',
    '--demo',
    '--help',
    '--version',
  ]);
  const [command = 'start', verb = command === 'config' ? 'print' : undefined, ...rest] = words;
  if (!(COMMANDS as readonly string[]).includes(command))
    throw new ConfigError([unknownName('The command', command, COMMANDS)]);
  if (rest.length > 0 || (command !== 'config' && verb !== undefined))
    throw new ConfigError([`There is one word too many: ${JSON.stringify(rest[0] ?? verb)}. See liveleaf --help.`]);
  const file = others.get('--config');
  const config = await loadConfig({
    env: process.env,
    flags: settings,
    ...(file === undefined ? {} : { file }),
    readFile: (path) => readFile(path, 'utf8'),
    cwd: process.cwd(),
  });
  if (command === 'config' && verb === 'print') return void process.stdout.write(stringify(config));
  if (command === 'config' && verb === 'check') return say('The configuration is fine.');
  if (command === 'config') throw new ConfigError([unknownName('The command config', verb ?? '', ['print', 'check'])]);
  if (command === 'check') return checkMachine(config);
  const demo = others.get('--demo');
  return startHub(config, demo === undefined ? undefined : resolve(demo));
};

main(process.argv.slice(2)).catch((error: unknown) => {
  const known =
    error instanceof ConfigError ||
    error instanceof StartError ||
    error instanceof MissingPrerequisite ||
    (error instanceof Error && error.name === 'HubError');
  say(known ? (error as Error).message : error instanceof Error ? (error.stack ?? error.message) : String(error));
  process.exit(1);
});
